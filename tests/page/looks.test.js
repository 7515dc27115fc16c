/** How the page looks, and that it can be used by everyone: pictures of it are kept beside this file. */

import assert from "node:assert/strict";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launch, openCanned } from "./browser.js";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const KEPT = new URL("looks/", import.meta.url);
const CURRENT = new URL("current/", import.meta.url);
const LIMIT_BYTES = 64 << 10;
/** Letters are drawn a little differently by each version of a browser: so much of a channel's 255 is no difference... */
const SAME = 40;
/** ...and so many of a thousand pixels may still differ. */
const OTHERS_PER_MILLE = 4;

let browser;
before(async () => {
  browser = await launch();
  await rm(CURRENT, { recursive: true, force: true });
});
after(() => browser.close());

const MODELS = [
  { name: "dreamy-v8.safetensors", place: "stored", bytes: 2.13e9, done_bytes: 2.13e9 },
  { name: "half.safetensors", place: "partial", bytes: 2.13e9, done_bytes: 9e8, url: "https://example.org/half.safetensors" },
];

const press = (page, name) => page.getByRole("button", { name, exact: true }).click();

async function picture(page) {
  await press(page, "Generate");
  await page.getByRole("button", { name: "Download" }).waitFor();
}

async function variations(page) {
  await picture(page);
  await press(page, "Four variations");
  await page.locator(".tiles li:nth-child(4) button").waitFor();
}

/** Each look: what to do before it is taken, and in which windows it is taken. */
const LOOKS = {
  first: { windows: ["wide-dark", "wide-light", "phone-dark"] },
  picture: { act: picture, windows: ["wide-light", "phone-light"] },
  variations: { act: variations, windows: ["wide-dark"] },
  working: {
    now: { stepMs: 30, holdAt: 22 },
    act: async (page) => {
      await press(page, "Generate");
      await page.locator("#progress-what", { hasText: "Step 22 of 25" }).waitFor();
    },
    windows: ["tablet-dark"],
  },
  history: {
    act: async (page) => {
      await picture(page);
      await press(page, "History");
      await page.getByText("1 picture", { exact: true }).waitFor();
    },
    windows: ["wide-light", "phone-dark"],
  },
  models: {
    now: { models: MODELS },
    act: async (page) => {
      await press(page, "Models");
      await page.getByText("dreamy-v8.safetensors").waitFor();
    },
    windows: ["wide-dark", "phone-light"],
  },
  "no-webgpu": { now: { unavailable: "no-webgpu" }, act: (page) => page.getByRole("alert").waitFor(), windows: ["wide-light"] },
  sharpen: {
    act: async (page) => {
      await page.getByRole("tab", { name: "Sharpen" }).click();
      await press(page, "Draw with and without");
      await page.getByRole("slider", { name: /^Compare/ }).waitFor();
    },
    windows: ["wide-dark", "phone-light"],
  },
  mask: {
    act: async (page) => {
      await page.getByRole("tab", { name: "Sharpen" }).click();
      await press(page, "Draw with and without");
      await press(page, "Show what was blurred");
    },
    windows: ["wide-light"],
  },
  restyle: {
    act: async (page) => {
      await page.getByRole("tab", { name: "Restyle" }).click();
      await page.getByText("apple.png, 192 × 192").waitFor();
    },
    windows: ["phone-dark"],
  },
  restyled: {
    act: async (page) => {
      await page.getByRole("tab", { name: "Restyle" }).click();
      await page.getByText("apple.png, 192 × 192").waitFor();
      await press(page, "Another prompt");
      await page.getByRole("textbox", { name: "Prompt 2" }).fill("a green apple on a blue background");
      await press(page, "Restyle");
      await page.locator(".tiles li:nth-child(3) button").waitFor();
    },
    windows: ["wide-dark", "wide-light"],
  },
  steer: {
    act: async (page) => {
      await page.getByRole("tab", { name: "Steer" }).click();
      await page.getByRole("button", { name: /^Box 1, red apple/ }).waitFor();
    },
    windows: ["wide-dark"],
  },
  painted: {
    act: async (page) => {
      await page.getByRole("tab", { name: "Steer" }).click();
      await page.getByLabel("What counts").selectOption("inpaint");
      await page.getByText("apple.png").waitFor();
    },
    windows: ["phone-light"],
  },
  steered: {
    act: async (page) => {
      await page.getByRole("tab", { name: "Steer" }).click();
      await page.getByRole("button", { name: /^Box 1, red apple/ }).waitFor();
      await press(page, "Draw with and without");
      await page.getByRole("slider", { name: /^Compare/ }).waitFor();
    },
    windows: ["wide-light"],
  },
  bench: { hash: "#bench", act: (page) => page.getByText("Canned GPU").last().waitFor(), windows: ["wide-light"] },
};

/** The wide window is kept at half its size: small files, and no quarrel about single pixels. */
const WINDOWS = {
  wide: { viewport: { width: 1280, height: 800 }, deviceScaleFactor: 0.5 },
  tablet: { viewport: { width: 768, height: 900 }, deviceScaleFactor: 0.5 },
  phone: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 1 },
};

for (const [name, { act, windows, ...options }] of Object.entries(LOOKS)) {
  for (const window of windows) {
    test(`${name} looks right, ${window.replace("-", " and ")}, and axe finds no barrier in it`, { timeout: 60_000 }, async () => {
      const [size, colorScheme] = window.split("-");
      const context = { ...WINDOWS[size], colorScheme, reducedMotion: "reduce" };
      const { page, errors, close } = await openCanned(browser, { ...options, context });
      try {
        await steady(page);
        if (!options.now?.unavailable) await page.locator("#device[data-state=ready]").waitFor();
        await act?.(page);
        await compare(page, `${name}-${window}`);
        const { violations } = await page.evaluate(`${axe};axe.run(document, { resultTypes: ["violations"] })`);
        assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= WINDOWS[size].viewport.width, `${width} pixels wide: the page scrolls sideways`);
        assert.deepEqual(errors, []);
      } finally {
        await close();
      }
    });
  }
}

/** Lets the page be drawn the same everywhere: one font, no caret, no bars of scrolling, a browser's name that stays. */
async function steady(page) {
  await page.evaluate(async () => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`
      :root { --font: "DejaVu Sans" !important; --mono: "DejaVu Sans Mono" !important; }
      * { caret-color: transparent !important; scrollbar-width: none !important; }`);
    document.adoptedStyleSheets.push(sheet);
    // Nobody's choice of a seed is the same choice every time.
    crypto.getRandomValues = (numbers) => numbers.fill(5);
    await document.fonts.ready;
  });
}

async function compare(page, name) {
  const file = new URL(`${name}.png`, KEPT);
  // What lies under the pointer after a press differs from run to run.
  await page.mouse.move(0, 0);
  const bytes = await page.screenshot({ animations: "disabled" });
  if (process.env.UPDATE_SNAPSHOTS) {
    await mkdir(KEPT, { recursive: true });
    await writeFile(file, bytes);
  }
  const kept = await readFile(file).catch(() => null);
  assert.ok(kept, `there is no ${name}.png yet: look at the page, then run with UPDATE_SNAPSHOTS=1`);
  assert.ok((await stat(file)).size <= LIMIT_BYTES, `${name}.png is larger than ${LIMIT_BYTES} bytes`);
  const others = await difference(page, kept, bytes);
  if (others > OTHERS_PER_MILLE) {
    await mkdir(CURRENT, { recursive: true });
    await writeFile(new URL(`${name}.png`, CURRENT), bytes);
  }
  assert.ok(others <= OTHERS_PER_MILLE, `${others.toFixed(1)} of 1000 pixels differ from looks/${name}.png; current/${name}.png has what is drawn now`);
}

/** How many of a thousand pixels of two PNG files differ; all of them when the sizes do. */
async function difference(page, kept, drawn) {
  return page.evaluate(
    async ([first, second, same]) => {
      const pixels = async (base64) => {
        const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
        const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
        const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
        context.drawImage(bitmap, 0, 0);
        return context.getImageData(0, 0, bitmap.width, bitmap.height);
      };
      const [a, b] = [await pixels(first), await pixels(second)];
      if (a.width !== b.width || a.height !== b.height) return 1000;
      let others = 0;
      for (let at = 0; at < a.data.length; at += 4) {
        const off = (channel) => Math.abs(a.data[at + channel] - b.data[at + channel]) > same;
        if (off(0) || off(1) || off(2)) others += 1;
      }
      return (4000 * others) / a.data.length;
    },
    [kept.toString("base64"), drawn.toString("base64"), SAME],
  );
}
