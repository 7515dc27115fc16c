/** The part of a photo that is used: a frame over it, moved by a pointer or the arrow keys, resized by a slider or plus and minus. */

import { build, speak } from "./dom.js";
import { percent, slider } from "./slider.js";

/** A press of an arrow key moves it by this share of the photo; with Shift by five times as much. */
const NUDGE = 0.02;
/** The smallest part, as a share of the largest. */
const SMALLEST = 0.2;

export class CropFrame {
  #image = build("img", { alt: "", draggable: false });
  #hole = build("button", { type: "button", className: "hole" });
  #shape = [1, 1];
  #photo = null;
  /** The middle of the part, as shares of the photo. */
  #middle = [0.5, 0.5];
  #zoom;
  /** What stands in the page: the photo with the frame, and the slider. */
  element;

  /** `onchange` hears when another part is chosen. */
  constructor(onchange) {
    this.onchange = onchange;
    this.#zoom = slider("crop-size", "Part that is used", { min: SMALLEST, max: 1, step: 0.01, value: 1 }, { say: (share) => (share === 1 ? "as much as fits" : percent(share)) });
    this.#zoom.input.addEventListener("input", () => this.#changed());
    this.element = build("div", { className: "crop" }, build("div", { className: "photo" }, this.#image, this.#hole), this.#zoom.field);
    this.#hole.addEventListener("keydown", (event) => this.#key(event));
    this.#hole.addEventListener("pointerdown", (event) => this.#grab(event));
  }

  /** Shows a photo: the address of its file, and its sides when it is upright. */
  show(address, name, [width, height], crop = null) {
    this.#photo = [width, height];
    this.#image.src = address;
    this.#image.width = width;
    this.#image.height = height;
    this.#image.alt = name;
    this.#middle = [0.5, 0.5];
    this.#zoom.value = 1;
    const given = /^(\d+),(\d+),(\d+),(\d+)$/.exec(crop ?? "");
    if (given) {
      const [left, top, across, down] = given.slice(1).map(Number);
      this.#middle = [(left + across / 2) / width, (top + down / 2) / height];
      this.#zoom.value = Math.min(across / this.#largest()[0], 1);
    }
    this.#place();
  }

  /** The shape that the part must have, as any two numbers. */
  setShape(shape) {
    this.#shape = shape;
    if (this.#photo) this.#place();
  }

  /** The part as jobs spell it; null for the one that is taken anyway. */
  get crop() {
    if (!this.#photo) return null;
    const { left, top, across, down } = this.#part();
    const untouched = this.#zoom.value === 1 && this.#middle.every((share) => share === 0.5);
    return untouched ? null : [left, top, across, down].join(",");
  }

  /** Sides of the largest part of the shape, in pixels. */
  #largest() {
    const [width, height] = this.#photo;
    const [across, down] = this.#shape;
    const scale = Math.min(width / across, height / down);
    return [across * scale, down * scale];
  }

  /** The part in whole pixels. */
  #part() {
    const [width, height] = this.#photo;
    const [across, down] = this.#largest().map((px) => Math.max(Math.round(px * this.#zoom.value), 1));
    const at = (middle, length, whole) => Math.min(Math.max(Math.round(middle * whole - length / 2), 0), whole - length);
    return { left: at(this.#middle[0], across, width), top: at(this.#middle[1], down, height), across, down };
  }

  #place() {
    const [width, height] = this.#photo;
    const { left, top, across, down } = this.#part();
    const share = (px, whole) => `${(100 * px) / whole}%`;
    this.#hole.style.left = share(left, width);
    this.#hole.style.top = share(top, height);
    this.#hole.style.width = share(across, width);
    this.#hole.style.height = share(down, height);
    this.#hole.setAttribute("aria-label", `Part of the picture that is used: ${this.#words()}. Arrow keys move it, plus and minus resize it.`);
  }

  #words() {
    const [width, height] = this.#photo;
    const { left, top, across, down } = this.#part();
    return `${percent(across / width)} of its width from ${percent(left / width)}, ${percent(down / height)} of its height from ${percent(top / height)}`;
  }

  #changed() {
    this.#place();
    this.onchange();
  }

  /** Moves the middle, kept where the whole part is inside. */
  #moveTo(middle) {
    const [width, height] = this.#photo;
    const { across, down } = this.#part();
    const inside = (share, length, whole) => {
      const half = length / whole / 2;
      // A part as wide as the photo stays exactly in the middle.
      return half >= 0.5 ? 0.5 : Math.min(Math.max(share, half), 1 - half);
    };
    this.#middle = [inside(middle[0], across, width), inside(middle[1], down, height)];
    this.#changed();
  }

  #key(event) {
    const step = event.shiftKey ? 5 * NUDGE : NUDGE;
    const [x, y] = this.#middle;
    const to = { ArrowLeft: [x - step, y], ArrowRight: [x + step, y], ArrowUp: [x, y - step], ArrowDown: [x, y + step] }[event.key];
    const size = { "+": 0.05, "=": 0.05, "-": -0.05 }[event.key];
    if (!to && !size) return;
    event.preventDefault();
    if (size) this.#zoom.value = Math.min(Math.max(this.#zoom.value + size, SMALLEST), 1);
    this.#moveTo(to ?? this.#middle);
    speak(this.#words());
  }

  #grab(event) {
    event.preventDefault();
    this.#hole.focus();
    this.#hole.setPointerCapture(event.pointerId);
    const { width, height } = this.#image.getBoundingClientRect();
    const [x, y] = this.#middle;
    const move = (now) => this.#moveTo([x + (now.clientX - event.clientX) / width, y + (now.clientY - event.clientY) / height]);
    this.#hole.addEventListener("pointermove", move);
    this.#hole.addEventListener("lostpointercapture", () => this.#hole.removeEventListener("pointermove", move), { once: true });
  }
}
