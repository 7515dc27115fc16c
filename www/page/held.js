/** Files that the engine is given to hold: photos, masks, networks. Jobs name them by their sums. */

import { toast } from "./dom.js";

/** Gives the engine a picture: `{ file, name, sha256, width, height, warnings, life }`. Throws the engine's words where it is none. */
export async function holdPicture(engine, given) {
  try {
    return await hold(engine, given, "picture");
  } catch (error) {
    // What only the browser can read becomes a PNG, which jobs are then made with.
    const file = await asPng(given).catch(() => null);
    if (!file) throw error;
    toast(`${given.name} was made a PNG, because only this browser reads it.`);
    return hold(engine, file, "picture");
  }
}

/** Gives the engine any other file. */
export function holdFile(engine, file) {
  return hold(engine, file, "file");
}

/** Gives it what it held in an earlier life once more. */
export async function holdAgain(engine, held) {
  if (held.life === engine.life) return;
  await hold(engine, held.file, held.what);
  held.life = engine.life;
}

async function hold(engine, file, what) {
  const { life } = engine;
  const bytes = await file.arrayBuffer();
  const { sha256, width, height, warnings } = await engine.ask({ type: "hold", what, bytes }, [bytes]);
  return { file, what, name: file.name, sha256, width, height, warnings, life };
}

/** A picture that the browser can read, upright, as a PNG. */
async function asPng(file) {
  const bitmap = await createImageBitmap(file);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/png" });
  return new File([blob], `${file.name.replace(/\.\w+$/, "")}.png`, { type: "image/png" });
}
