/** Where finished pictures are kept: the browser's database, or memory where there is none (some private windows). */

const NAME = "guidestar";
const PICTURES = "pictures";
/** Photos that pictures were made from, by the sums of their files. */
const ORIGINALS = "originals";

/** Tells other tabs that the shelf has changed. */
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("guidestar-shelf") : null;

let opened = null;
/** Stands in for the database where it cannot be opened. */
const memory = new Map();
const originalsInMemory = new Map();
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
  await prune();
  channel?.postMessage("changed");
}

/** Throws all pictures away. */
export async function clear() {
  const store = await transaction("readwrite");
  if (store) await answer(store.clear());
  memory.clear();
  await prune();
  channel?.postMessage("changed");
}

/** Keeps a photo that pictures are made from: its `sha256`, `file` and `name`. Throws when there is no room. */
export async function keepOriginal(original) {
  const store = await transaction("readwrite", ORIGINALS);
  if (store) await answer(store.put(original));
  else originalsInMemory.set(original.sha256, original);
}

/** The photo with this sum, if it is kept. */
export async function original(sha256) {
  const store = await transaction("readonly", ORIGINALS);
  return store ? answer(store.get(sha256)) : originalsInMemory.get(sha256);
}

/** Throws photos away that no picture was made from any more. */
async function prune() {
  const used = new Set((await all()).map(({ job }) => job.edit?.source.sha256));
  const store = await transaction("readwrite", ORIGINALS);
  if (!store) {
    for (const sha256 of originalsInMemory.keys()) if (!used.has(sha256)) originalsInMemory.delete(sha256);
    return;
  }
  for (const sha256 of await answer(store.getAllKeys())) if (!used.has(sha256)) await answer(store.delete(sha256));
}

/** Calls `hearer` when another tab has changed the shelf. */
export function onchange(hearer) {
  channel?.addEventListener("message", hearer);
}

async function transaction(mode, name = PICTURES) {
  const open = await database();
  return open?.transaction(name, mode).objectStore(name) ?? null;
}

function database() {
  opened ??= new Promise((resolve) => {
    let request;
    try {
      request = indexedDB.open(NAME, 2);
    } catch {
      return resolve(null);
    }
    request.onupgradeneeded = ({ oldVersion }) => {
      if (oldVersion < 1) request.result.createObjectStore(PICTURES, { keyPath: "id", autoIncrement: true });
      request.result.createObjectStore(ORIGINALS, { keyPath: "sha256" });
    };
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
