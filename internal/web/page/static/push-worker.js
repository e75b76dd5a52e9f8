"use strict";
// Shows the notification that a request waits, and opens the page where it is
// answered. It answers nothing itself and handles no page's requests.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("push", (event) => {
  let words = {};
  try {
    words = event.data.json();
  } catch {
    // words of our own are missing; the name must do
  }
  event.waitUntil(self.registration.showNotification(words.title || "Kunci", { body: words.body || "", tag: "kunci-request", renotify: true, requireInteraction: true }));
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const open = async () => {
    for (const window of await self.clients.matchAll({ type: "window", includeUncontrolled: true })) {
      if (new URL(window.url).pathname === "/push") return window.focus();
    }
    return self.clients.openWindow("/push");
  };
  event.waitUntil(open());
});
