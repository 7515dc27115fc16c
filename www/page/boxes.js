/** A pad to drag boxes on, each with the name of a thing; by pointer, or by arrow keys with plus and minus. */

import { build, speak } from "./dom.js";
import { percent } from "./slider.js";

const NUDGE = 0.05;
/** A box that is smaller was a slip of the pointer. */
const SMALLEST = 0.1;
const MOST = 6;

export class BoxPad {
  #pad = build("div", { className: "boxes" });
  #list = build("div", { className: "prompts" });
  #add = build("button", { type: "button", className: "quiet small", textContent: "Another box", onclick: () => this.#new([0.3, 0.3, 0.7, 0.7]).hole.focus() });
  #boxes = [];
  #names = [];
  element;

  constructor(onchange) {
    this.onchange = onchange;
    this.element = build("div", { className: "paint" }, this.#pad, build("p", { className: "hint", textContent: "Drag on the pad to draw a box, drag a box to move it." }), this.#list, this.#add);
    this.#pad.addEventListener("pointerdown", (event) => event.target === this.#pad && this.#draw(event));
  }

  /** What boxes can hold; the first box holds what `usual` names. */
  setNames(names, usual) {
    this.#names = names;
    if (this.#boxes.length === 0) this.#new([0.05, 0.3, 0.55, 0.85], usual);
  }

  setShape([across, down]) {
    this.#pad.style.aspectRatio = `${across} / ${down}`;
  }

  /** The boxes as jobs spell them. */
  get boxes() {
    return this.#boxes.map(({ bounds, select }) => ({ thing: select.value, bounds: bounds.map((share) => Number(share.toFixed(3))) }));
  }

  set boxes(boxes) {
    for (const box of [...this.#boxes]) this.#remove(box);
    for (const { thing, bounds } of boxes) this.#new(bounds, thing);
  }

  #new(bounds, thing = this.#boxes.at(-1)?.select.value) {
    const hole = build("button", { type: "button", className: "box" });
    const names = thing && !this.#names.includes(thing) ? [thing, ...this.#names] : this.#names;
    const select = build("select", { onchange: () => this.#place(box) }, ...names.map((name) => build("option", { textContent: name, value: name })));
    if (thing) select.value = thing;
    const remove = build("button", { type: "button", className: "quiet", textContent: "Remove", onclick: () => (this.#remove(box), this.#add.focus()) });
    const line = build("div", { className: "joined" }, select, remove);
    const box = { bounds: [...bounds], hole, select, remove, line };
    hole.addEventListener("keydown", (event) => this.#key(event, box));
    hole.addEventListener("pointerdown", (event) => this.#grab(event, box));
    this.#boxes.push(box);
    this.#pad.append(hole);
    this.#list.append(line);
    this.#boxes.forEach((one) => this.#place(one));
    return box;
  }

  #remove(box) {
    box.hole.remove();
    box.line.remove();
    this.#boxes.splice(this.#boxes.indexOf(box), 1);
    this.#boxes.forEach((one) => this.#place(one));
    this.onchange();
  }

  #place(box) {
    const [left, top, right, bottom] = box.bounds;
    Object.assign(box.hole.style, { left: percentCss(left), top: percentCss(top), width: percentCss(right - left), height: percentCss(bottom - top) });
    const number = this.#boxes.indexOf(box) + 1;
    box.hole.textContent = box.select.value;
    box.hole.setAttribute("aria-label", `Box ${number}, ${box.select.value}: ${this.#words(box)}. Arrow keys move it, plus and minus resize it.`);
    box.select.setAttribute("aria-label", `Thing in box ${number}`);
    box.remove.setAttribute("aria-label", `Remove box ${number}`);
    box.remove.disabled = this.#boxes.length === 1;
    this.#add.hidden = this.#boxes.length >= MOST;
    this.onchange();
  }

  #words({ bounds: [left, top, right, bottom] }) {
    return `${percent(right - left)} wide from ${percent(left)}, ${percent(bottom - top)} high from ${percent(top)}`;
  }

  #move(box, [dx, dy], from = box.bounds) {
    const [left, top, right, bottom] = from;
    const x = Math.min(Math.max(dx, -left), 1 - right);
    const y = Math.min(Math.max(dy, -top), 1 - bottom);
    box.bounds = [left + x, top + y, right + x, bottom + y];
    this.#place(box);
  }

  #key(event, box) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const grow = { "+": 1, "=": 1, "-": -1 }[event.key];
    if (!move && !grow) return;
    event.preventDefault();
    if (move) this.#move(box, move.map((step) => step * NUDGE));
    else {
      const [left, top, right, bottom] = box.bounds;
      const by = (grow * NUDGE) / 2;
      const grown = [Math.max(left - by, 0), Math.max(top - by, 0), Math.min(right + by, 1), Math.min(bottom + by, 1)];
      if (grown[2] - grown[0] >= SMALLEST && grown[3] - grown[1] >= SMALLEST) box.bounds = grown;
      this.#place(box);
    }
    speak(this.#words(box));
  }

  /** Follows a pointer with `act`, which is told how far it is from where it began, in shares of the pad. */
  #follow(event, element, act) {
    event.preventDefault();
    element.setPointerCapture(event.pointerId);
    const { width, height } = this.#pad.getBoundingClientRect();
    const move = (now) => act([(now.clientX - event.clientX) / width, (now.clientY - event.clientY) / height]);
    element.addEventListener("pointermove", move);
    element.addEventListener("lostpointercapture", () => element.removeEventListener("pointermove", move), { once: true });
  }

  #grab(event, box) {
    box.hole.focus();
    const from = box.bounds;
    this.#follow(event, box.hole, (by) => this.#move(box, by, from));
  }

  #draw(event) {
    if (this.#boxes.length >= MOST) return;
    const { left, top, width, height } = this.#pad.getBoundingClientRect();
    const start = [(event.clientX - left) / width, (event.clientY - top) / height];
    let box = null;
    this.#follow(event, this.#pad, ([dx, dy]) => {
      const inside = (share) => Math.min(Math.max(share, 0), 1);
      const [x, y] = [inside(start[0] + dx), inside(start[1] + dy)];
      const bounds = [Math.min(x, start[0]), Math.min(y, start[1]), Math.max(x, start[0]), Math.max(y, start[1])];
      if (bounds[2] - bounds[0] < SMALLEST || bounds[3] - bounds[1] < SMALLEST) return;
      box ??= this.#new(bounds);
      box.bounds = bounds;
      this.#place(box);
    });
  }
}

function percentCss(share) {
  return `${100 * share}%`;
}
