/** Steer: universal guidance, a picture pulled towards what is shown: a place, a shape, a look, words, a face, whatever a network says. */

import { build, toast } from "../dom.js";
import { GuidePicker } from "../guides.js";
import { sides } from "../job.js";
import { slider } from "../slider.js";

/** More guides at once pull each other off. */
const MOST = 3;

let parts = null;
/** What of a restored job's guidance has no control here. */
let others = {};
/** The guides on show: each with its picker, and how much it counts. */
let guides = [];
let drawn = 0;
const preset = build(
  "select",
  { id: "guide-preset" },
  build("option", { value: "fast", textContent: "fast" }),
  build("option", { value: "reference", textContent: "as published: back through the whole network, slow" }),
);
const list = build("div", { className: "guides" });
const more = build("button", { type: "button", className: "quiet small", textContent: "Another guide", onclick: () => add("colour").picker.begin() });
/** Powers of two, so that half and twice are as far from the middle. */
const strength = slider("guide-strength", "Strength", { min: -3, max: 3, step: 0.5, value: 0 }, { hint: "How far each step goes towards it. In the middle: what suits the method.", say: (power) => `× ${times(power)}` });
preset.addEventListener("change", () => parts.onchange());
strength.input.addEventListener("change", () => parts.onchange());

function times(power) {
  return Number((2 ** power).toPrecision(2));
}

/** Adds a guide of this kind. */
function add(kind) {
  drawn += 1;
  const first = guides.length === 0;
  const key = first ? "" : `${drawn}-`;
  const picker = new GuidePicker(parts, { key, kind, title: first ? "Pull towards" : "And towards" });
  const weight = slider(`${key}guide-weight`, "How much it counts", { min: 0.25, max: 4, step: 0.25, value: 1 }, { say: (number) => `× ${number}` });
  weight.input.addEventListener("change", () => parts.onchange());
  const guide = { picker, weight };
  const remove = build("button", { type: "button", className: "quiet small", textContent: "Remove this guide", onclick: () => drop(guide) });
  guide.element = build("div", {}, picker.element);
  picker.element.append(weight.field, ...(first ? [] : [remove]));
  guides.push(guide);
  list.append(guide.element);
  tidy();
  return guide;
}

function drop(guide) {
  guides = guides.filter((other) => other !== guide);
  guide.element.remove();
  tidy();
  more.focus();
  parts.onchange();
}

/** A single guide counts alone. */
function tidy() {
  for (const { weight } of guides) weight.field.hidden = guides.length === 1;
  more.hidden = guides.length >= MOST;
}

export const steer = {
  name: "steer",
  title: "Steer",
  verb: "Draw with and without",
  works: true,
  about: ["A picture, pulled towards something you show it while it is drawn. Universal Guidance asks another network how far off the picture is and follows its gradient. Nothing is trained."],
  fields: ["guide"],
  connect: (given) => {
    parts = given;
    add("detection");
  },
  chosen: () => guides.forEach(({ picker }) => picker.begin()),
  controls: () => [list, more, strength.field, build("div", { className: "field" }, build("label", { htmlFor: "guide-preset", textContent: "Method" }), preset)],
  prepare: async () => {
    for (const { picker } of guides) if (!(await picker.ready())) return false;
    return true;
  },
  plan: (job) => {
    const one = { ...job, count: 1 };
    const several = guides.length > 1;
    const spelled = guides.map(({ picker, weight }) => {
      picker.setShape(sides(job.size) ?? [1, 1]);
      return { target: picker.target, ...(several && weight.value !== 1 && { weight: weight.value }) };
    });
    if (spelled.some(({ target }) => !target)) return [{ job: one }];
    const strong = times(strength.value);
    return [
      { job: one, label: "unguided", reusable: true },
      { job: { ...one, guide: { ...others, preset: preset.value, ...(strong !== 1 && { strength: strong }), guides: spelled } }, label: "guided" },
    ];
  },
  restore: ({ guide }) => {
    if (!guide) return false;
    const { preset: chosen, guides: those, strength: strong = 1, ...rest } = guide;
    const known = [...preset.options].some(({ value }) => value === chosen);
    preset.value = known ? chosen : "fast";
    strength.value = Math.log2(strong);
    others = rest;
    for (const extra of guides.slice(Math.max(those.length, 1))) drop(extra);
    let hasFiles = false;
    those.slice(0, MOST).forEach(({ target, weight = 1 }, at) => {
      const shown = guides[at] ?? add("colour");
      shown.weight.value = weight;
      hasFiles = shown.picker.restore(target) || hasFiles;
    });
    if (hasFiles) toast("The pictures and networks that guided it have to be chosen again.");
    return true;
  },
  /** Takes a network that was dropped on the page. */
  takeNetwork: (file) => guides[0].picker.takeNetwork(file),
  /** Takes a picture that was dropped on a guide; false where it was dropped elsewhere. */
  takePicture: (file, place) => {
    const aimed = guides.find(({ picker }) => picker.element.contains(place));
    if (!aimed) return false;
    aimed.picker.takePicture(file);
    return true;
  },
};
