"use strict";
// Keeps the pages of requests on a device up to date, and asks the browser for
// notifications where somebody wants them. Looking answers and counts nothing;
// without this file the pages have a link to look again.
(() => {
  const onward = document.querySelector("form[data-push-continue]");
  if (onward) {
    onward.submit(); // the request was answered on the device
    return;
  }

  const here = location.pathname + location.search;
  const watched = document.querySelector("[data-push-state]");
  if (watched && window.fetch && window.DOMParser) {
    let looks = 0;
    const look = async () => {
      try {
        const answer = await fetch(here, { credentials: "same-origin", redirect: "manual", cache: "no-store" });
        let moved = answer.type === "opaqueredirect";
        if (answer.ok) {
          const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-push-state]");
          moved = !fresh || fresh.dataset.pushState !== watched.dataset.pushState;
        }
        if (moved) {
          location.replace(here);
          return;
        }
      } catch {
        // no network at the moment: look again
      }
      looks += 1;
      setTimeout(look, looks < 150 ? 2000 : 10000);
    };
    setTimeout(look, 2000);
  }

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const running = (worker) =>
    new Promise((done) => {
      if (worker.state === "activated") done();
      worker.addEventListener("statechange", () => worker.state === "activated" && done());
    });
  const subscribe = async (key) => {
    if ((await Notification.requestPermission()) !== "granted") throw new Error("refused");
    const registration = await navigator.serviceWorker.register("/push-worker.js", { scope: "/push" });
    await running(registration.active || registration.waiting || registration.installing);
    const old = await registration.pushManager.getSubscription();
    if (old) await old.unsubscribe(); // it may be for another key
    return registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) });
  };
  for (const part of document.querySelectorAll("[data-push-key]")) {
    const show = (name) => {
      for (const other of part.querySelectorAll("[data-say]")) other.hidden = other.dataset.say !== name;
    };
    if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) {
      show("missing");
      continue;
    }
    const button = part.querySelector("button");
    const field = part.querySelector("[name=subscription]");
    button.hidden = false;
    button.addEventListener("click", async () => {
      button.disabled = true;
      show("waiting");
      try {
        field.value = JSON.stringify(await subscribe(part.dataset.pushKey));
        button.hidden = true;
        show("on");
        if (part.dataset.pushSend) field.form.submit();
      } catch {
        button.disabled = false;
        show("refused");
      }
    });
  }
})();
