// A job of the default model through the worker's messages in f16: the one that tests/web/jobs.rs does in f32.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { Guidestar, fixture, nmse, read } from './engine.js';

// Serves models/, as a page's own server does.
async function serveModels() {
  const root = new URL('../../models/', import.meta.url);
  const server = createServer(async ({ url }, answer) => {
    const bytes = await readFile(new URL(`.${url}`, root)).catch(() => null);
    answer.writeHead(bytes ? 200 : 404, { 'Content-Length': bytes?.length ?? 0 }).end(bytes);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return { server, base: `http://127.0.0.1:${server.address().port}/` };
}

test('a job in f16 gives the native latents, but for rounding', async () => {
  const { server, base } = await serveModels();
  try {
    let settle;
    const ended = new Promise((resolve) => (settle = resolve));
    const said = [];
    const guidestar = new Guidestar((message) => {
      said.push(message);
      const ends = ['done', 'failed', 'stopped'].includes(message.event?.event);
      if (ends || ['failed', 'unavailable'].includes(message.type)) settle(message);
    }, base);
    guidestar.receive({ type: 'open', precision: 'f16' });
    guidestar.receive({ type: 'start', id: 1, job: JSON.parse(read('../fixtures/mini_job.json')) });
    const last = await ended;
    assert.equal(last.event?.event, 'done', JSON.stringify(last));
    const find = (type) => said.find((message) => message.type === type);
    assert.ok(find('opened').device.details.some(([name, value]) => name === 'storage' && value === 'F16'));
    assert.equal(find('preview').step, 1);
    const error = nmse(new Float32Array(find('picture').latents), fixture('mini_job').latents.numbers);
    console.log(`nmse ${error.toExponential(2)}`);
    assert.ok(error <= 1e-4, `nmse ${error}`);
  } finally {
    server.close();
  }
});
