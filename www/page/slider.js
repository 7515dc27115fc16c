/** A labelled slider with its value beside it, and a word on what it does below. */

import { build } from "./dom.js";

/** `say` turns its number into what stands beside the label. */
export function slider(id, text, range, { hint = "", say = String } = {}) {
  const input = build("input", { id, type: "range", ...range, ...(hint && { "aria-describedby": `${id}-hint` }) });
  const output = build("output", { htmlFor: id });
  const show = () => (output.value = say(Number(input.value)));
  input.addEventListener("input", show);
  show();
  return {
    input,
    field: build(
      "div",
      { className: "field slider" },
      build("label", { htmlFor: id, textContent: text }),
      output,
      input,
      hint ? build("p", { className: "hint", id: `${id}-hint`, textContent: hint }) : null,
    ),
    get value() {
      return Number(input.value);
    },
    set value(number) {
      input.value = number;
      show();
    },
  };
}

/** A share of a whole as `80 %`. */
export const percent = (share) => `${Math.round(100 * share)} %`;
