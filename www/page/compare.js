/** Two pictures in one place, the border between them moved by a slider: a pointer anywhere on them, or the arrow keys. */

import { build } from "./dom.js";

/** Builds it from two images of one size and what tells them apart; `layer` lies over the second. */
export function compared([first, second], [left, right], layer = null) {
  const slider = build("input", {
    type: "range",
    min: 0,
    max: 100,
    step: 0.5,
    value: 50,
    "aria-label": `Compare: left ${left}, right ${right}`,
  });
  const place = build(
    "div",
    { className: "compare" },
    first,
    second,
    ...(layer ? [layer] : []),
    build("span", { className: "border", "aria-hidden": "true" }),
    build("span", { className: "tag left", "aria-hidden": "true", textContent: left }),
    build("span", { className: "tag right", "aria-hidden": "true", textContent: right }),
    slider,
  );
  const move = () => place.style.setProperty("--border", `${slider.value}%`);
  slider.addEventListener("input", move);
  // A slider's own handle moves by its middle and stops short of the edges: here the border is where the pointer is.
  const follow = (event) => {
    const { left: start, width } = place.getBoundingClientRect();
    slider.value = String((100 * (event.clientX - start)) / width);
    move();
  };
  slider.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    slider.focus();
    slider.setPointerCapture(event.pointerId);
    follow(event);
  });
  slider.addEventListener("pointermove", (event) => slider.hasPointerCapture(event.pointerId) && follow(event));
  move();
  return place;
}
