/**
 * The techniques on the page as it was built, with the real engine: from a cold profile to a downloaded picture, which the program
 * makes again from what the picture remembers.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { launch, listen, ROOT, SWIFTSHADER } from "./browser.js";
import { drop, PROGRAM, serve } from "./visit.js";

/** Shaders are compiled on a processor, and so is the picture computed. */
const PATIENCE = { timeout: 500_000 };
/** A browser stores numbers in 16 bits and the processor in 32; in so few steps that is no more than noise. */
const LEAST_PSNR_DB = 40;

const run = promisify(execFile);
let browser;
let server;
let folder;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "guidestar-page-"));
  server = await serve();
  browser = await launch(SWIFTSHADER);
});
after(async () => {
  await browser.close();
  await server.end();
  await rm(folder, { recursive: true, force: true });
});

/** A test in a profile of its own, with the smallest picture and the fewest steps; at its end nothing stands in the console. */
function coldTest(sentence, tab, act) {
  test(sentence, { timeout: 600_000 }, async (context) => {
    const visit = await browser.newContext({ viewport: { width: 1280, height: 800 }, serviceWorkers: "block" });
    const page = await visit.newPage();
    const errors = listen(page);
    await page.goto(server.address);
    await page.getByRole("tab", { name: tab }).click();
    await page.locator("#device[data-state=slow], #device[data-state=ready]").waitFor(PATIENCE);
    await page.getByLabel("Size", { exact: true }).selectOption("another size");
    await page.getByLabel("Width x height").fill("64x64");
    await page.getByLabel("Steps", { exact: true }).fill("2");
    await act(page, context);
    assert.deepEqual(errors, []);
    await visit.close();
  });
}

/** Downloads the picture on show into the folder. */
async function download(page, name) {
  const coming = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download" }).click();
  const path = join(folder, name);
  await (await coming).saveAs(path);
  return path;
}

/** Makes a picture again with the program, and says how alike the two are. */
async function replayed(page, context, path, ...flags) {
  const again = path.replace(/\.png$/, "-again.png");
  await run(PROGRAM, ["replay", path, "--device", "cpu", "--out", again, "--yes", "--quiet", ...flags], { cwd: folder });
  const [made, remade] = [await readFile(path), await readFile(again)];
  const db = await psnr(page, made, remade);
  context.diagnostic(`${db.toFixed(1)} dB between the page's picture and the program's`);
  assert.ok(db > LEAST_PSNR_DB, `${db} dB`);
}

function psnr(page, ...files) {
  return page.evaluate(
    async (given) => {
      const pixels = async (base64) => {
        const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
        const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
        const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
        context.drawImage(bitmap, 0, 0);
        return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
      };
      const [a, b] = [await pixels(given[0]), await pixels(given[1])];
      if (a.length !== b.length) return 0;
      let sum = 0;
      for (let at = 0; at < a.length; at += 1) sum += (a[at] - b[at]) ** 2;
      // A fourth of the numbers are alpha, which never differs.
      return 10 * Math.log10(255 ** 2 / Math.max(sum / (0.75 * a.length), 1e-9));
    },
    files.map((bytes) => bytes.toString("base64")),
  );
}

coldTest("sharpen shows both pictures and what was blurred, and the program draws the guided one again", "Sharpen", async (page, context) => {
  await page.getByRole("button", { name: "Draw with and without" }).click();
  await page.getByRole("slider", { name: "Compare: left without SAG, right with SAG" }).waitFor(PATIENCE);
  await page.getByRole("button", { name: "Show what was blurred" }).click();
  await page.getByText(/what was blurred: \d+ % of the picture/).waitFor();
  await replayed(page, context, await download(page, "sharpened.png"));
});

coldTest("restyle redraws an example, and the program does it again with the photo at hand", "Restyle", async (page, context) => {
  await page.getByText("apple.png, 192 × 192").waitFor();
  await page.getByText("How much is kept").click();
  await page.getByLabel("Inversion steps").fill("2");
  await page.getByRole("button", { name: "Restyle", exact: true }).click();
  await page.getByRole("slider", { name: "Compare: left original, right restyled" }).waitFor(PATIENCE);
  await page.getByRole("button", { name: "Picture reconstruction" }).waitFor();
  const path = await download(page, "restyled.png");
  await writeFile(join(folder, "photo.png"), await readFile(`${ROOT}www/page/pictures/apple.png`));
  await assert.rejects(run(PROGRAM, ["replay", path, "--device", "cpu", "--out", join(folder, "none.png"), "--quiet"], { cwd: folder }), /say with --source where it is/);
  await replayed(page, context, path, "--source", "photo.png");
});

// A guide's gradient turns small differences of 16 and 32 bits into large ones: only that it steers is asked for.
coldTest("steer pulls by an operator, by boxes and by a mask, and shows the losses", "Steer", async (page, context) => {
  await page.getByRole("button", { name: "Lock" }).click();
  for (const kind of ["colour", "detection", "segmentation"]) await steered(page, context, kind);
});

coldTest("steer pulls to a look, to words and to a name", "Steer", async (page, context) => {
  await page.getByRole("button", { name: "Lock" }).click();
  for (const kind of ["style", "text", "class"]) await steered(page, context, kind);
});

coldTest("steer pulls to outlines and to a part that stays", "Steer", async (page, context) => {
  await page.getByRole("button", { name: "Lock" }).click();
  for (const kind of ["edges", "inpaint"]) await steered(page, context, kind);
});

coldTest("steer pulls to what a dropped network says of a dropped picture, and to a colour at once", "Steer", async (page, context) => {
  await drop(page, { name: "cells.onnx", bytes: await readFile(`${ROOT}tests/fixtures/onnx/cells.onnx`) });
  await page.getByText("cells.onnx").waitFor();
  await drop(page, { name: "goal.png", bytes: await readFile(`${ROOT}www/page/pictures/tree.png`) }, ".source");
  await page.getByText("goal.png").waitFor();
  await page.getByRole("button", { name: "Another guide" }).click();
  await steered(page, context, "network");
});

const FACES = ["MobileFaceNet.onnx", "yunet_n.onnx"].map((name) => `${ROOT}../shared/networks/${name}`);

coldTest("steer pulls to a face, as networks from files know faces", "Steer", async (page, context) => {
  if (!FACES.every(existsSync)) return context.skip("there is no ../shared/networks beside the repository");
  await page.getByLabel("What counts").selectOption("face");
  await drop(page, { name: "face.png", bytes: await readFile(`${ROOT}tests/fixtures/pictures/face.png`) }, ".source");
  await page.getByLabel("Choose what tells faces apart").setInputFiles(FACES[0]);
  await page.getByLabel("Choose what finds faces").setInputFiles(FACES[1]);
  await page.getByLabel("The face is in the middle").check();
  await page.getByText("yunet_n.onnx").waitFor();
  await steered(page, context, "face");
});

/** Guides whose losses mini lets rise in a few steps of a small picture: at first there is nothing in it that contradicts them. */
const RISING = ["detection", "segmentation", "text"];

/** Draws with and without, and sees that both differ, that the losses are told, and of all but those above that they fell in sum. */
async function steered(page, context, kind) {
  await page.getByLabel("What counts").first().selectOption(kind);
  // The eyes pull in the first three of five steps only, and a curve takes two of them.
  if (["detection", "segmentation", "style", "text", "class", "network", "face"].includes(kind)) await page.getByLabel("Steps", { exact: true }).fill("4");
  await page.waitForLoadState("networkidle");
  await page.getByRole("button", { name: "Draw with and without" }).click();
  await page.getByRole("button", { name: "Stop" }).waitFor();
  await page.getByRole("button", { name: "Stop" }).waitFor({ ...PATIENCE, state: "hidden" });
  await page.getByRole("slider", { name: "Compare: left unguided, right guided" }).waitFor();
  const line = await page.getByText(/^Loss of .* → /).innerText();
  context.diagnostic(line);
  const ways = [...line.matchAll(/([\d.e-]+) → ([\d.e-]+)/g)];
  const [first, last] = [1, 2].map((end) => ways.reduce((sum, way) => sum + Number(way[end]), 0));
  assert.ok(Number.isFinite(first) && Number.isFinite(last), line);
  if (!RISING.includes(kind)) assert.ok(last < first, line);
  const moved = await page.locator(".compare").first().evaluate(moves);
  context.diagnostic(`${(100 * moved).toFixed(0)} % of the picture moved`);
  assert.ok(moved > 0.02, `${moved} of the picture moved`);
  const path = await download(page, `${kind}.png`);
  assert.ok((await readFile(path)).includes(`"kind":"${kind}"`));
  if (kind === "text") await preferred(page, context, path, "--text", await page.getByLabel("Words", { exact: true }).inputValue());
}

/** Sees that a guided picture is more like its goal than the unguided one, both to its guide and to who did not guide. */
async function preferred(page, context, path, ...goal) {
  const unguided = path.replace(/\.png$/, "-unguided.png");
  const of = (label) => page.getByLabel(label, { exact: true }).inputValue();
  const flags = ["--seed", await of("Seed"), "--steps", await of("Steps"), "--size", "64x64", "--device", "cpu", "--quiet"];
  await run(PROGRAM, ["generate", await of("Prompt"), ...flags, "--out", unguided], { cwd: folder });
  const { stdout } = await run(PROGRAM, ["rank", path, unguided, ...goal, "--device", "cpu", "--json"], { cwd: folder });
  const said = stdout.trim().split("\n").map((line) => JSON.parse(line)).filter(({ scores }) => scores);
  const [guided, plain] = [path, unguided].map((file) => said.find((row) => row.path === file).scores[0]);
  context.diagnostic(`to its guide ${guided.guides_own} against ${plain.guides_own}, to another ${guided.score} against ${plain.score}`);
  assert.ok(guided.guides_own > plain.guides_own && guided.score > plain.score);
}

/** The share of pixels that differ visibly between the two pictures of a comparison. */
function moves(place) {
  const [a, b] = [...place.querySelectorAll("img")].slice(0, 2).map((image) => {
    const context = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, image.naturalWidth, image.naturalHeight).data;
  });
  let moved = 0;
  for (let at = 0; at < a.length; at += 4) moved += [0, 1, 2].some((channel) => Math.abs(a[at + channel] - b[at + channel]) > 8);
  return (4 * moved) / a.length;
}
