/** A pad to paint a mask on: white on black, or over a photo; by pointer, or by arrow keys and the space bar. */

import { build, speak } from "./dom.js";
import { percent, slider } from "./slider.js";

/** Pixels of the pad's longer side. Masks are scaled to what is asked for. */
const SIDE = 256;
/** An arrow key moves the brush by this share of the pad. */
const NUDGE = 0.05;

export class PaintPad {
  #canvas = build("canvas", { className: "pad", tabIndex: 0, role: "img" });
  #backdrop = build("canvas", { className: "backdrop" });
  #brush;
  #erases = false;
  /** Where the keys' brush is, as shares of the pad. */
  #at = [0.5, 0.5];
  #photo = null;
  #eraser = build("button", { type: "button", className: "quiet small toggle", "aria-pressed": "false", textContent: "Erase" });
  element;

  /** `means` says what is white; `onchange` hears of each stroke. */
  constructor({ id, means, onchange }) {
    this.means = means;
    this.onchange = onchange;
    this.#brush = slider(`${id}-brush`, "Brush", { min: 0.03, max: 0.4, step: 0.01, value: 0.12 }, { say: percent });
    const tool = (textContent, onclick) => build("button", { type: "button", className: "quiet small", textContent, onclick });
    this.#eraser.addEventListener("click", () => {
      this.#erases = !this.#erases;
      this.#eraser.setAttribute("aria-pressed", String(this.#erases));
    });
    this.element = build(
      "div",
      { className: "paint" },
      build("div", { className: "photo" }, this.#backdrop, this.#canvas),
      this.#brush.field,
      build(
        "div",
        { className: "row tools" },
        this.#eraser,
        tool("Circle", () => this.#shape(() => this.#circle())),
        tool("Left half", () => this.#shape((pen, { width, height }) => pen.fillRect(0, 0, width / 2, height))),
        tool("Invert", () => this.#invert()),
        tool("Clear", () => this.#shape(() => {})),
      ),
    );
    this.#canvas.addEventListener("pointerdown", (event) => this.#stroke(event));
    this.#canvas.addEventListener("keydown", (event) => this.#key(event));
    this.setShape([1, 1]);
    this.#shape(() => this.#circle());
  }

  get #pen() {
    return this.#canvas.getContext("2d", { willReadFrequently: true });
  }

  /** The shape of the pictures to come; what is painted is stretched to it. */
  setShape([across, down]) {
    const scale = SIDE / Math.max(across, down);
    const [width, height] = [Math.round(across * scale), Math.round(down * scale)];
    if (this.#canvas.width === width && this.#canvas.height === height) return;
    const old = this.#canvas.width && this.#canvas.height ? structuredCopy(this.#canvas) : null;
    for (const canvas of [this.#canvas, this.#backdrop]) Object.assign(canvas, { width, height });
    if (old) this.#pen.drawImage(old, 0, 0, width, height);
    this.#drawPhoto();
    this.#describe();
  }

  /** Shows a photo behind what is painted. */
  async setPhoto(file) {
    this.#photo = file ? await createImageBitmap(file) : null;
    this.#drawPhoto();
  }

  #drawPhoto() {
    const { width, height } = this.#backdrop;
    const pen = this.#backdrop.getContext("2d");
    pen.clearRect(0, 0, width, height);
    if (!this.#photo) return;
    // As the engine does: the largest part of the shape, from the middle.
    const scale = Math.max(width / this.#photo.width, height / this.#photo.height);
    const [across, down] = [this.#photo.width * scale, this.#photo.height * scale];
    pen.drawImage(this.#photo, (width - across) / 2, (height - down) / 2, across, down);
  }

  /** The mask as a PNG of these sides: white where it was painted, black elsewhere. */
  async mask([width, height]) {
    const canvas = new OffscreenCanvas(width, height);
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, width, height);
    pen.drawImage(this.#canvas, 0, 0, width, height);
    const image = pen.getImageData(0, 0, width, height);
    for (let at = 0; at < image.data.length; at += 4) image.data.fill(image.data[at] > 127 ? 255 : 0, at, at + 3);
    pen.putImageData(image, 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }

  /** The share of the pad that is painted. */
  get covered() {
    const { data } = this.#pen.getImageData(0, 0, this.#canvas.width, this.#canvas.height);
    let count = 0;
    for (let at = 3; at < data.length; at += 4) if (data[at] > 127) count += 1;
    return (4 * count) / data.length;
  }

  #circle() {
    const { width, height } = this.#canvas;
    this.#dot(width / 2, height / 2, 0.32 * Math.min(width, height));
  }

  #shape(draw) {
    const pen = this.#pen;
    pen.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    pen.fillStyle = "#fff";
    draw(pen, this.#canvas);
    this.#changed();
  }

  #invert() {
    const { width, height } = this.#canvas;
    const pen = this.#pen;
    pen.globalCompositeOperation = "xor";
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
    pen.globalCompositeOperation = "source-over";
    this.#changed();
  }

  #dot(x, y, radius) {
    const pen = this.#pen;
    pen.globalCompositeOperation = this.#erases ? "destination-out" : "source-over";
    pen.fillStyle = "#fff";
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fill();
    pen.globalCompositeOperation = "source-over";
  }

  get #radius() {
    return (this.#brush.value * Math.max(this.#canvas.width, this.#canvas.height)) / 2;
  }

  #stroke(event) {
    event.preventDefault();
    this.#canvas.focus();
    this.#canvas.setPointerCapture(event.pointerId);
    let last = null;
    const draw = (now) => {
      const { left, top, width, height } = this.#canvas.getBoundingClientRect();
      const to = [((now.clientX - left) / width) * this.#canvas.width, ((now.clientY - top) / height) * this.#canvas.height];
      const from = last ?? to;
      // Dots close to each other are a line.
      const count = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / 2));
      for (let at = 1; at <= count; at += 1) this.#dot(from[0] + ((to[0] - from[0]) * at) / count, from[1] + ((to[1] - from[1]) * at) / count, this.#radius);
      last = to;
    };
    draw(event);
    this.#canvas.addEventListener("pointermove", draw);
    const end = () => {
      this.#canvas.removeEventListener("pointermove", draw);
      this.#changed();
    };
    this.#canvas.addEventListener("lostpointercapture", end, { once: true });
  }

  #key(event) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    if (move) {
      this.#at = this.#at.map((share, axis) => Math.min(Math.max(share + NUDGE * move[axis], 0), 1));
      speak(`Brush at ${percent(this.#at[0])} from the left, ${percent(this.#at[1])} from the top`);
      return;
    }
    this.#dot(this.#at[0] * this.#canvas.width, this.#at[1] * this.#canvas.height, this.#radius);
    this.#changed();
    speak(`${percent(this.covered)} painted`);
  }

  #changed() {
    this.#describe();
    this.onchange?.();
  }

  #describe() {
    this.#canvas.setAttribute("aria-label", `${this.means}: ${percent(this.covered)} painted. Arrow keys move the brush, the space bar paints.`);
  }
}

function structuredCopy(canvas) {
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  copy.getContext("2d").drawImage(canvas, 0, 0);
  return copy;
}
