/** Restyle: plug-and-play features, a picture redrawn to other words with its layout kept. */

import { build } from "../dom.js";
import { sides } from "../job.js";
import { percent, slider } from "../slider.js";
import { SourcePicker } from "../source.js";

/** The method's own, and fewer steps of inversion than the command's 50: a browser is slower, and the difference is small. */
const USUAL = { features: 0.8, attention: 0.5, inversion: 25 };
const MOST_PROMPTS = 8;

let onchange = () => {};
let desk = null;
/** Prompts that suit the example that was chosen. */
let offered = [];
/** What of a restored edit has no control here. */
let others = {};

const picker = new SourcePicker({
  onchange: () => onchange(),
  onexample: (prompts) => {
    const isExample = desk.isExample;
    offered = prompts.map((prompt) => ({ prompt }));
    desk.offer(offered);
    if (isExample || desk.prompt.trim() === "") desk.useExample({ prompt: prompts[0] });
  },
});
const share = { min: 0, max: 1, step: 0.05 };
const features = slider("feature-window", "Layout kept", { ...share, value: USUAL.features }, {
  say: percent,
  hint: "For how much of the drawing the shapes come from the original. More keeps places and outlines, less lets things change form.",
});
const attention = slider("attention-window", "Structure kept", { ...share, value: USUAL.attention }, {
  say: percent,
  hint: "For how much of it parts hang together as they did. More keeps parts and surfaces alike, less gives material and colour to the new words.",
});
const inversion = slider("inversion-steps", "Inversion steps", { min: 1, max: 100, step: 1, value: USUAL.inversion }, {
  hint: "How finely the original is traced back to noise. More follows it closer and takes longer, once for each picture.",
});

/** Further prompts, each drawn from the same source. */
const more = build("div", { className: "prompts" });
const add = build("button", { type: "button", className: "quiet small", textContent: "Another prompt", onclick: () => addPrompt("").focus() });

function addPrompt(text) {
  const number = more.children.length + 2;
  const input = build("input", { maxLength: 4000, value: text, "aria-label": `Prompt ${number}`, placeholder: "another way to draw it" });
  const remove = build("button", {
    type: "button",
    className: "quiet",
    textContent: "Remove",
    "aria-label": `Remove prompt ${number}`,
    onclick: () => {
      line.remove();
      [...more.querySelectorAll("input")].forEach((one, at) => one.setAttribute("aria-label", `Prompt ${at + 2}`));
      [...more.querySelectorAll("button")].forEach((one, at) => one.setAttribute("aria-label", `Remove prompt ${at + 2}`));
      add.hidden = false;
      add.focus();
      onchange();
    },
  });
  const line = build("div", { className: "joined" }, input, remove);
  more.append(line);
  add.hidden = more.children.length + 1 >= MOST_PROMPTS;
  return input;
}

const summary = build("span", { className: "summary" });
const kept = build(
  "details",
  { className: "folded" },
  build("summary", {}, build("span", { textContent: "How much is kept" }), summary),
  build("div", { className: "sliders" }, features.field, attention.field, inversion.field),
);

/** Says in a line what the sliders say when they are folded away. */
function sum() {
  summary.textContent = `layout ${percent(features.value)}, structure ${percent(attention.value)}, ${inversion.value} steps back`;
}
for (const { input } of [features, attention, inversion]) input.addEventListener("input", sum);
sum();

export const restyle = {
  name: "restyle",
  title: "Restyle",
  verb: "Restyle",
  works: true,
  about: [
    "A photo, drawn anew to other words, with everything in its place. Plug-and-Play carries the layout over from inside the model. Nothing is trained, and the photo stays in this browser.",
    "The small model that comes with the page knows single things on plain colours. For photos of the world, add a Stable Diffusion 1.x checkpoint under Models.",
  ],
  fields: ["edit"],
  connect: (parts) => {
    onchange = parts.onchange;
    desk = parts.desk;
    picker.connect(parts.engine);
  },
  chosen: () => {
    desk.offer(offered);
    picker.begin();
  },
  before: () => [picker.element],
  controls: () => [more, add, kept],
  hides: ["seed", "count"],
  prepare: () => picker.ready(),
  plan: (job) => {
    picker.setShape(sides(job.size) ?? [1, 1]);
    const source = picker.source;
    const prompts = [job.prompt, ...[...more.querySelectorAll("input")].map(({ value }) => value.trim()).filter(Boolean)];
    const one = { ...job, count: 1 };
    if (!source) return [{ job: one }];
    const edit = {
      ...others,
      method: others.method ?? "pnp",
      source,
      inversion_steps: inversion.value,
      feature_window: String(features.value),
      attention_window: String(attention.value),
    };
    return prompts.map((prompt) => ({ job: { ...one, prompt, edit }, label: prompt }));
  },
  restore: ({ edit }) => {
    if (!edit) return false;
    const { source, inversion_steps: steps, feature_window: f, attention_window: a, ...rest } = edit;
    // A window that is no leading share has no slider here: it becomes the share at which it ends.
    const leading = (window, usual) => Number(/^[\d.]+$/.exec(window ?? "")?.[0] ?? usual);
    features.value = leading(f, USUAL.features);
    attention.value = leading(a, USUAL.attention);
    inversion.value = steps ?? USUAL.inversion;
    others = rest;
    sum();
    more.replaceChildren();
    add.hidden = false;
    picker.restore(source);
    return true;
  },
  /** Takes a photo that was dropped anywhere. */
  take: (file) => picker.take(file),
  /** Takes a picture that was made here. */
  takePicture: (picture) => picker.takePicture(picture),
};
