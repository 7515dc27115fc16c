// The engine in Node on Dawn, where WebGPU has shader-f16 as a visitor's browser has, and the headless Chromium of the
// other tests has not: the U-Net step of tests/web/unet.rs must give what the published implementation gives here too.
//
// pkg/ holds the library as `wasm-bindgen --target web` writes it; scripts/test.sh puts it there.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { create, globals } from 'webgpu';
import init, { DrawnUnet, Gpu } from './pkg/guidestar.js';

// The library looks for a window and asks it for its GPU.
Object.assign(globalThis, globals);
Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) } });
globalThis.Window = class {
  static [Symbol.hasInstance](value) {
    return value === globalThis;
  }
};

const read = (path) => readFileSync(new URL(path, import.meta.url));

await init({ module_or_path: read('pkg/guidestar_bg.wasm') });

// A golden fixture: shape and numbers of each tensor.
function fixture(name) {
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

async function stepIsThatOfDiffusers(precision, storage, limit) {
  const gpu = await Gpu.open(precision);
  assert.equal(gpu.details().get('storage'), storage);
  const { x, t, context, output } = fixture('unet_rows');
  const unet = new DrawnUnet(gpu);
  const found = await unet.forward(x.numbers, Uint32Array.from(x.shape), t.numbers, context.numbers);
  assert.equal(found.length, output.numbers.length);
  assert.ok(found.every(Number.isFinite), 'not a number');
  const squares = (numbers) => numbers.reduce((sum, number) => sum + number * number, 0);
  const errors = Float64Array.from(found, (number, i) => number - output.numbers[i]);
  const nmse = squares(errors) / squares(Float64Array.from(output.numbers));
  console.log(`${precision}: nmse ${nmse.toExponential(2)}`);
  assert.ok(nmse <= limit, `nmse ${nmse} over ${limit}`);
}

test('the U-Net step in f16 is that of diffusers', () => stepIsThatOfDiffusers('f16', 'F16', 1e-4));
test('the U-Net step in f32 is that of diffusers', () => stepIsThatOfDiffusers('f32', 'F32', 1e-7));
