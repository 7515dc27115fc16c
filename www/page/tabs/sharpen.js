/** Sharpen: self-attention guidance, the same seed with and without. */

import { build } from "../dom.js";
import { slider } from "../slider.js";

/** What the page begins with: clearer than the usual 0.75, and still calm. */
const USUAL = { scale: 1, sigma: 1, threshold: 1 };

const scale = slider("sag-scale", "SAG scale", { min: 0, max: 2, step: 0.05, value: USUAL.scale });
const sigma = slider("sag-sigma", "Blur", { min: 0.2, max: 4, step: 0.1, value: USUAL.sigma });
const threshold = slider("sag-threshold", "Mask threshold", { min: 0.2, max: 2, step: 0.05, value: USUAL.threshold });
/** Who wants to know when a slider was let go. */
let onrelease = () => {};
for (const { input } of [scale, sigma, threshold]) input.addEventListener("change", () => onrelease());
/** What of a restored job's settings has no control here. */
let others = {};

export const sharpen = {
  name: "sharpen",
  title: "Sharpen",
  verb: "Draw with and without",
  works: true,
  about: [
    "One seed, drawn twice: without and with Self-Attention Guidance. The guidance blurs what the model looks at most and steers away from the blurred guess. Finer detail, nothing trained.",
  ],
  fields: ["sag"],
  connect: ({ redraw }) => (onrelease = redraw),
  controls: () => [build("div", { className: "sliders" }, scale.field, sigma.field, threshold.field)],
  plan: (job) => {
    const one = { ...job, count: 1 };
    const sag = { ...others, scale: scale.value, sigma: sigma.value, threshold: threshold.value };
    return [
      { job: one, label: "without SAG", reusable: true },
      { job: { ...one, sag }, label: "with SAG" },
    ];
  },
  restore: ({ sag }) => {
    if (!sag) return false;
    const { scale: s, sigma: b, threshold: t, ...rest } = sag;
    scale.value = s ?? USUAL.scale;
    sigma.value = b ?? USUAL.sigma;
    threshold.value = t ?? USUAL.threshold;
    others = rest;
    return true;
  },
};
