/** The picture's place: nothing yet, a preview that sharpens, or a finished picture with what can be done with it. */

import { build, byId } from "./dom.js";
import { sides } from "./job.js";
import { duration } from "./numbers.js";

export class Sky {
  #stage = byId("stage");
  #frame = byId("frame");
  #caption = byId("caption");
  #tiles = byId("tiles");
  #empty;
  #canvas = null;
  /** Addresses of pictures on show, to be given back. */
  #address = null;
  #tileAddresses = [];
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
    this.#address = URL.createObjectURL(picture.png);
    const image = build("img", {
      className: "picture",
      src: this.#address,
      alt: picture.job.prompt,
      width: picture.width,
      height: picture.height,
      decoding: "sync",
    });
    this.#frame.append(image);
    const made = [
      `${picture.width} × ${picture.height}`,
      picture.job.steps && `${picture.job.steps} steps`,
      `seed ${picture.seed}`,
      picture.secs && duration(picture.secs),
    ];
    this.#say(picture.job.prompt, made.filter(Boolean).join(", "));
    byId("actions").hidden = false;
    this.#press(picture);
  }

  /** Shows the pictures of a run of several below the first, and empty places for those that are to come. */
  tiles(pictures, count, onchoose) {
    for (const address of this.#tileAddresses) URL.revokeObjectURL(address);
    this.#tiles.hidden = count < 2;
    if (count < 2) {
      this.#tileAddresses = [];
      return this.#tiles.replaceChildren();
    }
    this.#tileAddresses = pictures.map(({ png }) => URL.createObjectURL(png));
    const made = pictures.map((picture, at) => {
      const image = build("img", { src: this.#tileAddresses[at], alt: "" });
      const button = build(
        "button",
        { type: "button", "aria-pressed": "false", "aria-label": `Picture ${at + 1} of ${count}`, onclick: () => onchoose(picture) },
        image,
      );
      button.picture = picture;
      return build("li", {}, button);
    });
    const coming = Array.from({ length: Math.max(count - pictures.length, 0) }, () =>
      build("li", { className: "coming", "aria-hidden": "true" }),
    );
    this.#tiles.replaceChildren(...made, ...coming);
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
    byId("actions").hidden = true;
    this.#canvas = null;
    this.shown = null;
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = null;
  }
}
