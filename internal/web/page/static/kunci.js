"use strict";
// Everything works without this file. With it: passwords can be shown, the
// checklist marks what is met while typing, and a proof of work is done.
for (const button of document.querySelectorAll("button[data-show]")) {
  const field = document.getElementById(button.dataset.show);
  button.hidden = false;
  button.addEventListener("click", () => {
    const hidden = field.type === "password";
    field.type = hidden ? "text" : "password";
    button.setAttribute("aria-pressed", String(hidden));
    field.focus();
  });
}

for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

const rules = document.querySelector("[data-rules]");
if (rules) {
  const field = document.getElementById(rules.dataset.rules);
  const judge = {
    too_short: (text, n) => [...text.normalize("NFKC")].length >= n,
    too_long: (text, n) => [...text.normalize("NFKC")].length <= n,
    classes: (text, n) => [/\p{Ll}/u, /\p{Lu}/u, /\p{Nd}/u, /[^\p{L}\p{Nd}]/u].filter((c) => c.test(text)).length >= n,
  };
  field.addEventListener("input", () => {
    for (const line of rules.querySelectorAll("[data-rule]")) {
      const test = judge[line.dataset.rule];
      if (test) line.classList.toggle("met", field.value !== "" && test(field.value, Number(line.dataset.count)));
    }
  });
}

for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => delete form.dataset.sent, 4000);
  });
}

const work = document.querySelector("[data-altcha]");
if (work && window.crypto && crypto.subtle) {
  const ask = JSON.parse(work.dataset.altcha);
  const status = document.querySelector("[data-altcha-status]");
  const button = work.form.querySelector("button.primary");
  const hex = (buffer) => [...new Uint8Array(buffer)].map((b) => b.toString(16).padStart(2, "0")).join("");
  const encoder = new TextEncoder();
  const find = async () => {
    for (let from = 0; from <= ask.maxnumber; from += 500) {
      const numbers = [...Array(Math.min(500, ask.maxnumber + 1 - from)).keys()].map((n) => from + n);
      const hashes = await Promise.all(numbers.map((n) => crypto.subtle.digest("SHA-256", encoder.encode(ask.salt + n))));
      const found = hashes.findIndex((h) => hex(h) === ask.challenge);
      if (found >= 0) return numbers[found];
    }
    return -1;
  };
  button.disabled = true;
  status.hidden = false;
  find().then((number) => {
    work.value = btoa(JSON.stringify({ algorithm: ask.algorithm, challenge: ask.challenge, number, salt: ask.salt, signature: ask.signature }));
    button.disabled = false;
    status.hidden = true;
  });
}

// While a message is on its way, what the page says about it is kept up to
// date without touching what is being typed. Looking sends and counts nothing.
const delivery = document.getElementById("delivery");
if (delivery && delivery.dataset.watch && window.fetch && window.DOMParser) {
  let left = 30;
  const look = async () => {
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
      const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("delivery");
      if (fresh && fresh.dataset.watch !== delivery.dataset.watch) {
        delivery.dataset.watch = fresh.dataset.watch;
        delivery.replaceChildren(...fresh.childNodes);
      }
    } catch {
      return; // the next click will say what is the matter
    }
    if (--left > 0) setTimeout(look, delivery.dataset.watch === "waiting" ? 2000 : 4000);
  };
  setTimeout(look, 2000);
}
