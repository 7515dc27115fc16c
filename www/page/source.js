/** What an edit begins with: a photo, one of the example pictures, or a picture that the model draws first. */

import { CropFrame } from "./crop.js";
import { build, toast } from "./dom.js";
import { holdAgain, holdPicture } from "./held.js";
import { drawnSeed, seedOf } from "./job.js";
import { notice } from "./notice.js";
import { EXAMPLES, exampleButtons, exampleFile, sentence } from "./photo.js";
import * as shelf from "./shelf.js";

/** What the examples may be drawn as. */
const PROMPTS = {
  "apple.png": ["a lemon on a blue background", "a green apple on a blue background"],
  "moon.png": ["a soccer ball on a black background", "a cookie on a black background"],
  "tree.png": ["a cactus on a white background", "a rocket on a white background"],
};

export class SourcePicker {
  #engine = null;
  /** The photo as the engine holds it. */
  #photo = null;
  #address = null;
  /** The source of a restored job whose photo is not here. */
  #missing = null;
  /** What of a generated source has no control here. */
  #others = {};
  /** Counts what was chosen: reading a photo takes a while, and only the last one counts. */
  #turn = 0;
  #needsWords = false;
  #crop;
  #kinds = ["photo", "drawn"].map((value) => build("input", { type: "radio", name: "source-kind", id: `source-${value}`, value }));
  #shows = build("input", { id: "source-prompt", maxLength: 4000 });
  #seed = build("input", { id: "source-seed", inputMode: "numeric", pattern: "[0-9]{1,20}", title: "a whole number" });
  #file = build("input", { type: "file", id: "source-file", className: "unseen", accept: "image/*" });
  #name = build("span", { className: "hint name" });
  #wanted = build("p", { className: "hint wrong", role: "status", hidden: true });
  #well = build("div", { className: "well" });
  #seedField = build("div", { className: "field" }, build("label", { htmlFor: "source-seed", textContent: "Its seed" }), this.#seed);
  /** What stands in the page. */
  element;

  /** `onchange` hears when anything is chosen; `onexample` of an example's prompts. */
  constructor({ onchange, onexample }) {
    this.onchange = onchange;
    this.onexample = onexample;
    this.#crop = new CropFrame(onchange);
    this.#file.addEventListener("change", () => this.#file.files[0] && this.take(this.#file.files[0]));
    for (const kind of this.#kinds) kind.addEventListener("change", () => this.#choose(kind.value));
    for (const field of [this.#shows, this.#seed]) field.addEventListener("input", onchange);
    this.#well.append(
      this.#wanted,
      this.#crop.element,
      build(
        "div",
        { className: "row" },
        build("div", {}, this.#file, build("label", { className: "quiet small choose", htmlFor: "source-file", textContent: "Choose a photo" }), this.#name),
        exampleButtons((example) => this.takeExample(example)),
      ),
    );
    const words = { photo: "A photo", drawn: "A picture drawn first" };
    this.element = build(
      "fieldset",
      { className: "source" },
      build("legend", { textContent: "Begin with" }),
      build("div", { className: "kinds" }, ...this.#kinds.map((kind) => build("label", { htmlFor: kind.id }, kind, words[kind.value]))),
      this.#well,
      build("div", { className: "field" }, build("label", { htmlFor: "source-prompt", textContent: "What it shows" }), this.#shows),
      this.#seedField,
    );
    this.#choose("photo");
  }

  /** The engine that pictures are given to. */
  connect(engine) {
    this.#engine = engine;
  }

  /** The example that a first visit begins with. */
  begin() {
    if (this.#turn === 0) this.takeExample(EXAMPLES[0]);
  }

  get kind() {
    return this.#kinds.find(({ checked }) => checked)?.value;
  }

  /** The source as jobs spell it; null while there is none. */
  get source() {
    const prompt = this.#shows.value.trim();
    if (this.kind === "drawn") {
      return { ...this.#others, from: "generated", prompt, seed: seedOf(this.#seed.value || "0") };
    }
    if (!this.#photo) return null;
    const { name, sha256 } = this.#photo;
    const crop = this.#crop.crop;
    return { from: "picture", path: name, sha256, prompt, ...(crop && { crop }) };
  }

  /** The shape of the pictures to come. */
  setShape(sides) {
    this.#crop.setShape(sides);
  }

  async takeExample(example) {
    const turn = ++this.#turn;
    await this.take(await exampleFile(example), { shows: example.shows, turn });
    if (turn === this.#turn) this.onexample(PROMPTS[example.file]);
  }

  /** Says whether a method needs to know what the source shows. */
  needWords(needed) {
    if (needed === this.#needsWords) return;
    this.#needsWords = needed;
    this.#choose(this.kind);
  }

  /** Takes a photo. Says in words why, where it cannot. */
  async take(given, { shows = "", turn = ++this.#turn } = {}) {
    let held;
    try {
      held = await holdPicture(this.#engine, given);
    } catch (error) {
      return notice({ title: `${given.name} cannot be used`, text: sentence(error.message), buttons: [["All right"]] });
    }
    if (turn !== this.#turn) return;
    for (const warning of held.warnings) toast(sentence(warning));
    const wanted = this.#missing?.sha256 === held.sha256 ? this.#missing : null;
    this.#photo = held;
    this.#shows.value = wanted?.prompt ?? shows;
    this.#showPhoto([held.width, held.height], wanted?.crop);
    this.#choose("photo");
  }

  /** Takes a picture that was made here, by its job where that is enough. */
  async takePicture({ job, seed, png }) {
    const plain = !job.edit && !job.sag && !job.pag && !job.seg && !job.freeu && (job.sampler ?? "ddim") === "ddim";
    if (plain) this.#draw({ prompt: job.prompt, negative: job.negative ?? "", seed, cfg_scale: job.cfg_scale });
    else await this.take(new File([png], `${job.prompt.slice(0, 40) || "picture"}.png`, { type: "image/png" }), { shows: job.prompt });
  }

  /** Takes the source of a job from elsewhere; a photo must be among what was used here before. */
  async restore(source) {
    if (source.from === "generated") return this.#draw(source);
    const turn = ++this.#turn;
    this.#missing = source;
    this.#photo = null;
    const original = await shelf.original(source.sha256);
    if (turn !== this.#turn) return;
    if (original) return this.take(new File([original.file], original.name, { type: original.file.type }));
    this.#wanted.textContent = `This job begins with ${nameOf(source.path)}, which is not here: choose or drop it.`;
    this.#choose("photo");
  }

  /** Sees that the engine holds the photo, and that a later visit can find it. False where there is none. */
  async ready() {
    if (this.kind === "drawn") return true;
    if (!this.#photo) {
      this.#file.focus();
      toast("Choose a photo first, or an example.");
      return false;
    }
    const { file, name, sha256 } = this.#photo;
    await holdAgain(this.#engine, this.#photo);
    await shelf.keepOriginal({ sha256, file, name }).catch(() => {});
    return true;
  }

  #draw({ from: _f, prompt, seed, ...others }) {
    this.#turn += 1;
    this.#others = others;
    this.#shows.value = prompt;
    this.#seed.value = String(seed);
    this.#choose("drawn");
  }

  #showPhoto(sides, crop) {
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = URL.createObjectURL(this.#photo.file);
    this.#crop.show(this.#address, this.#photo.name, sides, crop);
    this.#name.textContent = `${this.#photo.name}, ${sides.join(" × ")}`;
    this.#missing = null;
  }

  #choose(kind) {
    for (const one of this.#kinds) one.checked = one.value === kind;
    const isDrawn = kind === "drawn";
    this.#well.hidden = isDrawn;
    this.#crop.element.hidden = this.#name.hidden = !this.#photo;
    this.#wanted.hidden = !this.#missing;
    this.#seedField.hidden = !isDrawn;
    this.#shows.required = isDrawn || this.#needsWords;
    this.#seed.disabled = !isDrawn;
    this.#shows.placeholder = isDrawn || this.#needsWords ? "a red apple on a blue background" : "helps a little; may stay empty";
    if (isDrawn && this.#seed.value === "") this.#seed.value = String(drawnSeed());
    this.onchange();
  }
}

/** The file at the end of a path of any system. */
function nameOf(path) {
  return path.split(/[\\/]/).pop();
}
