/**
 * Browsers whose WebGPU lacks something, or all of it, on the page as it was built: what they lack is taken from the worker before its
 * engine looks for it.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, listen, SWIFTSHADER } from "./browser.js";
import { ask, button, download, drop, PATIENCE, ready, serve, shades } from "./visit.js";

/** What is done to the worker's globals, by the state that the browser is then in. */
const LACKS = {
  webgpu: `Object.defineProperty(navigator, "gpu", { get: () => undefined });`,
  adapter: `GPU.prototype.requestAdapter = async () => null;`,
  device: `GPUAdapter.prototype.requestDevice = async () => { throw new DOMException("the driver does not answer", "OperationError"); };`,
  // No numbers of 16 bits, no clock, and bindings as small as the standard allows.
  luxury: `
    const { get } = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, "features");
    const lacks = ["shader-f16", "timestamp-query"];
    Object.defineProperty(GPUAdapter.prototype, "features", { get() { return new Set([...get.call(this)].filter((name) => !lacks.includes(name))); } });
    const limits = { maxStorageBufferBindingSize: 2 ** 27, maxBufferSize: 2 ** 28, maxStorageBuffersPerShaderStage: 8, maxComputeWorkgroupStorageSize: 16384, maxComputeInvocationsPerWorkgroup: 256 };
    for (const [name, value] of Object.entries(limits)) Object.defineProperty(GPUSupportedLimits.prototype, name, { get: () => value });
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = async function (...asked) { return (globalThis.opened = await requestDevice.apply(this, asked)); };`,
};

/** Lets a test see what the worker said. */
const HEARD = `
  const say = globalThis.postMessage;
  globalThis.said = [];
  globalThis.postMessage = (message, moved) => (said.push(message.type), say(message, moved));`;

let browser, server, page, errors;
/** What the next worker lacks. */
let lacking = "webgpu";

before(async () => {
  server = await serve();
  browser = await launch(SWIFTSHADER);
  const visit = await browser.newContext({ viewport: { width: 1280, height: 800 }, serviceWorkers: "block" });
  await visit.route("**/worker.js", async (route) => {
    const script = await (await route.fetch()).text();
    await route.fulfill({ contentType: "text/javascript", body: `${LACKS[lacking]}${HEARD}\n${script}` });
  });
  page = await visit.newPage();
  errors = listen(page);
  await page.goto(server.address);
});
after(async () => {
  await browser?.close();
  await server?.end();
});

/** A part of the visit; at its end nothing unexpected may stand in the console. */
function visitTest(sentence, act) {
  test(sentence, { timeout: 3 * PATIENCE.timeout }, async () => {
    await act();
    assert.deepEqual(errors.splice(0), []);
  });
}

/** Waits for the one thing that is said of the GPU, which stays though no model can be loaded then. */
async function told(heading, way) {
  const alert = page.getByRole("alert");
  await alert.getByRole("heading", { name: heading }).waitFor(PATIENCE);
  await alert.getByText(way).waitFor();
  const [worker] = page.workers();
  while (!(await worker.evaluate(() => globalThis.said.includes("failed")))) await page.waitForTimeout(50);
  await alert.getByRole("heading", { name: heading }).waitFor();
  assert.equal(await page.title(), "Guidestar");
}

visitTest("without WebGPU the page says how to get it, and pictures still bring their jobs", async () => {
  await told("This browser has no WebGPU", "Chrome and Edge have WebGPU since version 113");
  await drop(page, { name: "plain.png", type: "image/png", bytes: [137, 80, 78, 71, 13, 10, 26, 10] });
  await page.getByRole("heading", { name: "plain.png brings no job" }).waitFor(PATIENCE);
});

visitTest("without an adapter the page says what to switch on", async () => {
  lacking = "adapter";
  // Generate looks for a GPU, too, while there is none.
  await button(page, "Generate").click();
  await told("The browser offers no GPU", "Switch hardware acceleration on");
});

visitTest("with an adapter that does not open the page says what to close", async () => {
  lacking = "device";
  await button(page, "Try again").click();
  await told("The GPU did not open", "Close other pages and programs");
});

visitTest("without f16, without timestamps and with small bindings pictures are made", async () => {
  lacking = "luxury";
  await button(page, "Try again").click();
  await ready(page);
  assert.ok(await page.locator("#notice").isHidden());
  await ask(page);
  await download(page);
  assert.ok((await shades(page.locator("#frame img"))) > 50, "there is something on it");
  await page.evaluate(() => (location.hash = "#bench"));
  const lines = await page.getByLabel("What was measured").innerText();
  for (const line of [/shader-f16 +no/, /timestamp-query +no/]) assert.match(lines, line);
  await page.getByRole("link", { name: "Back to the picture" }).click();
});

visitTest("a GPU without room says what to reduce, and draws what is smaller", async () => {
  await page.getByLabel("Width x height").fill("128x64");
  await button(page, "Generate").click();
  await page.locator("#progress-what", { hasText: /^(Preparing|On the first|Step)/ }).waitFor(PATIENCE);
  const [worker] = page.workers();
  await worker.evaluate(() => {
    const error = new GPUOutOfMemoryError("no room");
    globalThis.opened.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error, cancelable: true }));
  });
  const alert = page.getByRole("alert");
  await alert.getByText(/^The GPU has no room: .* Choose a smaller size or a smaller model/).waitFor(PATIENCE);
  await alert.getByRole("button", { name: "Try 64 × 64" }).click();
  await download(page);
  assert.match(await page.locator("#caption").innerText(), /^.*\n64 × 64, 2 steps/);
});

visitTest("an engine that dies is started again by asking for a picture", async () => {
  await ask(page, { steps: 200 });
  await page.locator("#progress-what", { hasText: /^(On the first|Step)/ }).waitFor(PATIENCE);
  const [worker] = page.workers();
  await worker.evaluate(() => setTimeout(() => { throw new WebAssembly.RuntimeError("unreachable"); }));
  await page.getByRole("heading", { name: "The engine stopped" }).waitFor(PATIENCE);
  assert.ok(errors.splice(0).every((text) => text.includes("unreachable")));
  await ask(page);
  await page.locator("#progress-what", { hasText: /^(Preparing|On the first|Step)/ }).waitFor(PATIENCE);
  assert.ok(await page.locator("#notice").isHidden());
});
