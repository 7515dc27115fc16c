/** Where finished pictures are kept: the browser's database, or memory where there is none (some private windows). */

const NAME = "guidestar";
const PICTURES = "pictures";

/** Tells other tabs that the shelf has changed. */
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("guidestar-shelf") : null;

let opened = null;
/** Stands in for the database where it cannot be opened. */
const memory = new Map();
let nextInMemory = 1;

/** Whether pictures outlive this page. */
export async function lasts() {
  return (await database()) !== null;
}

/** Keeps a picture and gives it its `id`. Throws when there is no room. */
export async function keep(picture) {
  const store = await transaction("readwrite");
  if (store) picture.id = await answer(store.add(picture));
  else memory.set((picture.id = nextInMemory++), picture);
  channel?.postMessage("changed");
  return picture;
}

/** All pictures, the newest first. */
export async function all() {
  const store = await transaction("readonly");
  const found = store ? await answer(store.getAll()) : [...memory.values()];
  return found.reverse();
}

/** How many pictures there are. */
export async function count() {
  const store = await transaction("readonly");
  return store ? answer(store.count()) : memory.size;
}

/** Throws one picture away. */
export async function remove(id) {
  const store = await transaction("readwrite");
  if (store) await answer(store.delete(id));
  else memory.delete(id);
  channel?.postMessage("changed");
}

/** Throws all pictures away. */
export async function clear() {
  const store = await transaction("readwrite");
  if (store) await answer(store.clear());
  memory.clear();
  channel?.postMessage("changed");
}

/** Calls `hearer` when another tab has changed the shelf. */
export function onchange(hearer) {
  channel?.addEventListener("message", hearer);
}

async function transaction(mode) {
  const open = await database();
  return open?.transaction(PICTURES, mode).objectStore(PICTURES) ?? null;
}

function database() {
  opened ??= new Promise((resolve) => {
    let request;
    try {
      request = indexedDB.open(NAME, 1);
    } catch {
      return resolve(null);
    }
    request.onupgradeneeded = () => request.result.createObjectStore(PICTURES, { keyPath: "id", autoIncrement: true });
    request.onsuccess = () => {
      // A newer page in another tab may need to change the database: make way for it.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => resolve(null);
  });
  return opened;
}

function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
