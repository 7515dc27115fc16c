// The engine in Node on Dawn, where WebGPU has shader-f16 as a visitor's browser has, and the headless Chromium of the
// other tests has not: the U-Net step of tests/web/unet.rs must give what the published implementation gives here too.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrawnUnet, Gpu, fixture, nmse } from './engine.js';

async function stepIsThatOfDiffusers(precision, storage, limit) {
  const gpu = await Gpu.open(precision);
  assert.equal(gpu.details().get('storage'), storage);
  const { x, t, context, output } = fixture('unet_rows');
  const unet = new DrawnUnet(gpu);
  const found = await unet.forward(x.numbers, Uint32Array.from(x.shape), t.numbers, context.numbers);
  assert.equal(found.length, output.numbers.length);
  assert.ok(found.every(Number.isFinite), 'not a number');
  const error = nmse(found, output.numbers);
  console.log(`${precision}: nmse ${error.toExponential(2)}`);
  assert.ok(error <= limit, `nmse ${error} over ${limit}`);
}

test('the U-Net step in f16 is that of diffusers', () => stepIsThatOfDiffusers('f16', 'F16', 1e-4));
test('the U-Net step in f32 is that of diffusers', () => stepIsThatOfDiffusers('f32', 'F32', 1e-7));
