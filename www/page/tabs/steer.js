/** Steer: universal guidance, a picture pulled towards what is shown: a place, a shape, a look, words, whatever a network says. */

import { build } from "../dom.js";
import { sides } from "../job.js";
import { GuidePicker } from "../guides.js";

let onchange = () => {};
/** What of a restored job's guidance has no control here. */
let others = {};
let picker = null;
const preset = build(
  "select",
  { id: "guide-preset" },
  build("option", { value: "fast", textContent: "fast" }),
  build("option", { value: "reference", textContent: "as published: back through the whole network, slow" }),
);
preset.addEventListener("change", () => onchange());

export const steer = {
  name: "steer",
  title: "Steer",
  verb: "Draw with and without",
  works: true,
  about: ["A picture, pulled towards something you show it while it is drawn. Universal Guidance asks another network how far off the picture is and follows its gradient. Nothing is trained."],
  fields: ["guide"],
  connect: (parts) => {
    onchange = parts.onchange;
    picker = new GuidePicker(parts);
  },
  chosen: () => picker.begin(),
  controls: () => [picker.element, build("div", { className: "field" }, build("label", { htmlFor: "guide-preset", textContent: "Method" }), preset)],
  prepare: () => picker.ready(),
  plan: (job) => {
    picker.setShape(sides(job.size) ?? [1, 1]);
    const one = { ...job, count: 1 };
    const target = picker.target;
    if (!target) return [{ job: one }];
    return [
      { job: one, label: "unguided", reusable: true },
      { job: { ...one, guide: { ...others, preset: preset.value, guides: [{ target }] } }, label: "guided" },
    ];
  },
  restore: ({ guide }) => {
    if (!guide) return false;
    const { preset: chosen, guides, ...rest } = guide;
    const known = [...preset.options].some(({ value }) => value === chosen);
    preset.value = known ? chosen : "fast";
    others = rest;
    picker.restore(guides[0]?.target);
    return true;
  },
  /** Takes a network that was dropped on the page. */
  takeNetwork: (file) => picker.takeNetwork(file),
};
