/** A field for a photo: a button to choose one, and the page's own examples. */

import { build, toast } from "./dom.js";
import { holdAgain, holdPicture } from "./held.js";
import { notice } from "./notice.js";

/** Drawn for this page, and what they show in the words that the model that comes with it was trained on. */
export const EXAMPLES = [
  { file: "apple.png", shows: "a red apple on a blue background" },
  { file: "moon.png", shows: "a full moon on a black background" },
  { file: "tree.png", shows: "a pine tree on a white background" },
];

export function addressOf(example) {
  return new URL(`pictures/${example.file}`, import.meta.url).href;
}

/** Buttons with the examples on them; `onchoose` hears which. */
export function exampleButtons(onchoose) {
  const buttons = EXAMPLES.map((example) =>
    build("button", { type: "button", "aria-label": `Example: ${example.shows}`, onclick: () => onchoose(example) }, build("img", { src: addressOf(example), alt: "" })),
  );
  return build("div", { className: "samples", role: "group", "aria-label": "Example pictures" }, ...buttons);
}

/** An example as a file. */
export async function exampleFile(example) {
  const blob = await (await fetch(addressOf(example))).blob();
  return new File([blob], example.file, { type: "image/png" });
}

/** The words of an engine's error as a sentence. */
export function sentence(text) {
  const whole = /[.!?]$/.test(text) ? text : `${text}.`;
  return whole.charAt(0).toUpperCase() + whole.slice(1);
}

export class PhotoField {
  #turn = 0;
  #address = null;
  #thumb = build("img", { className: "thumb", hidden: true, alt: "" });
  #name = build("span", { className: "hint name" });
  #file;
  #engine;
  /** The photo as the engine holds it; null while there is none. */
  held = null;
  element;

  /** `engine` gives the engine; `onchange` hears of each photo; `examples` says whether the page's own are offered. */
  constructor({ id, engine, onchange, examples = true }) {
    this.#engine = engine;
    this.onchange = onchange;
    this.#file = build("input", { type: "file", id, className: "unseen", accept: "image/*" });
    this.#file.addEventListener("change", () => this.#file.files[0] && this.take(this.#file.files[0]));
    const choose = build("label", { className: "quiet small choose", htmlFor: id, textContent: "Choose a picture" });
    this.element = build(
      "div",
      { className: "row photo-field" },
      this.#thumb,
      build("div", {}, this.#file, choose, this.#name),
      examples ? exampleButtons(async (example) => this.take(await exampleFile(example))) : null,
    );
  }

  /** Takes the first example, unless something was chosen. */
  async begin(example = EXAMPLES[0]) {
    if (this.#turn > 0) return;
    const file = await exampleFile(example);
    if (this.#turn === 0) await this.take(file);
  }

  async take(file) {
    const turn = ++this.#turn;
    try {
      const held = await holdPicture(this.#engine(), file);
      if (turn !== this.#turn) return;
      for (const warning of held.warnings) toast(sentence(warning));
      this.held = held;
    } catch (error) {
      return notice({ title: `${file.name} cannot be used`, text: sentence(error.message), buttons: [["All right"]] });
    }
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = URL.createObjectURL(this.held.file);
    this.#thumb.src = this.#address;
    this.#thumb.hidden = false;
    this.#name.textContent = this.held.name;
    this.onchange(this.held);
  }

  /** Sees that the engine holds it. False where there is none. */
  async ready() {
    if (!this.held) {
      this.#file.focus();
      toast("Choose a picture first, or an example.");
      return false;
    }
    await holdAgain(this.#engine(), this.held);
    return true;
  }

  /** It as jobs name it. */
  get named() {
    return { path: this.held?.name ?? "picture.png", sha256: this.held?.sha256 ?? "" };
  }
}
