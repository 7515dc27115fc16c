/**
 * The service worker: after the first visit the page starts without a network. It keeps exactly what files.json lists, and passes on
 * whatever else is asked for.
 */

// Stamped by the build, so that a changed page is a changed worker.
const VERSION = "unstamped";
const SHELL = `shell-${VERSION}`;
/** The model that comes with the page, kept across versions of the page while it stays the same. */
const MODEL = "model";

addEventListener("install", (event) => {
  event.waitUntil(keepShell());
});

addEventListener("activate", (event) => {
  event.waitUntil(dropOthers().then(() => clients.claim()));
});

addEventListener("message", (event) => {
  if (event.data?.type === "keep") event.waitUntil(keepModel());
});

addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  if (event.request.method !== "GET" || address.origin !== location.origin) return;
  event.respondWith(answer(event.request));
});

async function list() {
  const { shell, model } = await (await fetch("files.json", { cache: "no-cache" })).json();
  return { shell, model };
}

async function keepShell() {
  const { shell } = await list();
  const cache = await caches.open(SHELL);
  await cache.addAll(shell.map((path) => new Request(path, { cache: "no-cache" })));
}

/** Keeps the model's files; what the browser's own cache holds already is not fetched again. */
async function keepModel() {
  const { model } = await list();
  const cache = await caches.open(MODEL);
  for (const { path, sha256 } of model) {
    const kept = `${path}?${sha256}`;
    if (await cache.match(kept)) continue;
    const response = await fetch(path, { cache: "no-cache" });
    if (response.ok) await cache.put(kept, response);
  }
  const wanted = new Set(model.map(({ path, sha256 }) => new URL(`${path}?${sha256}`, location.href).href));
  for (const request of await cache.keys()) if (!wanted.has(request.url)) await cache.delete(request);
}

async function dropOthers() {
  for (const name of await caches.keys()) {
    if (name.startsWith("shell-") && name !== SHELL) await caches.delete(name);
  }
}

/**
 * The shell's files come from the cache, which has all of one version; the model's from the network, so that a new one is noticed, and
 * from the cache when there is no network.
 */
async function answer(request) {
  const shell = await caches.open(SHELL);
  const kept = await shell.match(request, { ignoreSearch: true });
  if (kept) return kept;
  try {
    return await fetch(request);
  } catch (error) {
    const model = await caches.open(MODEL);
    const found = await model.match(request, { ignoreSearch: true });
    if (found) return ranged(request, found);
    throw error;
  }
}

/** A kept file's bytes that were asked for: caches know no ranges. */
async function ranged(request, response) {
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "");
  if (!range) return response;
  const whole = await response.blob();
  const from = Number(range[1]);
  const to = Math.min(range[2] ? Number(range[2]) : whole.size - 1, whole.size - 1);
  return new Response(whole.slice(from, to + 1), {
    status: 206,
    headers: { "content-range": `bytes ${from}-${to}/${whole.size}`, "content-length": String(to + 1 - from) },
  });
}
