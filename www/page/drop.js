/**
 * Files that are dropped anywhere on the page or pasted into it: a picture of ours restores its job, a photo is restyled, a
 * checkpoint is added.
 */

import { byId } from "./dom.js";

/**
 * Calls `onpicture` with a picture's file, and whether it was dropped where photos are chosen, and on what; `onnetwork` with an ONNX file;
 * `onmodel` with the files of a checkpoint, each as `{ file, path }`.
 */
export function wireDrop({ onpicture, onmodel, onnetwork, onalien }) {
  const veil = byId("drop");
  let depth = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth += 1;
    veil.hidden = false;
  });
  addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  addEventListener("dragleave", () => {
    depth = Math.max(depth - 1, 0);
    veil.hidden = depth === 0;
  });
  addEventListener("drop", async (event) => {
    depth = 0;
    veil.hidden = true;
    if (!carriesFiles(event)) return;
    event.preventDefault();
    const place = event.target;
    const aimed = Boolean(place.closest?.(".source"));
    sort(await filesOf(event.dataTransfer), aimed, place);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) sort(files.map((file) => ({ file, path: file.name })));
  });

  function sort(files, aimed = false, place = null) {
    const [{ file }] = files;
    const isPicture = file.type.startsWith("image/") || /\.(png|jpe?g|webp|gif|bmp|avif|heic)$/i.test(file.name);
    if (files.length === 1 && isPicture) onpicture(file, aimed, place);
    else if (files.length === 1 && /\.onnx$/i.test(file.name)) onnetwork(file);
    else if (files.some(({ file }) => /\.safetensors$/i.test(file.name))) onmodel(files);
    else onalien(files.map(({ file }) => file.name));
  }
}

/** All files of a drop, folders opened; the paths begin inside a single folder that was dropped. */
async function filesOf(transfer) {
  // The list is only there during the event: everything is taken before the first wait.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const plain = [...transfer.files];
  if (entries.every((entry) => entry === null || entry.isFile)) return plain.map((file) => ({ file, path: file.name }));
  const found = [];
  for (const entry of entries) if (entry) await walk(entry, "", found);
  return found;
}

async function walk(entry, folder, found) {
  const path = folder ? `${folder}/${entry.name}` : entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A call gives some entries, at most 100; none when there are no more.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const inner of some) await walk(inner, path, found);
  }
}
