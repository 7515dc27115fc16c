/** The page as it was built, served by the program, with the real engine on a processor that plays the GPU. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch, listen, ROOT, SWIFTSHADER } from "./browser.js";

const PROGRAM = process.env.GUIDESTAR ?? `${ROOT}target/debug/guidestar`;
const PAGE = process.env.GUIDESTAR_PAGE ?? `${ROOT}target/page`;
/** Shaders are compiled on a processor, and so is the picture computed. */
const PATIENCE = { timeout: 400_000 };

let browser;
let server;
let address;
before(async () => {
  server = spawn(PROGRAM, ["serve", "--port", "0", "--quiet", "--dir", PAGE], { stdio: ["ignore", "pipe", "inherit"] });
  address = await new Promise((resolve) => server.stdout.once("data", (line) => resolve(String(line).trim())));
  browser = await launch(SWIFTSHADER);
});
after(async () => {
  await browser.close();
  server.kill();
});

/** The smallest picture there is, in as few steps as make one. */
async function generate(page, seed) {
  await page.getByLabel("Size").selectOption("another size");
  await page.getByLabel("Width x height").fill("64x64");
  await page.getByLabel("Steps").fill("2");
  await page.getByLabel("Seed").fill(seed);
  await page.getByRole("button", { name: "Generate" }).click();
}

test("a cold profile makes its first picture, and makes another when the server is gone", { timeout: 600_000 }, async (context) => {
  const visit = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await visit.newPage();
  const errors = listen(page);
  const elsewhere = [];
  page.on("request", (request) => !request.url().startsWith(address) && !request.url().startsWith("blob:") && elsewhere.push(request.url()));
  const start = performance.now();
  const told = (what) => context.diagnostic(`${what} after ${((performance.now() - start) / 1000).toFixed(1)} s`);
  await page.goto(address);
  await page.getByLabel("Prompt", { exact: true }).waitFor();
  told("usable");
  await page.locator("#device[data-state=slow], #device[data-state=ready]").waitFor(PATIENCE);
  await generate(page, "3");
  await page.getByRole("img", { name: /^Preview/ }).waitFor(PATIENCE);
  told("first preview");
  await page.getByRole("button", { name: "Download" }).waitFor(PATIENCE);
  told("first picture");
  const picture = page.getByRole("img", { name: "a red apple on a blue background" });
  assert.deepEqual(await picture.evaluate((image) => [image.naturalWidth, image.naturalHeight]), [64, 64]);
  assert.ok((await shades(picture)) > 50, "the picture has something on it");
  const coming = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download" }).click();
  const bytes = await readFile(await (await coming).path());
  assert.ok(bytes.includes("parameters\0a red apple on a blue background\nSteps: 2"));
  assert.ok(bytes.includes('guidestar\0{"version":1'));
  assert.deepEqual(elsewhere, []);

  // The service worker keeps the model behind the first loading.
  await page.waitForFunction(async () => (await (await caches.open("model")).keys()).length >= 11, null, PATIENCE);
  const gone = new Promise((resolve) => server.once("exit", resolve));
  server.kill();
  await gone;
  await page.reload();
  await page.locator("#device[data-state=slow], #device[data-state=ready]").waitFor(PATIENCE);
  await generate(page, "3");
  await page.getByRole("button", { name: "Download" }).waitFor(PATIENCE);
  const again = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download" }).click();
  assert.ok(bytes.equals(await readFile(await (await again).path())), "the same job gives the same file");
  assert.deepEqual(errors, []);
  await visit.close();
});

/** How many different colours an image has. */
function shades(picture) {
  return picture.evaluate((image) => {
    const context = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.naturalWidth, image.naturalHeight);
    const colours = new Set();
    for (let at = 0; at < data.length; at += 4) colours.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
    return colours.size;
  });
}
