/** Installs the service worker that lets the page start without a network. */

/** Registers it. Where there is none, the page works the same but for starting offline. */
export function wireOffline() {
  if (!("serviceWorker" in navigator)) return;
  // Beside index.html, so that the whole page is in its scope.
  navigator.serviceWorker.register(new URL("sw.js", document.baseURI)).catch(() => {});
}

/** Asks it to keep everything that the page consists of, the model that comes with it included. */
export async function keepForOffline() {
  const registration = await navigator.serviceWorker?.ready;
  registration?.active?.postMessage({ type: "keep" });
}
