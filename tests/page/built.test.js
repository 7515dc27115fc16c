/**
 * The page as it was built, served by the program, with the real engine on a processor that plays the GPU. One visit goes from test to
 * test: opening a device and compiling its shaders is what takes long there.
 */

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, listen, SWIFTSHADER } from "./browser.js";
import { ask, button, download, drop, PATIENCE, ready, serve, serveCheckpoint, shades, writeCheckpoint } from "./visit.js";

const APPLE = "a red apple on a blue background";
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser, server, visit, page, errors, folder, checkpoint, host;
/** The server's answer to whoever asked for the engine. */
let engine;
/** Addresses that were asked for beside the page's own. */
const elsewhere = [];
/** The file of the first picture. */
let first;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "guidestar-"));
  checkpoint = join(folder, "one.safetensors");
  await writeCheckpoint(checkpoint);
  host = await serveCheckpoint(checkpoint);
  server = await serve();
  browser = await launch(SWIFTSHADER);
  visit = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  page = await visit.newPage();
  errors = listen(page);
  page.on("response", (response) => {
    if (response.url().endsWith(".wasm")) engine ??= response;
  });
  page.on("request", (request) => {
    const url = request.url();
    if (![server.address, "blob:"].some((own) => url.startsWith(own))) elsewhere.push(url);
  });
});
after(async () => {
  await browser?.close();
  await server?.end();
  host?.close();
  await rm(folder, { recursive: true, force: true });
});

/** A part of the visit; at its end nothing unexpected may stand in the console. */
function visitTest(sentence, act) {
  test(sentence, { timeout: 3 * PATIENCE.timeout }, async (context) => {
    await act(context);
    assert.deepEqual(errors.splice(0), []);
  });
}

visitTest("a cold profile makes its first picture, and asks nobody else for anything", async (context) => {
  const start = performance.now();
  const told = (what) => context.diagnostic(`${what} after ${((performance.now() - start) / 1000).toFixed(1)} s`);
  await page.goto(server.address);
  await page.getByLabel("Prompt", { exact: true }).waitFor();
  told("usable");
  await page.locator("#device[data-state=slow], #device[data-state=ready]").waitFor(PATIENCE);
  told("device open");
  await ask(page);
  await page.getByRole("img", { name: /^Preview/ }).waitFor(PATIENCE);
  told("first preview");
  await button(page, "Download").waitFor(PATIENCE);
  told("first picture");
  const picture = page.getByRole("img", { name: APPLE });
  assert.deepEqual(await picture.evaluate((image) => [image.naturalWidth, image.naturalHeight]), [64, 64]);
  assert.ok((await shades(picture)) > 50, "the picture has something on it");
  first = await download(page);
  assert.ok(first.includes(`parameters\0${APPLE}\nSteps: 2`));
  assert.ok(first.includes('guidestar\0{"version":1'));
  assert.deepEqual(elsewhere, []);
});

visitTest("the engine is sent packed, in less than 1.5 MB", async (context) => {
  assert.equal(await engine.headerValue("content-encoding"), "br");
  const answer = await fetch(engine.url(), { headers: { "accept-encoding": "gzip, deflate, br" } });
  const bytes = Number(answer.headers.get("content-length"));
  context.diagnostic(`${bytes} bytes on the way, ${(await answer.arrayBuffer()).byteLength} bytes unpacked`);
  assert.ok(bytes > 100_000 && bytes < 1_500_000, `${bytes} bytes`);
});

visitTest("axe finds no barrier in the page with its picture, which fits a window of 360 pixels", async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360, "the page scrolls sideways");
  // Colours that are on their way to others would be judged half way.
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.waitForFunction((scheme) => matchMedia(`(prefers-color-scheme: ${scheme})`).matches, colorScheme);
    await page.evaluate(async () => {
      for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
      for (const motion of document.getAnimations()) if (motion instanceof CSSTransition) motion.finish();
    });
    const { violations } = await page.evaluate(`${axe};axe.run(document, { resultTypes: ["violations"] })`);
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  await page.setViewportSize({ width: 1280, height: 800 });
});

visitTest("stop ends a run within a step and keeps its preview", async () => {
  await ask(page, { steps: 200 });
  await page.locator("#progress-what", { hasText: /^Step \d+ of 200$/ }).waitFor(PATIENCE);
  const [, before] = /^Step (\d+)/.exec(await page.locator("#progress-what").innerText());
  await button(page, "Stop").click();
  const caption = page.getByText(/stopped at step \d+ of 200, seed 3$/);
  await caption.waitFor(PATIENCE);
  const [, stopped] = /step (\d+)/.exec(await caption.innerText());
  assert.ok(stopped - before <= 2, `pressed at step ${before}, stopped at step ${stopped}`);
  assert.ok(await page.getByRole("img", { name: `Preview: ${APPLE}` }).isVisible());
});

visitTest("a picture that is dropped restores its job, which gives the same file again", async () => {
  await page.getByLabel("Prompt", { exact: true }).fill("something else");
  await page.getByLabel("Negative prompt").fill("nothing");
  await drop(page, { name: "apple.png", type: "image/png", bytes: first });
  await page.getByText("Its job is restored.").waitFor();
  assert.equal(await page.getByLabel("Prompt", { exact: true }).inputValue(), APPLE);
  assert.equal(await page.getByLabel("Negative prompt").inputValue(), "");
  assert.equal(await page.getByLabel("Steps").inputValue(), "2");
  await button(page, "Generate").click();
  await page.locator("#progress-what", { hasText: /^(Step|Finishing)/ }).waitFor(PATIENCE);
  assert.ok(first.equals(await download(page)), "the same job gives the same file");
});

visitTest("a GPU that is lost in the middle is opened again, and the job goes on at its step", async () => {
  await ask(page, { seed: 4, steps: 6 });
  await page.locator("#progress-what", { hasText: /^Step/ }).waitFor(PATIENCE);
  const undisturbed = await download(page);
  await page.evaluate(() => {
    globalThis.told = [];
    const what = document.querySelector("#progress-what");
    new MutationObserver(() => told.push(what.textContent)).observe(what, { childList: true });
  });
  await ask(page, { seed: 4, steps: 6 });
  await page.locator("#progress-what", { hasText: /^Step/ }).waitFor(PATIENCE);
  // The worker takes this word from whoever can speak to it; the device is destroyed as by a driver.
  const [worker] = page.workers();
  await worker.evaluate(() => globalThis.onmessage({ data: { type: "lose" } }));
  await page.getByRole("heading", { name: "The GPU was lost" }).waitFor(PATIENCE);
  assert.ok(undisturbed.equals(await download(page)), "the loss changes nothing in the picture");
  const steps = (await page.evaluate(() => told)).map((text) => Number(/^Step (\d)/.exec(text)?.[1] ?? 0)).filter(Boolean);
  assert.deepEqual(steps, [...new Set(steps)].sort(), "no step is done twice");
  await button(page, "All right").click();
});

visitTest("files that are no checkpoint are refused in words", async () => {
  await drop(page, { name: "song.mp3", type: "audio/mpeg", bytes: [1, 2, 3] });
  await page.getByRole("heading", { name: "song.mp3 is of no use here" }).waitFor();
  await button(page, "All right").click();
  const whole = await readFile(checkpoint);
  const models = page.getByRole("dialog", { name: "Models" });
  for (const [name, bytes, words] of [
    ["page.safetensors", Buffer.from("<!DOCTYPE html><html></html>"), /web page/],
    ["short.safetensors", whole.subarray(0, 400_000), /cut short/],
    ["noise.safetensors", Buffer.alloc(4096, 0xa5), /noise\.safetensors/],
  ]) {
    await drop(page, { name, bytes });
    await models.locator(".wrong", { hasText: words }).waitFor();
    await models.getByRole("button", { name: "All right" }).click();
  }
  assert.equal(await models.getByRole("listitem").count(), 1);
  await page.keyboard.press("Escape");
});

visitTest("a checkpoint that is dropped is stored, and draws", async () => {
  await drop(page, { name: "dropped.safetensors", url: host.address });
  const models = page.getByRole("dialog", { name: "Models" });
  await models.getByText(/^Adding this stores 24 MB, takes [\d.]+ MB of GPU memory\.$/).waitFor();
  await models.getByRole("button", { name: "Add and store" }).click();
  await page.getByText("dropped.safetensors is stored in this browser.").waitFor();
  await models.getByText("in use").waitFor(PATIENCE);
  await page.keyboard.press("Escape");
  await ask(page, { seed: 5 });
  const bytes = await download(page);
  assert.ok(bytes.includes('"model":"dropped.safetensors"'));
});

visitTest("a download that broke off goes on after a reload, and the history is still there", async () => {
  elsewhere.length = 0;
  const models = page.getByRole("dialog", { name: "Models" });
  await button(page, "Models").click();
  await models.getByLabel("Address of a .safetensors file").fill(host.address);
  await models.getByRole("button", { name: "Look at it" }).click();
  await models.getByText(/^Adding this fetches 24 MB, stores 24 MB/).waitFor();
  // Two answers break off; then nobody is there any more.
  host.cuts.push(6_000_000, 6_000_000);
  host.goesAfterCuts = true;
  await models.getByRole("button", { name: "Add and store" }).click();
  await models.getByText(/add it again, and it goes on from there/).waitFor(PATIENCE);
  await page.reload();
  await ready(page);
  await button(page, "History").click();
  const entries = page.getByRole("dialog", { name: "History" }).getByRole("listitem");
  await entries.nth(1).waitFor();
  assert.equal(await entries.count(), 5);
  await page.keyboard.press("Escape");
  host.gone = host.goesAfterCuts = false;
  host.asked.length = 0;
  await button(page, "Models").click();
  await models.getByText(/^\d[\d.]* of 24 MB, not whole yet$/).waitFor();
  await models.getByRole("button", { name: "Go on fetching one.safetensors" }).click();
  await page.getByText("one.safetensors is stored in this browser.").waitFor(PATIENCE);
  // What the browser had not handed over yet when the connection broke is fetched again; a whole piece is not.
  const goneOnAt = host.asked.map((range) => /^bytes=(\d{2,})-$/.exec(range)).find(Boolean)?.[1];
  assert.ok(goneOnAt > 6_000_000 && goneOnAt <= 12_000_000, `asked for ${host.asked}`);
  assert.ok(!host.asked.includes(""), `asked for ${host.asked}`);
  await models.getByText("in use").waitFor(PATIENCE);
  assert.ok(elsewhere.every((url) => url === host.address), elsewhere.join("\n"));
  await page.keyboard.press("Escape");
});

visitTest("a model can be removed while it is being loaded, and another of its name is not taken for it", async () => {
  const models = page.getByRole("dialog", { name: "Models" });
  const added = host.address.replace("one", "two");
  await button(page, "Models").click();
  for (let time = 0; time < 2; time += 1) {
    await models.getByLabel("Address of a .safetensors file").fill(added);
    await models.getByRole("button", { name: "Look at it" }).click();
    await models.getByRole("button", { name: "Add and store" }).click(PATIENCE);
    // In use as soon as its loading begins.
    await models.locator(".model[data-used=true]", { hasText: "two.safetensors" }).waitFor(PATIENCE);
    await models.getByRole("button", { name: "Remove two.safetensors" }).click(PATIENCE);
    await models.getByText("two.safetensors", { exact: true }).waitFor({ ...PATIENCE, state: "detached" });
    await models.locator(".model", { hasText: "mini" }).getByText("in use").waitFor(PATIENCE);
    assert.equal(await models.locator(".wrong").count(), 0);
  }
  await page.keyboard.press("Escape");
  assert.ok(await page.locator("#notice").isHidden());
  await ask(page);
  assert.ok(first.equals(await download(page)), "mini draws as before");
});

visitTest("a model can be removed while it is being fetched, which ends that", async () => {
  const models = page.getByRole("dialog", { name: "Models" });
  await button(page, "Models").click();
  await models.getByLabel("Address of a .safetensors file").fill(host.address.replace("one", "three"));
  await models.getByRole("button", { name: "Look at it" }).click();
  await models.getByText(/^Adding this fetches 24 MB/).waitFor(PATIENCE);
  host.cuts.push(6_000_000);
  host.stalls = true;
  await models.getByRole("button", { name: "Add and store" }).click();
  await models.getByText(/^Fetching three.safetensors/).waitFor(PATIENCE);
  // What is there is listed anew.
  await page.keyboard.press("Escape");
  await button(page, "Models").click();
  await models.getByText(/ of 24 MB, not whole yet$/).waitFor();
  await models.getByRole("button", { name: "Remove three.safetensors" }).click();
  await models.getByText("three.safetensors").first().waitFor({ ...PATIENCE, state: "detached" });
  host.stalls = false;
  assert.ok(await models.locator(".model", { hasText: "mini" }).getByText("in use").isVisible());
  assert.equal(await models.locator(".wrong, .coming-in").count(), 0);
  await page.keyboard.press("Escape");
  assert.ok(await page.locator("#notice").isHidden());
});

visitTest("a window that stores nothing says so, and takes a checkpoint for the visit", async () => {
  const hidden = await browser.newContext({ viewport: { width: 1280, height: 800 }, serviceWorkers: "block" });
  // As private windows of some browsers answer: to the page, and to its worker.
  await hidden.addInitScript(() => {
    const denied = () => { throw new DOMException("denied", "SecurityError"); };
    Object.defineProperty(globalThis, "indexedDB", { get: denied });
  });
  await hidden.route("**/worker.js", async (route) => {
    const script = await (await route.fetch()).text();
    const denied = 'StorageManager.prototype.getDirectory = async () => { throw new DOMException("denied", "SecurityError"); };';
    await route.fulfill({ contentType: "text/javascript", body: `${denied}\n${script}` });
  });
  const other = await hidden.newPage();
  const said = listen(other);
  await other.goto(server.address);
  await ready(other);
  await button(other, "History").click();
  await other.getByText("This window keeps nothing").waitFor();
  await other.keyboard.press("Escape");
  await drop(other, { name: "dropped.safetensors", url: host.address });
  await other.getByText("This window stores nothing, as private windows do").waitFor();
  await other.getByText("this browser stores nothing for this page").waitFor();
  assert.ok(await button(other, "Add and store").isDisabled());
  await button(other, "Use for this visit").click();
  await other.getByText("dropped.safetensors is here until this page is closed.").waitFor();
  await other.getByText("in use").waitFor(PATIENCE);
  assert.deepEqual(said, []);
  await hidden.close();
});

visitTest("the page starts and draws the same file when the server is gone", async () => {
  // The service worker keeps the model behind the first loading.
  await page.waitForFunction(async () => (await (await caches.open("model")).keys()).length >= 11, null, PATIENCE);
  await server.end();
  await page.reload();
  await ready(page);
  await ask(page);
  assert.ok(first.equals(await download(page)), "the same job gives the same file");
});

visitTest("the bench says what the device is, and measures it", async () => {
  await page.evaluate(() => (location.hash = "#bench"));
  const text = page.getByLabel("What was measured");
  await page.getByText(/api +webgpu/).waitFor();
  await button(page, "Measure").click();
  await page.getByText(/GFLOP\/s/).first().waitFor(PATIENCE);
  assert.match(await text.innerText(), /software +yes: a processor plays the GPU\n[^]*measured limits/);
});
