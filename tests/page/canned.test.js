/** What the page does, with a worker that plays the engine: no GPU, and every state can be had. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { download, generate, pageTest, remembered } from "./canned.js";
import { button, drop } from "./visit.js";

pageTest("a first visit has the prompt focused, an example in it, and one press makes a picture", {}, async ({ page }) => {
  const prompt = page.getByLabel("Prompt", { exact: true });
  assert.equal(await prompt.inputValue(), "a red apple on a blue background");
  assert.ok(await prompt.evaluate((field) => field === document.activeElement));
  await page.keyboard.press("Enter");
  const picture = page.getByRole("img", { name: "a red apple on a blue background" });
  await button(page, "Download").waitFor();
  assert.deepEqual(await picture.evaluate((image) => [image.naturalWidth, image.naturalHeight]), [128, 128]);
  assert.match(await page.locator("#caption").innerText(), /128 × 128, 25 steps, seed 3, 0.1 s/);
  const { name, bytes } = await download(page);
  assert.equal(name, "a-red-apple-on-a-blue-background-3.png");
  assert.ok(bytes.includes("guidestar\0{"));
});

pageTest("progress says what, how much and how long, in the page and in its title", { now: { stepMs: 60 } }, async ({ page }) => {
  await button(page, "Generate").click();
  await page.locator("#progress-what", { hasText: /^Step \d+ of 25$/ }).waitFor();
  assert.match(await page.title(), /^\d+\/25 · Guidestar$/);
  assert.match(await page.locator("#progress-left").innerText(), /left$/);
  assert.ok((await page.getByRole("progressbar").getAttribute("value")) > 0);
  await page.getByRole("img", { name: /^Preview: a red apple/ }).waitFor();
  await button(page, "Download").waitFor();
  assert.equal(await page.title(), "Guidestar");
});

pageTest("a press before the model is there waits for it", { now: { loadMs: 4000 } }, async ({ page }) => {
  await button(page, "Generate").click();
  await page.locator("#progress-what", { hasText: /^Loading mini: [\d.]+ of 23 MB$/ }).waitFor();
  await button(page, "Download").waitFor();
});

pageTest("shaders that are prepared are counted", { now: { shaders: 40, stepMs: 60 } }, async ({ page }) => {
  // A slow browser may miss what is said for a moment only.
  await page.evaluate(() => {
    globalThis.told = [];
    const what = document.querySelector("#progress-what");
    const words = ({ addedNodes }) => [...addedNodes].map(({ data }) => data);
    new MutationObserver((changes) => told.push(...changes.flatMap(words))).observe(what, { childList: true });
  });
  await button(page, "Generate").click();
  await page.locator("#progress-what", { hasText: /^Preparing shaders: \d+ of 40$/ }).waitFor();
  assert.match(await page.locator("#progress-left").innerText(), /left$/);
  await page.locator("#progress-what", { hasText: /^Step/ }).waitFor();
  const told = await page.evaluate(() => globalThis.told);
  assert.equal(told[told.indexOf("Preparing shaders: 39 of 40") + 1], "On the first step", told.join("\n"));
});

pageTest("stop ends within a step and keeps the preview", { now: { holdAt: 3 } }, async ({ page }) => {
  await button(page, "Generate").click();
  await page.locator("#progress-what", { hasText: "Step 3 of 25" }).waitFor();
  await button(page, "Stop").click();
  await page.getByText("stopped at step 3 of 25, seed 3").waitFor();
  assert.ok(await page.getByRole("img", { name: /^Preview/ }).isVisible());
  assert.ok(await button(page, "Stop").isHidden());
  assert.ok(await button(page, "Generate").evaluate((element) => element === document.activeElement));
  await page.getByLabel("Steps").fill("2");
  await generate(page);
});

pageTest("a picture dropped on the page restores its whole job", {}, async ({ page }) => {
  await page.getByLabel("Prompt", { exact: true }).fill("a castle on pink");
  await page.getByLabel("Negative prompt").fill("blurry");
  await page.getByLabel("Seed").fill("77");
  await page.getByLabel("Steps").fill("6");
  await page.getByLabel("Guidance scale").fill("4.5");
  await page.getByLabel("Sampler").selectOption("pndm");
  await page.getByLabel("Size").selectOption("another size");
  await page.getByLabel("Width x height").fill("96 × 64");
  await generate(page);
  const { bytes } = await download(page);
  await page.reload();
  await drop(page, { name: "castle.png", type: "image/png", bytes });
  await page.getByText("Its job is restored.").waitFor();
  assert.equal(await page.getByLabel("Prompt", { exact: true }).inputValue(), "a castle on pink");
  assert.equal(await page.getByLabel("Negative prompt").inputValue(), "blurry");
  assert.equal(await page.getByLabel("Seed").inputValue(), "77");
  assert.equal(await button(page, "Lock").getAttribute("aria-pressed"), "true");
  assert.equal(await page.getByLabel("Steps").inputValue(), "6");
  assert.equal(await page.getByLabel("Guidance scale").inputValue(), "4.5");
  assert.equal(await page.getByLabel("Sampler").inputValue(), "pndm");
  assert.equal(await page.getByLabel("Width x height").inputValue(), "96x64");
  await generate(page);
  assert.match(await page.locator("#caption").innerText(), /96 × 64, 6 steps, seed 77/);
});

/** Chooses Restyle and waits for its first example. */
async function restyle(page) {
  await page.getByRole("tab", { name: "Restyle" }).click();
  await page.getByText("apple.png, 192 × 192").waitFor();
}

pageTest("restyle begins with an example, and one press sets it beside its edit", {}, async ({ page }) => {
  await restyle(page);
  assert.equal(await page.getByLabel("What it shows").inputValue(), "a red apple on a blue background");
  assert.equal(await page.getByLabel("Prompt", { exact: true }).inputValue(), "a lemon on a blue background");
  await button(page, "Restyle").click();
  await page.getByRole("slider", { name: "Compare: left original, right restyled" }).waitFor();
  await button(page, "Picture reconstruction").click();
  await page.getByRole("slider", { name: "Compare: left original, right reconstruction" }).waitFor();
  await button(page, "Picture a lemon on a blue background").click();
  const { name, bytes } = await download(page);
  assert.match(name, /^a-lemon-on-a-blue-background-/);
  assert.match(bytes.toString("latin1"), /"edit":\{"method":"pnp","source":\{"from":"picture","path":"apple.png","sha256":"[0-9a-f]{64}","prompt":"a red apple/);
});

pageTest("several prompts are drawn in one go, and a new prompt needs no new tracing", { now: { stepMs: 8 } }, async ({ page }) => {
  await restyle(page);
  await page.getByLabel("Steps", { exact: true }).fill("2");
  await button(page, "Another prompt").click();
  await page.getByRole("textbox", { name: "Prompt 2" }).fill("a tomato on a blue background");
  await button(page, "Another prompt").click();
  await button(page, "Remove prompt 3").click();
  await button(page, "Restyle").click();
  await page.locator("#progress-what", { hasText: /^Tracing the original back to noise, step \d+ of 50$/ }).waitFor();
  await button(page, "Picture a tomato on a blue background").waitFor();
  await button(page, "Picture a lemon on a blue background").waitFor();
  await button(page, "Generate").or(button(page, "Restyle")).waitFor();
  await page.evaluate(() => new MutationObserver(() => (globalThis.traced ||= /^Tracing/.test(document.querySelector("#progress-what").textContent))).observe(document.body, { subtree: true, childList: true, characterData: true }));
  await page.getByLabel("Prompt", { exact: true }).fill("an onion on a blue background");
  await button(page, "Restyle").click();
  await button(page, "Picture an onion on a blue background").waitFor();
  assert.ok(!(await page.evaluate(() => globalThis.traced)), "the tracing was done once");
  await button(page, "Models").click();
  await page.getByText("215 kB of it: what was found in 1 restyled picture").waitFor();
  await button(page, "Forget what was found in restyled pictures").click();
  await page.getByText("what was found in").waitFor({ state: "hidden" });
});

pageTest("each method of restyle shows its own sliders, and its job comes back to them", {}, async ({ page }) => {
  await restyle(page);
  await page.getByText("How much is kept").click();
  await page.getByLabel("Method").selectOption("prompt-to-prompt");
  assert.ok(await page.getByLabel("Layout kept").isHidden());
  await page.getByLabel("Words kept in place").fill("0.6");
  await page.getByLabel("What is not wanted").selectOption("exp");
  await page.getByLabel("Weaker at first by").fill("0.75");
  await page.getByText("Prompt-to-prompt, structure 40 %, words 60 %, 25 steps back").waitFor();
  await page.getByLabel("What it shows").fill("");
  await button(page, "Restyle").click();
  assert.ok(await page.getByLabel("What it shows").evaluate((field) => field.matches(":invalid")), "it compares two prompts");
  await page.getByLabel("What it shows").fill("a red apple on a blue background");
  await button(page, "Restyle").click();
  await button(page, "Download").waitFor();
  const made = await download(page);
  await page.locator("#caption", { hasText: "25 steps, prompt-to-prompt, seed" }).waitFor();
  const { source: _, ...edit } = remembered(made.bytes).edit;
  assert.deepEqual(edit, { method: "prompt-to-prompt", attention_window: "0.4", cross_window: "0.6", inversion_steps: 25, negative_alpha: 0.75, negative_schedule: "exp" });

  await page.getByLabel("Method").selectOption("img2img");
  await page.getByText("Noise alone (img2img), noise 75 %").waitFor();
  assert.ok(await page.getByLabel("Inversion steps").isHidden());
  await drop(page, { name: "again.png", type: "image/png", bytes: made.bytes });
  await page.getByText("Prompt-to-prompt, structure 40 %, words 60 %, 25 steps back").waitFor();
  assert.equal(await page.getByLabel("Weaker at first by").inputValue(), "0.75");
});

pageTest("the part of a photo is moved by keys and by a pointer, and goes into the job", {}, async ({ page }) => {
  await restyle(page);
  await page.getByRole("button", { name: "Example: a full moon on a black background" }).click();
  await page.getByText("moon.png, 288 × 192").waitFor();
  const hole = page.getByRole("button", { name: /^Part of the picture that is used/ });
  assert.match(await hole.getAttribute("aria-label"), /67 % of its width from 17 %, 100 % of its height from 0 %/);
  await hole.focus();
  await page.keyboard.press("Shift+ArrowLeft");
  assert.match(await hole.getAttribute("aria-label"), /from 7 %/);
  await page.keyboard.press("-");
  assert.equal(await page.getByLabel("Part that is used").inputValue(), "0.95");
  const place = await hole.boundingBox();
  await page.mouse.move(place.x + 20, place.y + 20);
  await page.mouse.down();
  await page.mouse.move(place.x + 500, place.y + 20);
  await page.mouse.up();
  await button(page, "Restyle").click();
  await button(page, "Download").waitFor();
  const job = remembered((await download(page)).bytes);
  assert.equal(job.edit.source.crop, "106,5,182,182");
});

pageTest("a dropped photo is restyled, and its job finds it again after a reload", {}, async ({ page }) => {
  const bytes = await readFile(new URL("../../www/page/pictures/tree.png", import.meta.url));
  await drop(page, { name: "my tree.png", type: "image/png", bytes });
  await page.getByRole("heading", { name: "my tree.png brings no job" }).waitFor();
  await button(page, "Restyle it").click();
  await page.getByText("my tree.png, 160 × 208").waitFor();
  await page.getByLabel("Prompt", { exact: true }).fill("a snowman");
  await button(page, "Restyle").click();
  await button(page, "Download").waitFor();
  const made = await download(page);
  await page.reload();
  await drop(page, { name: "snowman.png", type: "image/png", bytes: made.bytes });
  await page.getByText("my tree.png, 160 × 208").waitFor();
  assert.equal(await page.getByRole("tab", { name: "Restyle" }).getAttribute("aria-selected"), "true");
  await button(page, "History").click();
  await button(page, "Clear history").click();
  await button(page, "Really delete all pictures?").click();
  await page.getByText("Nothing yet.").waitFor();
  await page.reload();
  await drop(page, { name: "snowman.png", type: "image/png", bytes: made.bytes });
  await page.getByText("This job begins with my tree.png, which is not here: choose or drop it.").waitFor();
  await page.getByLabel("Choose a photo").setInputFiles({ name: "elsewhere.png", mimeType: "image/png", buffer: bytes });
  await page.getByText("elsewhere.png, 160 × 208").waitFor();
});

pageTest("a file that is no picture is refused where photos are chosen, in words", {}, async ({ page }) => {
  await restyle(page);
  await page.getByLabel("Choose a photo").setInputFiles({ name: "broken.jpg", mimeType: "image/jpeg", buffer: Buffer.from([255, 216, 255]) });
  await page.getByRole("heading", { name: "broken.jpg cannot be used" }).waitFor();
  assert.ok(await page.getByText("apple.png, 192 × 192").isVisible(), "what was chosen before stays");
});

pageTest("a picture that was made here is restyled by its job alone", {}, async ({ page }) => {
  await generate(page);
  await button(page, "Restyle this").click();
  assert.ok(await page.getByLabel("A picture drawn first").isChecked());
  assert.equal(await page.getByLabel("What it shows").inputValue(), "a red apple on a blue background");
  assert.equal(await page.getByLabel("Its seed").inputValue(), "3");
  await page.getByLabel("Prompt", { exact: true }).fill("a green apple on a blue background");
  await button(page, "Restyle").click();
  await page.getByRole("slider", { name: "Compare: left original, right restyled" }).waitFor();
  const { bytes } = await download(page);
  assert.ok(bytes.includes('"source":{"negative":"","cfg_scale":7.5,"from":"generated","prompt":"a red apple on a blue background","seed":3}'));
});

pageTest("sharpen shows what was blurred, step by step, over the guided picture", {}, async ({ page }) => {
  await page.getByRole("tab", { name: "Sharpen" }).click();
  await button(page, "Draw with and without").click();
  const toggle = button(page, "Show what was blurred");
  await toggle.click();
  assert.equal(await toggle.getAttribute("aria-pressed"), "true");
  await page.getByText(/what was blurred: 2\d % of the picture/).waitFor();
  await page.getByLabel("Step", { exact: true }).fill("1");
  await page.getByText(/what was blurred: 3\d % of the picture/).waitFor();
  await toggle.click();
  assert.ok(await page.locator("canvas.mask").isHidden());
});

pageTest("letting go of a slider of sharpen draws the same seed again, and only the guided picture", {}, async ({ page }) => {
  await page.getByRole("tab", { name: "Sharpen" }).click();
  await button(page, "Draw with and without").click();
  await page.locator("#caption", { hasText: "SAG 1, seed 3" }).waitFor();
  const scale = page.getByLabel("SAG scale");
  await scale.focus();
  await page.keyboard.press("ArrowRight");
  await page.locator("#caption", { hasText: "SAG 1.05, seed 3" }).waitFor();
  await page.getByRole("slider", { name: /^Compare/ }).waitFor();
  await button(page, "History").click();
  await page.getByText("3 pictures").waitFor();
});

/** Chooses Steer and what it pulls towards. */
async function steer(page, kind) {
  await page.getByRole("tab", { name: "Steer" }).click();
  await page.getByLabel("What counts").selectOption(kind);
}

/** Draws with and without, and gives the guide that the guided picture remembers. */
async function guided(page) {
  await button(page, "Draw with and without").click();
  await page.getByRole("slider", { name: "Compare: left unguided, right guided" }).waitFor();
  const { bytes } = await download(page);
  return remembered(bytes).guide.guides[0].target;
}

pageTest("two guides pull at once, each as much as it counts and both as strongly as is asked, and are restored", {}, async ({ page }) => {
  await steer(page, "colour");
  assert.ok(await page.getByLabel("How much it counts").isHidden());
  await button(page, "Another guide").click();
  const second = page.getByRole("group", { name: "And towards" });
  await second.getByLabel("What counts").selectOption("text");
  await second.getByLabel("Words").fill("a fox");
  await second.getByLabel("How much it counts").fill("0.5");
  await page.getByLabel("Strength").fill("1");
  await button(page, "Draw with and without").click();
  await page.getByRole("slider", { name: "Compare: left unguided, right guided" }).waitFor();
  await page.getByText(/^Loss of colour: \d\.\d+ → \d\.\d+, text: \d\.\d+ → \d\.\d+$/).waitFor();
  const file = await download(page);
  const { guide } = remembered(file.bytes);
  assert.deepEqual(guide.guides, [{ target: { kind: "colour", rgb: [47, 158, 107] } }, { target: { kind: "text", text: "a fox" }, weight: 0.5 }]);
  assert.equal(guide.strength, 2);
  await button(page, "Remove this guide").click();
  assert.equal(await second.count(), 0);
  await page.getByLabel("Strength").fill("0");
  await drop(page, { name: file.name, type: "image/png", bytes: file.bytes });
  await second.waitFor();
  assert.equal(await second.getByLabel("Words").inputValue(), "a fox");
  assert.equal(await second.getByLabel("How much it counts").inputValue(), "0.5");
  assert.equal(await page.getByLabel("Strength").inputValue(), "1");
});

pageTest("a face that is dropped on a guide is the target, as networks from files know faces", {}, async ({ page }) => {
  await steer(page, "face");
  await button(page, "Draw with and without").click();
  await page.getByText("Choose a picture first").waitFor();
  const portrait = await readFile(new URL("../../www/page/pictures/moon.png", import.meta.url));
  await drop(page, { name: "portrait.png", type: "image/png", bytes: portrait }, ".source");
  await page.getByText("portrait.png").waitFor();
  await button(page, "Draw with and without").click();
  await page.getByText("Choose what tells faces apart first.").waitFor();
  const net = (name) => ({ name, mimeType: "", buffer: Buffer.from([8, 9, name.length]) });
  await page.getByLabel("Choose what tells faces apart").setInputFiles(net("MobileFaceNet.onnx"));
  await page.getByLabel("Choose what finds faces").setInputFiles(net("yunet_n.onnx"));
  await page.getByText("yunet_n.onnx").waitFor();
  const target = await guided(page);
  assert.equal(target.picture.path, "portrait.png");
  assert.equal(target.recogniser.path, "MobileFaceNet.onnx");
  assert.equal(target.detector.path, "yunet_n.onnx");
  assert.equal(target.input.mean[0], 0.485);
  assert.equal(target.centre, undefined);
  await page.getByLabel("The face is in the middle").check();
  assert.equal((await guided(page)).centre, true);
});

pageTest("steer pulls things into boxes that are moved by keys and drawn by a pointer, and shows how the loss fell", {}, async ({ page }) => {
  await steer(page, "detection");
  const box = page.getByRole("button", { name: /^Box 1, red apple: 50 % wide from 5 %/ });
  await box.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("+");
  const pad = await page.locator(".boxes").boundingBox();
  await page.mouse.move(pad.x + 0.7 * pad.width, pad.y + 0.05 * pad.height);
  await page.mouse.down();
  await page.mouse.move(pad.x + 0.95 * pad.width, pad.y + 0.25 * pad.height, { steps: 4 });
  await page.mouse.up();
  await page.getByLabel("Thing in box 2").selectOption("banana");
  const target = await guided(page);
  assert.deepEqual(target.boxes[0], { thing: "red apple", bounds: [0.075, 0.275, 0.625, 0.875] });
  assert.equal(target.boxes[1].thing, "banana");
  target.boxes[1].bounds.forEach((share, at) => assert.ok(Math.abs(share - [0.7, 0.05, 0.95, 0.25][at]) < 0.02));
  await page.getByText(/^Loss of detection: 0\.\d+ → 0\.\d+$/).waitFor();
  await page.getByRole("button", { name: "Remove box 2" }).click();
  assert.equal(await page.locator(".boxes button").count(), 1);
});

pageTest("a painted mask guides, of the size that is asked for", {}, async ({ page }) => {
  await steer(page, "segmentation");
  await button(page, "Clear").click();
  await button(page, "Draw with and without").click();
  await page.getByText("Nothing is painted yet.").waitFor();
  const pad = page.getByRole("img", { name: /^Where the thing is to be: 0 % painted/ });
  await pad.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Space");
  await page.getByRole("img", { name: /: 1 % painted/ }).waitFor();
  await button(page, "Left half").click();
  await page.getByRole("img", { name: /: 50 % painted/ }).waitFor();
  const target = await guided(page);
  assert.equal(target.picture.path, "mask.png");
  assert.match(target.picture.sha256, /^[0-9a-f]{64}$/);
  const coming = page.waitForEvent("download");
  await button(page, "Save the mask").click();
  const bytes = await readFile(await (await coming).path());
  assert.deepEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], [128, 128]);
});

for (const [kind, wanted] of [
  ["style", (target) => target.picture.path === "moon.png" && target.by === "gram"],
  ["edges", (target) => target.picture.path === "moon.png"],
  ["inpaint", (target) => target.picture.path === "apple.png" && target.mask.path === "mask.png"],
  ["text", (target) => target.text === "a banana on a yellow background"],
  ["class", (target) => target.name === "red apple"],
  ["colour", (target) => target.rgb.join() === "47,158,107"],
]) {
  pageTest(`steer by ${kind} with what it begins with`, {}, async ({ page }) => {
    await steer(page, kind);
    await page.waitForLoadState("networkidle");
    await page.waitForTimeout(100);
    const target = await guided(page);
    assert.equal(target.kind, kind);
    assert.ok(wanted(target), JSON.stringify(target));
  });
}

pageTest("a dropped network guides towards a class, and its job is restored", {}, async ({ page }) => {
  await drop(page, { name: "eyes.onnx", type: "", bytes: [8, 9, 10] });
  await page.getByText("eyes.onnx").waitFor();
  await page.getByLabel("Colours it takes").selectOption("imagenet");
  await page.getByLabel("It is to say").selectOption("class");
  await page.getByLabel("Class, counted from 0").fill("7");
  const target = await guided(page);
  assert.equal(target.network.path, "eyes.onnx");
  assert.deepEqual(target.wanted, { by: "class", class: 7 });
  assert.equal(target.input.mean[0], 0.485);
  await button(page, "History").click();
  await page.reload();
  await button(page, "History").click();
  await page.getByRole("dialog", { name: "History" }).getByRole("button", { name: /^a red apple/ }).first().click();
  assert.equal(await page.getByLabel("What counts").inputValue(), "network");
  assert.equal(await page.getByLabel("Class, counted from 0").inputValue(), "7");
  await button(page, "Draw with and without").click();
  await page.getByText("Choose a network first").waitFor();
});

pageTest("other files are refused in words", {}, async ({ page }) => {
  await drop(page, { name: "plain.png", type: "image/png", bytes: [137, 80, 78, 71] });
  await page.getByRole("heading", { name: "plain.png brings no job" }).waitFor();
  await drop(page, { name: "song.mp3", type: "audio/mpeg", bytes: [1, 2, 3] });
  await page.getByRole("heading", { name: "song.mp3 is of no use here" }).waitFor();
  await button(page, "All right").click();
  assert.ok(await page.locator("#notice").isHidden());
});

pageTest("the history outlives a reload, and can be deleted and cleared", {}, async ({ page }) => {
  await page.getByLabel("Steps").fill("2");
  await generate(page);
  await button(page, "Again with another seed").click();
  await page.waitForFunction(() => !document.querySelector("#caption").hidden && !/seed 3,/.test(document.querySelector("#caption").innerText));
  await page.reload();
  await button(page, "History").click();
  const entries = page.getByRole("dialog", { name: "History" }).getByRole("listitem");
  await page.getByText("2 pictures").waitFor();
  await entries.nth(1).getByRole("button", { name: /^a red apple/ }).click();
  assert.match(await page.locator("#caption").innerText(), /seed 3,/);
  assert.equal(await page.getByLabel("Seed").inputValue(), "3");
  await button(page, "History").click();
  await entries.first().getByRole("button", { name: /^Delete/ }).click();
  await page.getByText("1 picture", { exact: true }).waitFor();
  await button(page, "Clear history").click();
  await button(page, "Really delete all pictures?").click();
  await page.getByText("Nothing yet.").waitFor();
});

pageTest("a seed is drawn anew unless it is locked", {}, async ({ page }) => {
  await page.getByLabel("Steps").fill("1");
  await generate(page);
  const seed = page.getByLabel("Seed");
  const done = (last) => page.waitForFunction((before) => document.querySelector("#stage").dataset.state === "done" && document.querySelector("#caption").innerText !== before, last);
  let caption = await page.locator("#caption").innerText();
  await button(page, "Generate").click();
  await done(caption);
  const drawn = await seed.inputValue();
  assert.notEqual(drawn, "3");
  await button(page, "Lock").click();
  await generate(page);
  assert.equal(await seed.inputValue(), drawn);
  await seed.fill("18446744073709551615");
  caption = await page.locator("#caption").innerText();
  await button(page, "Generate").click();
  await done(caption);
  assert.match(await page.locator("#caption").innerText(), /seed 18446744073709551615/);
});

pageTest("four variations are shown side by side, and one can be chosen", {}, async ({ page }) => {
  await page.getByLabel("Steps").fill("2");
  await generate(page);
  await button(page, "Four variations").click();
  const tiles = page.getByRole("list", { name: "Pictures of this run" }).getByRole("button");
  await tiles.nth(3).waitFor();
  await tiles.nth(1).click();
  assert.equal(await tiles.nth(1).getAttribute("aria-pressed"), "true");
  const first = Number(await page.getByLabel("Seed").inputValue());
  assert.ok((await page.locator("#caption").innerText()).includes(`seed ${first + 1},`));
});

pageTest("sharpen draws one seed with and without, and compares the two", {}, async ({ page }) => {
  await page.getByRole("tab", { name: "Sharpen" }).click();
  await page.getByLabel("Steps").fill("2");
  await page.getByLabel("SAG scale").fill("1.5");
  await button(page, "Draw with and without").click();
  const slider = page.getByRole("slider", { name: "Compare: left without SAG, right with SAG" });
  await slider.waitFor();
  const border = () => page.locator(".compare").evaluate((place) => place.style.getPropertyValue("--border"));
  assert.equal(await border(), "50%");
  await slider.focus();
  await page.keyboard.press("Home");
  assert.equal(await border(), "0%");
  const box = await page.locator(".compare").boundingBox();
  await page.mouse.click(box.x + box.width * 0.75, box.y + box.height / 2);
  assert.ok(Math.abs(parseFloat(await border()) - 75) < 1);
  const { bytes } = await download(page);
  assert.ok(bytes.includes('"sag":{"scale":1.5'));
  const tiles = page.getByRole("list", { name: "Pictures of this run" });
  await tiles.getByRole("button", { name: "Picture without SAG" }).click();
  assert.doesNotMatch(await page.locator("#caption").innerText(), /SAG/);
  await tiles.getByRole("button", { name: "Compare" }).click();
  await slider.waitFor();
  // Dropped again, it brings its tab along.
  await page.reload();
  await drop(page, { name: "sharp.png", type: "image/png", bytes });
  await page.getByText("Its job is restored.").waitFor();
  assert.equal(await page.getByRole("tab", { name: "Sharpen" }).getAttribute("aria-selected"), "true");
  assert.equal(await page.getByLabel("SAG scale").inputValue(), "1.5");
});

pageTest("a link carries the whole job in its fragment", { context: { permissions: ["clipboard-read", "clipboard-write"] } }, async ({ page, context }) => {
  await page.getByLabel("Prompt", { exact: true }).fill("ein Löwe 🦁 on yellow");
  await page.getByLabel("Steps").fill("3");
  await page.getByLabel("Seed").fill("5");
  await page.getByLabel("Size").selectOption("another size");
  await page.getByLabel("Width x height").fill("96x64");
  await generate(page);
  await button(page, "Share link").click();
  await page.getByText("Link copied.").waitFor();
  const address = await page.evaluate(() => navigator.clipboard.readText());
  const other = await context.newPage();
  await other.goto(address);
  assert.equal(await other.getByLabel("Prompt", { exact: true }).inputValue(), "ein Löwe 🦁 on yellow");
  assert.equal(await other.getByLabel("Seed").inputValue(), "5");
  assert.equal(await other.getByLabel("Steps").inputValue(), "3");
  // The model that is loaded meanwhile has another usual size.
  await other.locator("#need", { hasText: /^Takes/ }).waitFor();
  assert.equal(await other.getByLabel("Width x height").inputValue(), "96x64");
  await other.goto(`${address.slice(0, -9)}`);
  await other.reload();
  await other.getByRole("heading", { name: "This link brings no job" }).waitFor();
});

pageTest("a link to a picture of a stored model brings that model, and its settings outlast the loading", { now: { models: [{ name: "dreamy.safetensors", place: "stored", bytes: 2e9, done_bytes: 2e9 }] } }, async ({ page, server }) => {
  const opened = async (model) => {
    const job = { version: 1, prompt: "a fox", seed: 4, size: "128x128", steps: 25, cfg_scale: 7.5, model };
    await page.goto("about:blank");
    await page.goto(`${server.address}#job=${Buffer.from(JSON.stringify(job)).toString("base64url")}`);
  };
  await opened("dreamy.safetensors");
  const row = page.locator("#models .model", { hasText: "dreamy" }).getByText("in use");
  await row.waitFor({ state: "attached" });
  await button(page, "Generate").click();
  await page.locator("#caption", { hasText: "128 × 128, 25 steps, seed 4" }).waitFor();
  assert.ok(await page.locator("#notice").isHidden());
  await opened("elsewhere.safetensors");
  await page.getByRole("heading", { name: "The model elsewhere.safetensors is not here" }).waitFor();
});

pageTest("a copied picture is a PNG", { context: { permissions: ["clipboard-read", "clipboard-write"] } }, async ({ page }) => {
  await page.getByLabel("Steps").fill("1");
  await generate(page);
  await button(page, "Copy").click();
  await page.getByText(/^Copied/).waitFor();
  const types = await page.evaluate(async () => (await navigator.clipboard.read()).flatMap((item) => item.types));
  assert.deepEqual(types, ["image/png"]);
});

const CHECKPOINT = { name: "dreamy.safetensors", type: "", bytes: [0] };

// The first progress stays, however slow the browser is.
pageTest("adding a checkpoint says what it takes first, shows progress, and can be cancelled", { now: { fetchMs: 60_000 } }, async ({ page }) => {
  await drop(page, CHECKPOINT);
  const models = page.getByRole("dialog", { name: "Models" });
  await models.getByText("Adding this stores 2.1 GB, takes 2.6 GB of GPU memory.").waitFor();
  await models.getByRole("button", { name: "Add and store" }).click();
  await models.getByText(/^Storing dreamy.safetensors: [\d.]+ of 2.1 GB$/).waitFor();
  await models.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await models.getByRole("listitem").count(), 1);
  assert.equal(await models.locator(".coming-in").count(), 0);
});

pageTest("a checkpoint is chosen as a file or as a folder, and the browser is asked to keep what is stored", {}, async ({ page }) => {
  await page.evaluate(() => (navigator.storage.persist = async () => (globalThis.asked = true)));
  await button(page, "Models").click();
  const models = page.getByRole("dialog", { name: "Models" });
  const choose = async (name, files) => {
    const chooser = page.waitForEvent("filechooser");
    await models.getByRole("button", { name }).click();
    await (await chooser).setFiles(files);
  };
  await choose("Choose a file", { name: "chosen.safetensors", mimeType: "", buffer: Buffer.from([0]) });
  await models.getByText("chosen.safetensors").waitFor();
  await models.getByRole("button", { name: "Use for this visit" }).click();
  await page.getByText("chosen.safetensors is here until this page is closed.").waitFor();
  assert.ok(!(await page.evaluate(() => globalThis.asked)), "nothing is stored");
  await choose("Choose a folder", fileURLToPath(new URL("../../models/mini", import.meta.url)));
  await models.locator(".coming-in").getByText("mini", { exact: true }).waitFor();
  await models.getByRole("button", { name: "Add and store" }).click();
  await page.getByText("mini is stored in this browser.").waitFor();
  assert.ok(await page.evaluate(() => globalThis.asked));
});

pageTest("nothing moves by itself for those who want no motion", { now: { loadMs: 60_000 }, context: { reducedMotion: "no-preference" } }, async ({ page }) => {
  const moving = () => page.evaluate(() => document.getAnimations().filter(({ playState }) => playState === "running").length);
  await button(page, "Generate").click();
  await page.locator("#stage[data-state=waiting]").waitFor();
  assert.ok((await moving()) > 0);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.waitForFunction(() => document.getAnimations().every(({ playState }) => playState !== "running"));
});

pageTest("what a checkpoint at an address takes is said before it is fetched, and it can be removed again", {}, async ({ page }) => {
  await button(page, "Models").click();
  const models = page.getByRole("dialog", { name: "Models" });
  await models.getByLabel("Address of a .safetensors file").fill("https://example.org/sd15.safetensors");
  await models.getByLabel("SHA-256").fill("abc");
  await models.getByRole("button", { name: "Look at it" }).click();
  assert.equal(await models.getByLabel("SHA-256").evaluate((field) => field.validity.valid), false);
  await models.getByLabel("SHA-256").fill("");
  await models.getByRole("button", { name: "Look at it" }).click();
  await models.getByText("Adding this fetches 2.1 GB, stores 2.1 GB, takes 2.6 GB of GPU memory.").waitFor();
  await models.getByRole("button", { name: "Add and store" }).click();
  await page.getByText("sd15.safetensors is stored in this browser.").waitFor();
  await models.getByText("in use").waitFor();
  await models.getByRole("button", { name: "Remove sd15.safetensors" }).click();
  await page.waitForFunction(() => document.querySelectorAll("#models .model").length === 1);
});

const HALF = { name: "half.safetensors", place: "partial", bytes: 2e9, done_bytes: 9e8, url: "https://example.org/half.safetensors" };

pageTest("an interrupted download can go on", { now: { fetchMs: 60_000, models: [HALF] } }, async ({ page }) => {
  await button(page, "Models").click();
  await page.getByText("0.9 of 2.0 GB, not whole yet").waitFor();
  await page.getByRole("button", { name: "Go on fetching half.safetensors" }).click();
  await page.getByText(/^Fetching half.safetensors/).waitFor();
});

pageTest("a model whose removal is asked for while it is being added is never used", { now: { fetchMs: 60_000, models: [HALF] } }, async ({ page }) => {
  await button(page, "Models").click();
  const models = page.getByRole("dialog", { name: "Models" });
  await models.getByRole("button", { name: "Go on fetching half.safetensors" }).click();
  await models.getByText(/^Fetching half.safetensors/).waitFor();
  const row = await models.getByRole("button", { name: "Remove half.safetensors" }).evaluate((remove) => {
    const list = remove.closest("ul");
    remove.click();
    return list.lastElementChild.innerText;
  });
  assert.equal(row.trim(), "half.safetensors\n0.9 of 2.0 GB, being removed", "and no button");
  await models.getByText("half.safetensors").first().waitFor({ state: "detached" });
  await models.locator(".model", { hasText: "mini" }).getByText("in use").waitFor();
  assert.equal(await models.locator(".wrong, .coming-in").count(), 0);
  assert.equal(await page.locator("#toast").innerText(), "");
  await page.keyboard.press("Escape");
  await button(page, "Generate").click();
  await button(page, "Download").waitFor();
  assert.ok(await page.locator("#notice").isHidden());
});

pageTest("a checkpoint that cannot be used is refused in words", { now: { inspected: { problem: "this is Stable Diffusion XL, which is not built in" } } }, async ({ page }) => {
  await drop(page, CHECKPOINT);
  await page.getByText("this is Stable Diffusion XL, which is not built in").waitFor();
});

pageTest("what a job takes is said before it starts, and why it cannot be had", { now: { needs: { problem: "This needs 12 GB of GPU memory, and 4 GB are there." } } }, async ({ page }) => {
  await page.getByText("This needs 12 GB of GPU memory, and 4 GB are there.").waitFor();
});

pageTest("everything can be done with the keyboard alone", { now: { holdAt: 2 } }, async ({ page }) => {
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent.trim());
  const tabTo = async (name, key = "Tab") => {
    for (let press = 0; press < 60; press += 1) {
      if ((await focused()).startsWith(name)) return;
      await page.keyboard.press(key);
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.ok(outline !== "none" || (await focused()) === "", `${await focused()} does not show that it has the keyboard`);
    }
    assert.fail(`${name} cannot be reached`);
  };
  await page.keyboard.type("a star on a purple background");
  await tabTo("Generate");
  await page.keyboard.press("Enter");
  await page.locator("#progress-what", { hasText: "Step 2 of 25" }).waitFor();
  await tabTo("Stop");
  await page.keyboard.press("Enter");
  await page.getByText(/stopped at step/).waitFor();
  assert.equal(await focused(), "Generate");
  await page.keyboard.press("Enter");
  await button(page, "Download").waitFor();
  await tabTo("Download");
  await tabTo("History", "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.getByText("1 picture", { exact: true }).waitFor();
  await tabTo("Delete a star on a purple background");
  await page.keyboard.press("Enter");
  await page.getByText("Nothing yet.").waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await focused(), "History");
  await tabTo("Create");
  for (const name of ["Sharpen", "Restyle", "Steer", "Create"]) {
    await page.keyboard.press("ArrowRight");
    assert.equal(await focused(), name);
  }
});

pageTest("the bench can be measured and copied", { hash: "#bench", context: { permissions: ["clipboard-read", "clipboard-write"] } }, async ({ page }) => {
  await button(page, "Measure").click();
  await page.getByText("attention 4096").waitFor();
  await button(page, "Copy as text").click();
  const text = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(text, /device +Canned GPU/);
  assert.match(text, /conv3x3 320->320/);
  await page.getByRole("link", { name: "Back to the picture" }).click();
  await button(page, "Generate").waitFor();
});

pageTest("a changed theme outlives a reload", { context: { colorScheme: "dark" } }, async ({ page }) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.getByRole("button", { name: "Light or dark" }).click();
  const light = await ground();
  assert.notEqual(light, dark);
  await page.reload();
  assert.equal(await ground(), light);
});
