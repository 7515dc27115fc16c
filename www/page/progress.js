/** What is being done, how much of it is done, and how long it will take; in the sky, in the title and in words. */

import { byId, speak } from "./dom.js";
import { bytesOf, left } from "./numbers.js";

const NAME = "Guidestar";

export class Progress {
  #place = byId("progress");
  #bar = byId("bar");
  #what = byId("progress-what");
  #left = byId("progress-left");
  #quarter = -1;
  /** When the act that is being measured began, by its name. */
  #began = new Map();

  /** Shows an act; `fraction` of null means that nobody knows how much is left. */
  show({ what, title, fraction = null, leftSecs = NaN }) {
    this.#place.hidden = false;
    if (fraction === null) this.#bar.removeAttribute("value");
    else this.#bar.value = fraction;
    this.#what.textContent = what;
    this.#left.textContent = left(leftSecs);
    document.title = `${title ?? what} · ${NAME}`;
    this.#speakQuarters(what, fraction);
  }

  /** Bytes that come in from somewhere, with the time left at the mean rate so far. */
  showBytes(what, done, total) {
    const began = this.#began.get(what) ?? { at: performance.now(), done };
    this.#began.set(what, began);
    const secs = (performance.now() - began.at) / 1000;
    const rate = (done - began.done) / secs;
    this.show({
      what: `${what}: ${bytesOf(done, total)}`,
      title: `${Math.floor((100 * done) / total)}%`,
      fraction: done / total,
      leftSecs: secs > 0.5 && rate > 0 ? (total - done) / rate : NaN,
    });
  }

  /** Shaders that the GPU compiles before it can begin, once for each visit and size. */
  showPreparing({ done, of, left_secs }) {
    if (done === of) return this.show({ what: "On the first step", title: "Preparing" });
    this.show({ what: `Preparing shaders: ${done} of ${of}`, title: "Preparing", fraction: done / of, leftSecs: left_secs });
  }

  /** A step of a sampler; `label` tells which part of a plan it is of. */
  showStep({ picture, step, of, left_secs }, count, label = "") {
    const which = [label, count > 1 && `picture ${picture + 1} of ${count}`, `step ${step} of ${of}`].filter(Boolean).join(", ");
    const last = step === of && picture + 1 === count;
    this.show({
      what: last && !label ? "Finishing the picture" : which.charAt(0).toUpperCase() + which.slice(1),
      title: count > 1 ? `${picture + 1}/${count}, ${step}/${of}` : `${step}/${of}`,
      fraction: (picture * of + step) / (count * of),
      leftSecs: left_secs,
    });
  }

  /** A step towards the latents of an edit's source. */
  showTrace({ step, of, left_secs }) {
    this.show({ what: `Tracing the original back to noise, step ${step} of ${of}`, title: `${step}/${of}`, fraction: step / of, leftSecs: left_secs });
  }

  /** Nothing is being done; `title` is what the window's title says of it. */
  hide(title = "") {
    this.#place.hidden = true;
    this.#began.clear();
    this.#quarter = -1;
    document.title = title ? `${title} · ${NAME}` : NAME;
  }

  /** A screen reader hears the beginning and each quarter, not each step. */
  #speakQuarters(what, fraction) {
    const quarter = fraction === null ? 0 : Math.floor(fraction * 4);
    if (quarter === this.#quarter) return;
    this.#quarter = quarter;
    speak(what);
  }
}
