/** What Self-Attention Guidance looked at and blurred, laid over the picture: a mask for each step, or their mean. */

import { build } from "./dom.js";
import { percent, slider } from "./slider.js";

/** What is marked is this colour, as far as it is marked; the rest is dimmed by this black. */
const MARK = [255, 70, 40, 150];
const DIM = [4, 8, 20, 130];

/** A picture's masks as the worker sent them: `maps` and a byte for each of their places. */
export function masksOf({ maps = [], map_values: values }) {
  let at = 0;
  const bytes = new Uint8Array(values ?? new ArrayBuffer(0));
  const found = maps.map((map) => {
    const length = map.width * map.height;
    at += length;
    return { ...map, values: bytes.slice(at - length, at) };
  });
  return found.filter(({ name }) => name === "sag-mask");
}

/** Builds the overlay, and what switches it: `{ layer, controls }`. Null where there are no masks. */
export function maskOverlay(masks) {
  if (!masks?.length) return null;
  const layer = build("canvas", { className: "picture mask", hidden: true, "aria-hidden": "true" });
  const words = build("p", { className: "hint", role: "status" });
  const steps = slider("mask-step", "Step", { min: 0, max: masks.length, step: 1, value: 0 }, { say: (step) => (step === 0 ? "mean of all" : `${step} of ${masks.length}`) });
  const details = build("div", { className: "mask-details", hidden: true }, steps.field, words);
  const toggle = build("button", { type: "button", className: "quiet small toggle", "aria-pressed": "false", textContent: "Show what was blurred" });
  const draw = () => {
    const mask = steps.value === 0 ? mean(masks) : masks[steps.value - 1];
    paint(layer, mask);
    const covered = mask.values.reduce((sum, value) => sum + value, 0) / (255 * mask.values.length);
    words.textContent = `Red is what the model looked at most, and what was blurred: ${percent(covered)} of the picture.`;
  };
  toggle.addEventListener("click", () => {
    const shown = layer.hidden;
    toggle.setAttribute("aria-pressed", String(shown));
    layer.hidden = details.hidden = !shown;
    if (shown) draw();
  });
  steps.input.addEventListener("input", draw);
  return { layer, controls: build("div", { className: "mask-controls" }, toggle, details) };
}

function mean(masks) {
  const [{ width, height }] = masks;
  const sums = new Float32Array(width * height);
  for (const { values } of masks) values.forEach((value, at) => (sums[at] += value));
  return { width, height, values: sums.map((sum) => sum / masks.length) };
}

function paint(layer, { width, height, values }) {
  layer.width = width;
  layer.height = height;
  const image = new ImageData(width, height);
  values.forEach((value, at) => {
    const share = value / 255;
    for (let c = 0; c < 4; c += 1) image.data[4 * at + c] = DIM[c] + share * (MARK[c] - DIM[c]);
  });
  layer.getContext("2d").putImageData(image, 0, 0);
}
