/** The picture's place: nothing yet, a preview that sharpens, or a finished picture with what can be done with it. */

import { fitActions } from "./actions.js";
import { compared } from "./compare.js";
import { lossCurve } from "./curve.js";
import { build, byId } from "./dom.js";
import { sides } from "./job.js";
import { maskOverlay } from "./mask.js";
import { duration } from "./numbers.js";

export class Sky {
  #stage = byId("stage");
  #frame = byId("frame");
  #caption = byId("caption");
  #tiles = byId("tiles");
  #empty;
  #canvas = null;
  /** Addresses of what is on show, to be given back. */
  #addresses = [];
  #tileAddresses = [];
  #beside = byId("beside");
  /** The picture on show. */
  shown = null;

  constructor() {
    this.#empty = byId("horizon");
  }

  /** Something is being fetched or prepared, and there is nothing to see yet. */
  wait(text) {
    this.#clear("waiting");
    this.#empty.lastElementChild.textContent = text;
    this.#frame.append(this.#empty);
  }

  /** Shows nothing. */
  empty(text = "Your picture rises here") {
    this.#clear("empty");
    this.#empty.lastElementChild.textContent = text;
    this.#frame.append(this.#empty);
  }

  /** Draws a preview: straight pixels, stretched to the size that the picture will have. */
  preview({ width, height, rgba }, job) {
    if (!this.#canvas) {
      this.#clear("working");
      this.#canvas = build("canvas", { className: "picture", role: "img", "aria-label": `Preview: ${job.prompt}` });
      const size = sides(job.size);
      if (size) this.#canvas.style.aspectRatio = `${size[0]} / ${size[1]}`;
      this.#frame.append(this.#canvas);
    }
    this.#canvas.width = width;
    this.#canvas.height = height;
    const pixels = new ImageData(new Uint8ClampedArray(rgba.buffer ?? rgba, rgba.byteOffset ?? 0, 4 * width * height), width, height);
    this.#canvas.getContext("2d").putImageData(pixels, 0, 0);
  }

  /** Keeps the preview of a job that was stopped. */
  stopped(job, step, of) {
    if (!this.#canvas) return this.empty("Stopped");
    this.#canvas = null;
    this.#stage.dataset.state = "stopped";
    this.#say(job.prompt, `stopped at step ${step} of ${of}, seed ${job.seed}`);
  }

  /** Shows a finished picture. */
  show(picture) {
    this.#clear("done");
    this.shown = picture;
    this.#frame.append(this.#image(picture, picture.job.prompt));
    this.#finished(picture);
    this.#press(picture);
  }

  /** Shows what an edit begins with, while nothing of the edit is to be seen yet. */
  showSource(picture, alt) {
    this.#clear("working");
    this.#frame.append(this.#image(picture, alt));
  }

  /** Shows two pictures under one slider; what is done with "this picture" is done with the second. */
  compare([first, second], labels, pressed = null) {
    this.#clear("done");
    this.shown = second;
    const images = [first, second].map((picture, at) => this.#image(picture, `${picture.job.prompt}, ${labels[at]}`));
    const overlay = maskOverlay(second.masks);
    this.#frame.append(compared(images, labels, overlay?.layer));
    this.#finished(second);
    if (overlay) this.showBeside(overlay.controls);
    this.#press(pressed);
  }

  /** Says what is on show, and offers what can be done with it. */
  #finished(picture) {
    this.#say(picture.job.prompt, made(picture));
    fitActions(picture);
    this.showBeside(lossCurve(picture.turns));
    byId("actions").hidden = false;
  }

  /** Shows something about the picture below it; nothing where it is null. */
  showBeside(element) {
    this.#beside.hidden = !element;
    this.#beside.replaceChildren(...(element ? [element] : []));
  }

  #image({ png, width, height }, alt) {
    const address = URL.createObjectURL(png);
    this.#addresses.push(address);
    return build("img", { className: "picture", src: address, alt, width, height, decoding: "sync" });
  }

  /**
   * Shows the pictures of a run below the sky, each as `{ picture, label }`, and empty places for those that are to come. `onchoose`
   * hears of the one that was pressed, or of null for `both` under the slider.
   */
  tiles(entries, coming, onchoose, both = false) {
    for (const address of this.#tileAddresses) URL.revokeObjectURL(address);
    const count = entries.length + coming;
    this.#tiles.hidden = count < 2;
    this.#tileAddresses = count < 2 ? [] : entries.map(({ picture }) => URL.createObjectURL(picture.png));
    if (count < 2) return this.#tiles.replaceChildren();
    const items = entries.map(({ picture, label }, at) => {
      const image = build("img", { src: this.#tileAddresses[at], alt: "" });
      const name = label ? `Picture ${label}` : `Picture ${at + 1} of ${count}`;
      const button = build("button", { type: "button", "aria-pressed": "false", "aria-label": name, onclick: () => onchoose(entries[at]) }, image);
      button.picture = picture;
      return build("li", {}, button, label ? build("span", { className: "hint", textContent: label }) : null);
    });
    if (both) {
      const button = build("button", { type: "button", className: "both", "aria-pressed": "true", textContent: "Compare", onclick: () => onchoose(null) });
      button.picture = null;
      items.push(build("li", {}, button));
    }
    const places = Array.from({ length: coming }, () => build("li", { className: "coming", "aria-hidden": "true" }));
    this.#tiles.replaceChildren(...items, ...places);
    this.#press(this.shown);
  }

  #press(picture) {
    for (const button of this.#tiles.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.picture === picture));
    }
  }

  #say(prompt, made) {
    this.#caption.hidden = false;
    this.#caption.replaceChildren(
      build("span", { className: "said", textContent: prompt }),
      build("span", { className: "made", textContent: made }),
    );
  }

  #clear(state) {
    this.#stage.dataset.state = state;
    this.#frame.replaceChildren();
    this.#caption.hidden = true;
    this.showBeside(null);
    byId("actions").hidden = true;
    this.#canvas = null;
    this.shown = null;
    for (const address of this.#addresses.splice(0)) URL.revokeObjectURL(address);
  }
}

/** What the methods of an edit are called in a line; one that says nothing is Plug-and-Play. */
const EDITS = { undefined: "Plug-and-Play", pnp: "Plug-and-Play", masactrl: "MasaCtrl", "prompt-to-prompt": "prompt-to-prompt", img2img: "img2img" };

/** How a picture was made, in a line. */
function made({ width, height, job, seed, secs }) {
  const techniques = [job.sag && `SAG ${job.sag.scale}`, job.edit && (EDITS[job.edit.method] ?? job.edit.method), job.guide && `guided by ${job.guide.guides.map(({ target }) => target.kind).join(" and ")}`];
  const parts = [`${width} × ${height}`, job.steps && `${job.steps} steps`, ...techniques, `seed ${seed}`, secs && duration(secs)];
  return parts.filter(Boolean).join(", ");
}
