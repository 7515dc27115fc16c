/** Restyle: a picture redrawn to other words, by a method that keeps its layout or something else of it. */

import { build } from "../dom.js";
import { sides } from "../job.js";
import { percent, slider } from "../slider.js";
import { SourcePicker } from "../source.js";

/** Fewer than the command's 50: a browser is slower, and the difference is small. */
const INVERSION_STEPS = 25;
/** Ways to take after the original, and where their sliders stand at first. */
const METHODS = {
  pnp: {
    title: "Plug-and-Play",
    hint: "Keeps places and outlines, and gives them other stuff.",
    usual: { feature_window: 0.8, attention_window: 0.5, inversion_steps: INVERSION_STEPS },
  },
  masactrl: {
    title: "MasaCtrl",
    hint: "Keeps what things are made of, and lets them move: for words such as jumping or from behind.",
    usual: { inversion_steps: INVERSION_STEPS },
  },
  "prompt-to-prompt": {
    title: "Prompt-to-prompt",
    hint: "Keeps where shared words look. Say what the original shows, and change few words of it.",
    usual: { attention_window: 0.4, cross_window: 0.8, inversion_steps: INVERSION_STEPS },
  },
  img2img: {
    title: "Noise alone (img2img)",
    hint: "Covers the original with noise and draws over it. Nothing is traced, so that it begins at once.",
    usual: { strength: 0.75 },
  },
};
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
/** A slider of how long something is kept. A window that is no leading share has no slider: it becomes the usual one. */
const windowed = (id, label, word, hint) => ({
  at: slider(id, label, share, { say: percent, hint }),
  say: (at) => `${word} ${percent(at)}`,
  spell: String,
  read: (window, usual) => Number(/^[\d.]+$/.exec(window ?? "")?.[0] ?? usual),
});
/** The sliders by the field of an edit that each is. */
const CONTROLS = {
  feature_window: windowed("feature-window", "Layout kept", "layout", "For how much of the drawing the shapes come from the original. More keeps places and outlines, less lets things change form."),
  attention_window: windowed(
    "attention-window",
    "Structure kept",
    "structure",
    "For how much of it parts hang together as they did. More keeps parts and surfaces alike, less gives material and colour to the new words.",
  ),
  cross_window: windowed("cross-window", "Words kept in place", "words", "For how much of it the words that both share look where they looked. Less lets new words move things."),
  strength: {
    at: slider("strength", "Noise", { ...share, min: 0.05 }, {
      say: percent,
      hint: "How much of the original is covered. More follows the words, less the original.",
    }),
    say: (at) => `noise ${percent(at)}`,
    spell: Number,
    read: (strength, usual) => strength ?? usual,
  },
  inversion_steps: {
    at: slider("inversion-steps", "Inversion steps", { min: 1, max: 100, step: 1, value: INVERSION_STEPS }, {
      hint: "How finely the original is traced back to noise. More follows it closer and takes longer, once for each picture.",
    }),
    say: (at) => `${at} steps back`,
    spell: Number,
    read: (steps, usual) => steps ?? usual,
  },
};

const method = build("select", { id: "edit-method", "aria-describedby": "edit-method-hint" });
for (const [value, { title }] of Object.entries(METHODS)) method.append(build("option", { value, textContent: title }));
const methodHint = build("p", { className: "hint", id: "edit-method-hint" });
/** How the empty prompt has a share in what the drawing goes away from; without, that is the negative prompt alone. */
const blend = build(
  "select",
  { id: "negative-blend" },
  build("option", { value: "", textContent: "kept out all along" }),
  build("option", { value: "linear", textContent: "more and more, evenly" }),
  build("option", { value: "exp", textContent: "more and more, soon strongly" }),
  build("option", { value: "constant", textContent: "weakly all along" }),
);
const alpha = slider("negative-alpha", "Weaker at first by", { ...share, value: 1 }, {
  say: percent,
  hint: "How much of the negative prompt, above, is taken back in the first step.",
});
const field = (label, select, hint = null) =>
  build("div", { className: "field" }, build("label", { htmlFor: select.id, textContent: label }), select, hint);

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
  build(
    "div",
    { className: "sliders" },
    field("Method", method, methodHint),
    ...Object.values(CONTROLS).map(({ at }) => at.field),
    field("What is not wanted", blend),
    alpha.field,
  ),
);

/** Shows the controls of the method that is chosen, and says in a line what they say when they are folded away. */
function show() {
  const { title, hint, usual } = METHODS[method.value];
  methodHint.textContent = hint;
  for (const [name, { at }] of Object.entries(CONTROLS)) at.field.hidden = !(name in usual);
  alpha.field.hidden = blend.value === "";
  picker.needWords(method.value === "prompt-to-prompt");
  const said = Object.keys(usual).map((name) => CONTROLS[name].say(CONTROLS[name].at.value));
  summary.textContent = [...(method.value === "pnp" ? [] : [title]), ...said].join(", ");
}

function choose(name) {
  method.value = name;
  for (const [control, value] of Object.entries(METHODS[name].usual)) {
    // How finely the original is traced has nothing to do with the method.
    if (control !== "inversion_steps") CONTROLS[control].at.value = value;
  }
}

method.addEventListener("change", () => {
  choose(method.value);
  others = {};
  show();
  onchange();
});
blend.addEventListener("change", show);
for (const { at } of Object.values(CONTROLS)) at.input.addEventListener("input", show);
choose("pnp");
show();

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
    const own = Object.keys(METHODS[method.value].usual).map((name) => [name, CONTROLS[name].spell(CONTROLS[name].at.value)]);
    const away = blend.value && { negative_alpha: alpha.value, negative_schedule: blend.value };
    const edit = { ...others, method: method.value, source, ...Object.fromEntries(own), ...away };
    return prompts.map((prompt) => ({ job: { ...one, prompt, edit }, label: prompt }));
  },
  restore: ({ edit }) => {
    if (!edit) return false;
    const { source, method: named = "pnp", negative_alpha: share, negative_schedule: schedule, ...rest } = edit;
    choose(named in METHODS ? named : "pnp");
    for (const [name, usual] of Object.entries(METHODS[method.value].usual)) {
      CONTROLS[name].at.value = CONTROLS[name].read(rest[name], usual);
      delete rest[name];
    }
    blend.value = share === undefined ? "" : (schedule ?? "linear");
    alpha.value = share ?? 1;
    others = rest;
    show();
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
