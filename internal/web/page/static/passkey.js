"use strict";
// Asks the browser for a passkey and sends its answer in the form's field
// "code". What to ask is in the page, as WebAuthn's JSON; nothing else is read
// or sent. Browsers that cannot do it get a sentence instead of a button.
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const listed = (all) => (all || []).map((c) => Object.assign({}, c, { id: bytes(c.id) }));

  const ask = async (options) => {
    options.challenge = bytes(options.challenge);
    if (!options.user) {
      options.allowCredentials = listed(options.allowCredentials);
      return navigator.credentials.get({ publicKey: options });
    }
    options.user.id = bytes(options.user.id);
    options.excludeCredentials = listed(options.excludeCredentials);
    return navigator.credentials.create({ publicKey: options });
  };

  const answer = (credential) => {
    const from = credential.response;
    const response = { clientDataJSON: text(from.clientDataJSON) };
    if (from.attestationObject) {
      response.attestationObject = text(from.attestationObject);
      response.transports = from.getTransports ? from.getTransports() : [];
    } else {
      response.authenticatorData = text(from.authenticatorData);
      response.signature = text(from.signature);
      if (from.userHandle) response.userHandle = text(from.userHandle);
    }
    const id = text(credential.rawId);
    return JSON.stringify({ id, rawId: id, type: credential.type, response, clientExtensionResults: {} });
  };

  for (const part of document.querySelectorAll("[data-passkey]")) {
    const show = (name) => {
      for (const other of part.querySelectorAll("[data-say]")) other.hidden = other.dataset.say !== name;
    };
    if (!window.PublicKeyCredential || !navigator.credentials) {
      show("missing");
      continue;
    }
    const button = part.querySelector("button");
    const form = part.closest("form");
    button.hidden = false;
    form.addEventListener("submit", (event) => {
      if (form.elements.code.value) return;
      event.preventDefault(); // Enter in the field of the name is no answer yet
      button.click();
    });
    button.addEventListener("click", async () => {
      button.disabled = true;
      show("waiting");
      try {
        const credential = await ask(JSON.parse(part.dataset.passkey));
        form.elements.code.value = answer(credential);
        form.submit();
      } catch (error) {
        button.disabled = false;
        show(error.name === "InvalidStateError" ? "exists" : error.name === "SecurityError" || error.name === "NotSupportedError" ? "missing" : "cancelled");
      }
    });
  }

  // Tells the browser which passkeys still count here, so that it stops offering
  // those that were deleted (WebAuthn Level 3, 5.1.10).
  const kept = document.querySelector("[data-passkeys-kept]");
  if (kept && window.PublicKeyCredential && PublicKeyCredential.signalAllAcceptedCredentials) {
    PublicKeyCredential.signalAllAcceptedCredentials(JSON.parse(kept.dataset.passkeysKept)).catch(() => {});
  }
})();
