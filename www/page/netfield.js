/** A field for a network: a file that the engine reads, checks and differentiates. */

import { build, toast } from "./dom.js";
import { holdAgain, holdFile } from "./held.js";
import { notice } from "./notice.js";
import { sentence } from "./photo.js";

export class NetworkField {
  #file;
  #name;
  #engine;
  #text;
  /** The file as the engine holds it; null while there is none. */
  held = null;
  element;

  /** `text` stands on the button, `hint` beside it until a file is chosen; `engine` gives the engine; `onchange` hears of each file. */
  constructor({ id, text, hint, accept = ".onnx", engine, onchange }) {
    this.#engine = engine;
    this.#text = text;
    this.onchange = onchange;
    this.#name = build("span", { className: "hint name", textContent: hint });
    this.#file = build("input", { type: "file", id, className: "unseen", accept });
    this.#file.addEventListener("change", () => this.#file.files[0] && this.take(this.#file.files[0]));
    this.element = build("div", { className: "row" }, build("div", {}, this.#file, build("label", { className: "quiet small choose", htmlFor: id, textContent: text }), this.#name));
  }

  async take(file) {
    try {
      this.held = await holdFile(this.#engine(), file);
    } catch (error) {
      return notice({ title: `${file.name} cannot be used`, text: sentence(error.message), buttons: [["All right"]] });
    }
    this.#name.textContent = file.name;
    this.onchange(this.held);
  }

  /** Sees that the engine holds it. False, after saying so, where there is none. */
  async ready() {
    if (!this.held) {
      this.#file.focus();
      toast(`${this.#text} first.`);
      return false;
    }
    await holdAgain(this.#engine(), this.held);
    return true;
  }

  /** It as jobs name it. */
  get named() {
    return { path: this.held?.name ?? "network.onnx", sha256: this.held?.sha256 ?? "" };
  }
}
