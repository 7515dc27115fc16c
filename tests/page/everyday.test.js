/**
 * What is done every day with pictures, tabs and models, on the page as it was built, with the real engine on a processor that plays
 * the GPU. Two tabs of one browser go from test to test.
 */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, listen, SWIFTSHADER } from "./browser.js";
import { ask, button, download, PATIENCE, ready, serve, serveCheckpoint, shades, writeCheckpoint } from "./visit.js";

const APPLE = "a red apple on a blue background";

let browser, server, visit, page, other, folder, host;
/** What stood in the consoles of both tabs. */
const errors = [];
/** The file of the first picture. */
let first;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "guidestar-"));
  const checkpoint = join(folder, "one.safetensors");
  await writeCheckpoint(checkpoint);
  host = await serveCheckpoint(checkpoint);
  server = await serve();
  browser = await launch(SWIFTSHADER);
  const permissions = ["clipboard-read", "clipboard-write"];
  visit = await browser.newContext({ viewport: { width: 1280, height: 800 }, permissions });
  page = await visit.newPage();
  errors.push(listen(page));
  await page.goto(server.address);
  await ready(page);
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
    assert.deepEqual(errors.flatMap((tab) => tab.splice(0)), []);
  });
}

const tiles = () => page.getByRole("list", { name: "Pictures of this run" }).getByRole("button");
/** Waits until the run under way has ended. */
const ended = () => button(page, "Stop").waitFor({ ...PATIENCE, state: "hidden" });
const caption = () => page.locator("#caption").innerText();

visitTest("a copied picture is the one on show", async () => {
  await ask(page, { steps: 1 });
  first = await download(page);
  await button(page, "Copy").click();
  await page.getByText(/^Copied/).waitFor();
  const [copied, shown] = await page.evaluate(async () => {
    const pixels = async (image) => {
      const bitmap = await createImageBitmap(image);
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
      context.drawImage(bitmap, 0, 0);
      return [bitmap.width, ...context.getImageData(0, 0, bitmap.width, bitmap.height).data].join();
    };
    const [item] = await navigator.clipboard.read();
    return [await pixels(await item.getType("image/png")), await pixels(document.querySelector("#frame img"))];
  });
  assert.ok(copied.startsWith("64,"));
  assert.equal(copied, shown);
});

visitTest("a link that is opened in a second tab restores the job, which gives the same file there", async () => {
  await button(page, "Share link").click();
  await page.getByText("Link copied.").waitFor();
  const address = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(address, /#job=[\w-]+$/);
  other = await visit.newPage();
  errors.push(listen(other));
  await other.goto(address);
  assert.equal(await other.getByLabel("Prompt", { exact: true }).inputValue(), APPLE);
  assert.equal(await other.getByLabel("Seed").inputValue(), "3");
  assert.equal(await other.getByLabel("Steps").inputValue(), "1");
  assert.equal(await button(other, "Lock").getAttribute("aria-pressed"), "true");
  await ready(other);
  assert.equal(await other.getByLabel("Width x height").inputValue(), "64x64");
  await button(other, "Generate").click();
  assert.ok(first.equals(await download(other)), "the same job gives the same file");
});

visitTest("what one tab makes stands in the other's history", async () => {
  await page.bringToFront();
  await button(page, "History").click();
  const history = page.getByRole("dialog", { name: "History" });
  await history.getByText("2 pictures").waitFor();
  await button(other, "History").click();
  await other.getByRole("button", { name: /^Delete/ }).first().click();
  await history.getByText("1 picture", { exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await other.keyboard.press("Escape");
});

visitTest("four variations are four pictures of their own seeds, and one can be chosen", async () => {
  await button(page, "Four variations").click();
  await tiles().nth(3).waitFor(PATIENCE);
  await ended();
  const drawn = new Set();
  const seeds = new Set();
  for (let at = 0; at < 4; at += 1) {
    await tiles().nth(at).click();
    assert.equal(await tiles().nth(at).getAttribute("aria-pressed"), "true");
    seeds.add(/seed (\d+),/.exec(await caption())[1]);
    drawn.add(String(await download(page)));
    assert.ok((await shades(page.getByRole("img", { name: APPLE }))) > 50, "there is something on it");
  }
  assert.equal(seeds.size, 4);
  assert.equal(drawn.size, 4);
});

visitTest("again draws with another seed, and a locked seed stays", async () => {
  await page.getByLabel("Seed").fill("3");
  await button(page, "Again with another seed").click();
  const again = await download(page);
  const seed = await page.getByLabel("Seed").inputValue();
  assert.notEqual(seed, "3");
  assert.ok((await caption()).includes(`seed ${seed},`));
  assert.ok(!first.equals(again));
  await button(page, "Lock").click();
  await button(page, "Generate").click();
  await page.locator("#progress-what", { hasText: /^(Step|On the|Finishing)/ }).waitFor(PATIENCE);
  assert.ok(again.equals(await download(page)), "the same seed gives the same file");
  await button(page, "Lock").click();
});

visitTest("a tab that is hidden goes on, and says in its title that it is ready", async () => {
  // Playwright makes every tab believe that it is looked at, so the page is told otherwise.
  await ask(page, { seed: 11 });
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await other.bringToFront();
  await page.waitForFunction((words) => document.title === words, `Ready: ${APPLE} · Guidestar`, PATIENCE);
  await page.bringToFront();
  await page.evaluate(() => {
    delete document.hidden;
    delete document.visibilityState;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  assert.equal(await page.title(), "Guidestar");
  assert.match(await caption(), /seed 11,/);
});

/** Asks for the checkpoint at an address, up to the button that adds it. */
async function look(tab, address) {
  const models = tab.getByRole("dialog", { name: "Models" });
  if (!(await models.isVisible())) await button(tab, "Models").click();
  await models.getByLabel("Address of a .safetensors file").fill(address);
  await models.getByRole("button", { name: "Look at it" }).click();
  await models.getByText(/^Adding this fetches 24 MB/).waitFor(PATIENCE);
  return models;
}

visitTest("two tabs cannot add one model at once, and what was stored is whole", async () => {
  const mine = await look(page, host.address);
  const theirs = await look(other, host.address);
  host.cuts.push(6_000_000);
  host.stalls = true;
  await mine.getByRole("button", { name: "Add and store" }).click();
  await mine.getByText(/^Fetching one.safetensors/).waitFor(PATIENCE);
  await theirs.getByRole("button", { name: "Add and store" }).click();
  await theirs.getByText(/another tab is busy with the model/i).waitFor(PATIENCE);
  await mine.getByRole("button", { name: "Cancel" }).click();
  await page.keyboard.press("Escape");
  await button(page, "Models").click();
  await mine.getByText(/ of 24 MB, not whole yet$/).waitFor(PATIENCE);
  // Now it is the other's turn, which goes on with what is there.
  host.stalls = false;
  host.asked.length = 0;
  await theirs.getByRole("button", { name: "All right" }).click();
  await look(other, host.address);
  await theirs.getByRole("button", { name: "Add and store" }).click();
  await other.getByText("one.safetensors is stored in this browser.").waitFor(PATIENCE);
  await theirs.locator(".model", { hasText: "one.safetensors" }).getByText("in use").waitFor(PATIENCE);
  await other.keyboard.press("Escape");
  await ask(other, { seed: 12, steps: 1 });
  assert.ok((await download(other)).includes('"model":"one.safetensors"'));
});

visitTest("a model that another tab draws with can be removed, and that tab goes on drawing", async () => {
  const models = page.getByRole("dialog", { name: "Models" });
  await page.keyboard.press("Escape");
  await button(page, "Models").click();
  await models.getByRole("button", { name: "Remove one.safetensors" }).click();
  await models.getByText("one.safetensors").first().waitFor({ ...PATIENCE, state: "detached" });
  await ask(other, { seed: 13, steps: 1 });
  assert.ok((await download(other)).includes('"model":"one.safetensors"'), "it is still on the other tab's GPU");
  await other.close();
});

visitTest("a page that is reloaded while bytes still flow goes on from where they stopped", async () => {
  const models = await look(page, host.address);
  host.cuts.push(12_000_000);
  host.stalls = true;
  host.asked.length = 0;
  await models.getByRole("button", { name: "Add and store" }).click();
  await models.getByText(/^Fetching one.safetensors: (8\.\d|9\.\d|1\d) of 24 MB$/).waitFor(PATIENCE);
  await page.reload();
  await ready(page);
  host.stalls = false;
  host.asked.length = 0;
  await button(page, "Models").click();
  await models.getByText(/^(8\.\d|9\.\d|1\d) of 24 MB, not whole yet$/).waitFor(PATIENCE);
  await models.getByRole("button", { name: "Go on fetching one.safetensors" }).click();
  await page.getByText("one.safetensors is stored in this browser.").waitFor(PATIENCE);
  const goneOnAt = Number(host.asked.map((range) => /^bytes=(\d+)-$/.exec(range)).find(Boolean)?.[1]);
  assert.ok(goneOnAt >= 8_000_000 && goneOnAt <= 12_000_000, `asked for ${host.asked}`);
  await models.locator(".model", { hasText: "one.safetensors" }).getByText("in use").waitFor(PATIENCE);
  await page.keyboard.press("Escape");
  await ask(page, { steps: 1 });
  assert.ok((await download(page)).includes('"model":"one.safetensors"'));
});

visitTest("the page can be installed", async () => {
  const devtools = await visit.newCDPSession(page);
  const { errors: wrong, data } = await devtools.send("Page.getAppManifest");
  assert.deepEqual(wrong, []);
  const manifest = JSON.parse(data);
  for (const { src, sizes, type } of manifest.icons.filter(({ type }) => type === "image/png")) {
    const answer = await fetch(new URL(src, server.address));
    assert.equal(answer.headers.get("content-type"), type);
    const bytes = Buffer.from(await answer.arrayBuffer());
    assert.equal(`${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`, sizes);
  }
  const { installabilityErrors } = await devtools.send("Page.getInstallabilityErrors");
  // A profile that forgets everything installs nothing.
  assert.deepEqual(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== "in-incognito"), []);
  await page.evaluate(() => navigator.serviceWorker.ready);
});
