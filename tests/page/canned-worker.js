/**
 * A worker that says what the real one would, without a GPU: the page's tests put it in the real one's place, behind a line that
 * sets SCENE. It draws a star where the real one draws a picture.
 *
 * SCENE may say: `unavailable` (a reason), `device` (what `opened` says), `loadMs`, `shaders` (to be prepared before the first step), `stepMs`, `holdAt` (a step that the first job stays at until it is stopped), `failing` (a failure for every job, or for those that are wider than `roomPx`), `broken` (the worker does not even start),
 * `lostAt` (a step), `crashAt` (a step), `storage` (null for a private window), `models` (beyond mini), `inspected`,
 * `fetchMs`, `needs`.
 */

const scene = {
  loadMs: 0,
  stepMs: 4,
  fetchMs: 4,
  storage: { persisted: false, quota_bytes: 64e9, usage_bytes: 2.2e9 },
  models: [],
  device: { name: "Canned GPU", api: "webgpu", storage: "f16", software: false, details: [["features", "shader-f16"], ["maxBufferSize", "1073741824"]] },
  ...globalThis.SCENE,
};

if (scene.broken) throw new Error("the engine could not be fetched");

const MINI = { name: "mini", place: "built-in", bytes: 23e6, done_bytes: 23e6, loaded: true, url: null, sha256: null };
let models = [MINI, ...scene.models];
let stopped = false;
let cancelled = false;
/** Ends when what is being added is here, or not; and what brings it here at once. */
let adding = Promise.resolve();
let hurry = () => {};
let lost = false;
let hasHeld = false;
let queue = Promise.resolve();

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const traces = () => ({ count: traced.size, bytes: 215_000 * traced.size });
const sayModels = (id) => postMessage({ type: "models", models, storage: scene.storage, traces: traces(), id });

/** What waits for nothing, and what is done in order. */
const AT_ONCE = ["stop", "cancel", "models", "needs", "hold", "read-png"];
/** Pictures that were given, and sources that were traced. */
const held = new Map();
const traced = new Set();

onmessage = ({ data }) => {
  const act = () => acts[data.type](data).catch((error) => postMessage({ type: "failed", message: error.message, causes: [], id: data.id }));
  if (AT_ONCE.includes(data.type)) act();
  else if (data.type.startsWith("add") || data.type === "inspect") act();
  else queue = queue.then(act);
};

const acts = {
  async open({ id }) {
    if (scene.unavailable) return postMessage({ type: "unavailable", reason: scene.unavailable, message: "canned", id });
    postMessage({ type: "opened", device: scene.device, id });
  },
  async load({ model, id }) {
    if (scene.unavailable) throw new Error("there is no device");
    if (!models.some(({ name }) => name === model)) throw new Error(`there is no model "${model}" here`);
    for (let done = 0; done <= 4; done += 1) {
      postMessage({ type: "event", event: { event: "loading", part: model, done_bytes: done * 5.75e6, total_bytes: 23e6 }, id });
      await wait(scene.loadMs / 5);
    }
    const side = model === "mini" ? "128x128" : "512x512";
    postMessage({ type: "loaded", model, traits: { size: side, steps: 25, cfg_scale: 7.5, reduction: 8 }, weight_bytes: 46e6, id });
  },
  async start({ job, id }) {
    if (scene.unavailable) throw new Error("there is no device");
    stopped = false;
    const whole = { version: 1, eta: 0, quirks: {}, ...job, size: job.size ?? "128x128", steps: job.steps ?? 25, cfg_scale: job.cfg_scale ?? 7.5 };
    if (scene.failing && !(Number.parseInt(whole.size, 10) <= scene.roomPx)) throw new Error(scene.failing);
    const tell = (event) => postMessage({ type: "event", event, id });
    tell({ event: "started", job: whole, device: scene.device.name, precision: "f16", count: whole.count, steps: whole.steps });
    const [width, height] = whole.size.split("x").map(Number);
    if (whole.edit && !(await trace(whole, width, height, id))) return tell({ event: "stopped", finished: 0, of: whole.count });
    for (let done = 1; done <= scene.shaders; done += 1) {
      await wait(scene.stepMs);
      tell({ event: "preparing", done, of: scene.shaders, left_secs: ((scene.shaders - done) * scene.stepMs) / 1000 });
    }
    for (let picture = 0; picture < whole.count; picture += 1) {
      // A seed beyond what a number holds comes and goes as digits.
      const seed = typeof whole.seed === "string" ? whole.seed : whole.seed + picture;
      for (let step = 1; step <= whole.steps; step += 1) {
        await wait(scene.stepMs);
        if (stopped) return tell({ event: "stopped", finished: picture, of: whole.count });
        if (step === scene.crashAt) setTimeout(() => { throw new Error("unreachable executed"); });
        if (step === scene.lostAt && !lost) {
          lost = true;
          postMessage({ type: "lost", message: "the driver took it away", id });
        }
        if (whole.guide) tell({ event: "guided", picture, step, losses: whole.guide.guides.map(({ target }) => [target.kind, 0.9 / (1 + step / 4) + 0.05 * Math.cos(step)]) });
        tell({ event: "step", picture, step, of: whole.steps, rate: 1000 / scene.stepMs, left_secs: ((whole.steps - step) * scene.stepMs) / 1000 });
        const rgba = draw(width / 8, height / 8, seed, 1 - step / whole.steps).data;
        postMessage({ type: "preview", picture, step, width: width / 8, height: height / 8, rgba: rgba.buffer, id }, [rgba.buffer]);
        if (step === scene.holdAt && !hasHeld) {
          hasHeld = true;
          while (!stopped) await wait(5);
        }
      }
      const image = draw(width, height, whole.edit ? whole.prompt.length : seed, 0, whole.sag || whole.guide ? 0.66 : 0.62);
      const alone = { ...whole, seed, count: 1, made_on: { program: "guidestar 0", device: scene.device.name, precision: "f16" } };
      const png = await remember(await encode(image), JSON.stringify(alone));
      tell({ event: "picture", picture, of: whole.count, seed, secs: (scene.stepMs * whole.steps) / 1000 });
      postMessage({ type: "picture", picture, seed, width, height, job: alone, ...masks(whole, width / 8, height / 8), scores: [], rgba: image.data.buffer, png, id });
    }
    tell({ event: "done", pictures: whole.count, secs: 1 });
  },
  async stop() {
    stopped = true;
  },
  async needs({ id }) {
    postMessage({ type: "needs", weight_bytes: 46e6, intermediate_bytes: 12e6, total_bytes: 58e6, problem: null, ...scene.needs, id });
  },
  async models({ id }) {
    sayModels(id);
  },
  async inspect({ url, files, id }) {
    await wait(5);
    const name = url ? url.split("/").pop() : files[0].path.split("/")[0];
    const answer = { name, fetch_bytes: url ? 2.13e9 : 0, store_bytes: 2.13e9, memory_bytes: 2.6e9, store_problem: null, problem: null };
    postMessage({ type: "inspected", ...answer, ...scene.inspected, id });
  },
  async "add-files"({ files, store, id }) {
    await (adding = bring(files[0].path.split("/")[0], "store", store, id));
  },
  async "add-url"({ url, store, id }) {
    await (adding = bring(url.split("/").pop(), "fetch", store, id));
  },
  async cancel() {
    cancelled = true;
  },
  // As when it is too late to call an adding off.
  async remove({ name, id }) {
    hurry();
    await adding;
    models = models.filter((model) => model.name !== name);
    sayModels(id);
  },
  async "forget-traces"({ id }) {
    traced.clear();
    sayModels(id);
  },
  async hold({ what, bytes, id }) {
    const sha256 = Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (what === "file") return postMessage({ type: "held", sha256, width: 0, height: 0, warnings: [], id });
    const bitmap = await createImageBitmap(new Blob([bytes])).catch(() => {
      throw new Error("this is no picture that is known");
    });
    held.set(sha256, bitmap);
    postMessage({ type: "held", sha256, width: bitmap.width, height: bitmap.height, warnings: [], id });
  },
  async "read-png"({ bytes, id }) {
    const text = recall(new Uint8Array(bytes));
    if (!text) throw new Error("this picture remembers no job");
    postMessage({ type: "job", job: JSON.parse(text), parameters: null, id });
  },
  async bench({ id }) {
    postMessage({ type: "bench", lines: ["operation          ms   GFLOP/s", "conv3x3 320->320  1.9      1780"], done: false, id });
    postMessage({ type: "bench", lines: ["attention 4096    4.1       940"], done: true, id });
  },
};

/** Shows what an edit begins with, after tracing it the first time. False when it was stopped. */
async function trace(job, width, height, id) {
  const { source } = job.edit;
  const bitmap = source.from === "picture" ? held.get(source.sha256) : null;
  if (source.from === "picture" && !bitmap) throw new Error(`the picture ${source.path} that this edit begins with is not here`);
  const say = async (what, image, own) => {
    const png = await remember(await encode(image), JSON.stringify(own));
    postMessage({ type: "source", what, width, height, job: own, rgba: image.data.buffer, png, id }, [image.data.buffer]);
  };
  if (bitmap) await say("picture", scaled(bitmap, width, height, source.crop), null);
  if (bitmap && job.edit.method === "img2img") return true;
  const name = JSON.stringify([source, job.edit.inversion_steps, job.size]);
  const of = 2 * job.edit.inversion_steps;
  for (let step = 1; step <= of && !traced.has(name); step += 1) {
    await wait(scene.stepMs);
    if (stopped) return false;
    postMessage({ type: "event", event: { event: "trace", step, of, rate: 1, left_secs: ((of - step) * scene.stepMs) / 1000 }, id });
  }
  traced.add(name);
  const again = bitmap ? scaled(bitmap, width, height, source.crop) : draw(width, height, source.seed, 0);
  await say("reconstruction", again, bitmap ? { ...job, prompt: source.prompt } : null);
  return true;
}

function scaled(bitmap, width, height, crop) {
  const side = Math.min(bitmap.width, bitmap.height);
  const middle = [(bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side];
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, ...(crop ? crop.split(",").map(Number) : middle), 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** Where a guided star was blurred: its middle, less of it in each step. */
function masks(job, width, height) {
  if (!job.sag) return { maps: [], map_values: new ArrayBuffer(0) };
  const maps = Array.from({ length: job.steps }, (_, step) => ({ name: "sag-mask", step, width, height }));
  const values = maps.flatMap(({ step }) =>
    Array.from({ length: width * height }, (_, at) => {
      const [u, v] = [(at % width) / width - 0.5, Math.floor(at / width) / height - 0.5];
      return u * u + v * v < 0.1 / (1 + step / job.steps) ? 255 : 0;
    }),
  );
  return { maps, map_values: new Uint8Array(values).buffer };
}

async function bring(name, act, stored, id) {
  cancelled = false;
  const total = 2.13e9;
  const hurried = new Promise((resolve) => (hurry = resolve));
  for (let part = 0; part <= 10; part += 1) {
    if (cancelled) return sayModels(id);
    postMessage({ type: "progress", name, act, done_bytes: (part * total) / 10, total_bytes: total, rate: 9e7, left_secs: (10 - part) * 2.4, id });
    await Promise.race([wait(scene.fetchMs), hurried]);
  }
  models = models.filter((model) => model.name !== name);
  models.push({ name, place: stored ? "stored" : "visit", bytes: total, done_bytes: total, loaded: false, url: null, sha256: null });
  postMessage({ type: "added", name, stored, note: null, id });
}

/** A star on a plain ground whose colour the seed decides, under as much noise as is left; guided, it reaches farther. */
function draw(width, height, digits, noise, reach = 0.62) {
  const seed = Number(digits) % 1e9;
  const image = new ImageData(width, height);
  const hue = (seed * 0.61803) % 1;
  const ground = [0, 1 / 3, 2 / 3].map((shift) => 120 + 70 * Math.cos(2 * Math.PI * (hue + shift)));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const [u, v] = [Math.abs(x / width - 0.5), Math.abs(y / height - 0.5)];
      const inside = Math.sqrt(u) + Math.sqrt(v) < reach;
      const grain = noise * 255 * (fraction(Math.sin(x * 12.9898 + y * 78.233 + seed) * 43758.5453) - 0.5);
      for (let c = 0; c < 3; c += 1) {
        const clean = inside ? [255, 236, 190][c] : ground[c] * (1 - 0.35 * (y / height));
        image.data[4 * (y * width + x) + c] = clean * (1 - noise) + 128 * noise + grain;
      }
      image.data[4 * (y * width + x) + 3] = 255;
    }
  }
  return image;
}

function fraction(value) {
  return value - Math.floor(value);
}

async function encode(image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
}

/** Puts a `guidestar` text chunk behind a PNG's header. */
function remember(png, text) {
  const body = new TextEncoder().encode(`tEXtguidestar\0${text}`);
  const chunk = new Uint8Array(body.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, body.length - 4);
  chunk.set(body, 4);
  view.setUint32(4 + body.length, sum(body));
  // A signature of 8 bytes and a header of 25 come first.
  return new Uint8Array([...png.subarray(0, 33), ...chunk, ...png.subarray(33)]).buffer;
}

function recall(png) {
  const text = new TextDecoder("latin1").decode(png);
  const at = text.indexOf("tEXtguidestar\0");
  if (at < 0) return null;
  const length = new DataView(png.buffer, png.byteOffset).getUint32(at - 4);
  return new TextDecoder().decode(png.subarray(at + 14, at + 4 + length));
}

function sum(data) {
  let crc = ~0;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
