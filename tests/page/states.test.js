/** Every state that a browser can be in has a sentence and a way on; with a worker that plays the engine. */

import assert from "node:assert/strict";
import { generate, pageTest } from "./canned.js";
import { button, drop } from "./visit.js";

const CHECKPOINT = { name: "dreamy.safetensors", type: "", bytes: [0] };

pageTest("a window that stores nothing says so and still takes a checkpoint for the visit", { now: { storage: null, inspected: { store_problem: "There is not enough room." } } }, async ({ page }) => {
  await drop(page, CHECKPOINT);
  await page.getByText("This window stores nothing").waitFor();
  assert.ok(await button(page, "Add and store").isDisabled());
  await button(page, "Use for this visit").click();
  await page.getByText("is here until this page is closed").waitFor();
});

for (const [reason, heading, way] of [
  ["no-webgpu", "This browser has no WebGPU", "Chrome and Edge have WebGPU since version 113"],
  ["no-adapter", "The browser offers no GPU", "Switch hardware acceleration on"],
  ["failed", "The GPU did not open", "Close other pages and programs"],
]) {
  pageTest(`without a GPU (${reason}) the page says what to do, and tries again`, { now: { unavailable: reason } }, async ({ page, scene }) => {
    await page.getByRole("alert").getByRole("heading", { name: heading }).waitFor();
    await page.getByText(way).waitFor();
    await page.getByText("guidestar generate").waitFor();
    await button(page, "History").click();
    await page.keyboard.press("Escape");
    // What fails for want of a GPU is not told on top of that, and Generate looks for one as Try again does.
    const alert = page.getByRole("alert");
    await alert.evaluate((place) => place.replaceChildren());
    await button(page, "Generate").click();
    await alert.getByRole("heading", { name: heading }).waitFor();
    assert.ok(await button(page, "Stop").isHidden());
    assert.equal(await page.title(), "Guidestar");
    scene.now = {};
    await button(page, "Try again").click();
    await page.locator("#device[data-state=ready]").waitFor();
    await generate(page);
  });
}

pageTest("a processor that plays the GPU is named as slow", { now: { device: { name: "SwiftShader", api: "webgpu", storage: "f16", software: true, details: [] } } }, async ({ page }) => {
  await page.getByText("SwiftShader, a processor playing the GPU: slow").waitFor();
});

pageTest("a lost GPU is told of, and the picture goes on", { now: { lostAt: 3 } }, async ({ page }) => {
  await button(page, "Generate").click();
  await page.getByRole("heading", { name: "The GPU was lost" }).waitFor();
  await button(page, "Download").waitFor();
});

pageTest("an engine that dies can be started again", { now: { crashAt: 2 }, expected: ["unreachable executed"] }, async ({ page, scene }) => {
  await button(page, "Generate").click();
  await page.getByRole("heading", { name: "The engine stopped" }).waitFor();
  scene.now = {};
  await button(page, "Start it again").click();
  await page.locator("#device[data-state=ready]").waitFor();
  await generate(page);
});

pageTest("an engine that died starts again when a picture is asked for, with the photo it is to begin with", { now: { crashAt: 2 }, expected: ["unreachable executed"] }, async ({ page, scene }) => {
  await page.getByRole("tab", { name: "Restyle" }).click();
  await page.getByText("apple.png, 192 × 192").waitFor();
  await button(page, "Restyle").click();
  await page.getByRole("heading", { name: "The engine stopped" }).waitFor();
  scene.now = {};
  await button(page, "Restyle").click();
  await page.getByRole("slider", { name: "Compare: left original, right restyled" }).waitFor();
  assert.ok(await page.locator("#notice").isHidden());
});

pageTest("an engine that cannot be fetched is told of, and fetched again", { now: { broken: true }, expected: ["could not be fetched"] }, async ({ page, scene }) => {
  await page.getByRole("alert").getByRole("heading", { name: "The engine did not start" }).waitFor();
  await page.getByText("See to the connection, or update the browser.").waitFor();
  scene.now = {};
  await button(page, "Start it again").click();
  await page.locator("#device[data-state=ready]").waitFor();
  await generate(page);
});

pageTest("a job that has no room offers a smaller size, which is drawn", { now: { roomPx: 64, failing: "The GPU has no room: this job needs 9.0 GB of memory, and there is room for 1.0 GB. Choose a smaller size." } }, async ({ page }) => {
  await button(page, "Generate").click();
  await page.getByText("this job needs 9.0 GB of memory, and there is room for 1.0 GB.").waitFor();
  assert.ok(await button(page, "Try again").isVisible());
  await button(page, "Try 64 × 64").click();
  await page.locator("#caption", { hasText: "64 × 64, 25 steps" }).waitFor();
});

pageTest("a hidden tab goes on, and its title says when it is ready", { now: { stepMs: 10 } }, async ({ page }) => {
  const hide = (hidden) =>
    page.evaluate((now) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => now });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  await button(page, "Generate").click();
  await hide(true);
  await page.waitForFunction(() => document.title === "Ready: a red apple on a blue background · Guidestar");
  await hide(false);
  assert.equal(await page.title(), "Guidestar");
  assert.ok(await button(page, "Download").isVisible());
});

