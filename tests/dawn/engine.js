// The library in Node on Dawn. pkg/ holds it as `wasm-bindgen --target web` writes it; scripts/test.sh puts it there.

import { readFileSync } from 'node:fs';
import { create, globals } from 'webgpu';
import init from './pkg/guidestar.js';

export * from './pkg/guidestar.js';

// The library looks for a window and asks it for its GPU.
Object.assign(globalThis, globals);
Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) } });
globalThis.Window = class {
  static [Symbol.hasInstance](value) {
    return value === globalThis;
  }
};

export const read = (path) => readFileSync(new URL(path, import.meta.url));

await init({ module_or_path: read('pkg/guidestar_bg.wasm') });

// A golden fixture: shape and numbers of each tensor.
export function fixture(name) {
  const file = read(`../fixtures/${name}.safetensors`);
  const start = 8 + Number(file.readBigUInt64LE());
  const header = JSON.parse(file.toString('utf8', 8, start));
  delete header.__metadata__;
  const tensors = Object.entries(header).map(([key, { dtype, shape, data_offsets: [from, to] }]) => {
    const bytes = Uint8Array.from(file.subarray(start + from, start + to)).buffer;
    return [key, { shape, numbers: dtype === 'I32' ? new Uint32Array(bytes) : new Float32Array(bytes) }];
  });
  return Object.fromEntries(tensors);
}

// How far numbers are from those wanted: `sum (a - b)^2 / sum b^2`.
export function nmse(found, wanted) {
  const squares = (numbers) => numbers.reduce((sum, number) => sum + number * number, 0);
  const errors = Float64Array.from(found, (number, i) => number - wanted[i]);
  return squares(errors) / squares(Float64Array.from(wanted));
}
