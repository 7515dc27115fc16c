/** The form: what is asked for. Reads a job from its fields and writes one into them. */

import { build, byId } from "./dom.js";
import { ANY, MINI } from "./examples.js";
import { drawnSeed, seedOf, sides, unshown } from "./job.js";

const OTHER = "other";
/** The size that stands in the form until a model says which is its own. */
const FIRST_SIZE = "128x128";

export class Desk {
  #form = byId("form");
  #prompt = byId("prompt");
  #negative = byId("negative");
  #seed = byId("seed");
  #size = byId("size");
  #sizeText = byId("size-text");
  #steps = byId("steps");
  #scale = byId("cfg-scale");
  #count = byId("count");
  #sampler = byId("sampler");
  #lock = byId("lock-seed");
  /** What a job from elsewhere said that has no control here. */
  #carried = {};
  /** The model's usual settings, once it is loaded, and its name. */
  #traits = null;
  #model = null;
  /** The model that a restored job is about to be made with: its usual settings change nothing. */
  #expected = null;
  /** The seed of the last run: left in its field, it means "not chosen". */
  #usedSeed = null;
  #techniques = [];
  /** The examples that suit the model, and those on show. */
  #own = MINI;
  #offered = MINI;

  /** `onsubmit` hears that a picture is wanted; `onchange` that something was changed. */
  constructor({ onsubmit, onchange }) {
    this.onchange = onchange;
    this.#seed.value = String(drawnSeed());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      onsubmit();
    });
    // A field that is wrong inside closed settings could not be shown by the browser.
    this.#form.addEventListener("invalid", () => (byId("settings").open = true), true);
    this.#form.addEventListener("input", () => this.#changed());
    this.#prompt.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    // Typed again, a used seed is a chosen one.
    this.#seed.addEventListener("input", () => (this.#usedSeed = null));
    this.#size.addEventListener("change", () => this.#showOtherSize());
    this.#lock.addEventListener("click", () => this.lockSeed(!this.seedLocked));
    byId("draw-seed").addEventListener("click", () => this.setSeed(drawnSeed()));
    byId("reset").addEventListener("click", () => this.reset());
    byId("settings").open = matchMedia("(min-width: 52rem)").matches;
    this.#offerSizes(sides(FIRST_SIZE)[0]);
    this.offer(null);
    this.useExample(MINI[0]);
    this.#changed();
  }

  /** Takes a model's usual settings. Fields that hold the usual settings of the model before follow, unless a job put them there. */
  setTraits(traits, model) {
    const before = this.#traits;
    const isRestored = this.#expected !== null;
    if (this.#expected === model) this.#expected = null;
    this.#model = model;
    const follows = (field, value) => field.value === "" || (before && !isRestored && field.value === String(value));
    if (follows(this.#steps, before?.steps)) this.#steps.value = traits.steps;
    if (follows(this.#scale, before?.cfg_scale)) this.#scale.value = traits.cfg_scale;
    const size = this.size;
    const keeps = isRestored || size !== (before?.size ?? FIRST_SIZE);
    this.#traits = traits;
    this.#offerSizes(sides(traits.size)?.[0] ?? 512);
    this.#setSize(keeps ? size : traits.size);
    const shown = this.#offered === this.#own;
    this.#own = model === "mini" ? MINI : ANY;
    if (shown) this.offer(null);
    this.#changed();
  }

  /** Says which model the restored job is made with, that its settings may outlast the loading. */
  expect(model) {
    this.#expected = model === this.#model ? null : model;
  }

  /** Fields of a job that the tabs have controls for. */
  setTechniques(names) {
    this.#techniques = names;
  }

  get seedLocked() {
    return this.#lock.getAttribute("aria-pressed") === "true";
  }

  get prompt() {
    return this.#prompt.value;
  }

  get size() {
    return this.#size.value === OTHER ? this.#sizeText.value.replaceAll(/\s/g, "").replace(/[×X]/, "x") : this.#size.value;
  }

  /** Whether the prompt is one that nobody typed. */
  get isExample() {
    return [...MINI, ...ANY, ...this.#offered].some(({ prompt }) => prompt === this.prompt);
  }

  lockSeed(locked) {
    this.#lock.setAttribute("aria-pressed", String(locked));
  }

  setSeed(seed) {
    this.#seed.value = String(seed);
    this.#usedSeed = null;
    this.#changed();
  }

  useExample({ prompt, seed }) {
    this.#prompt.value = prompt;
    if (seed !== undefined && !this.seedLocked) this.setSeed(seed);
    this.#changed();
  }

  /** Moves the keyboard to the prompt, with the text selected so that typing replaces it. */
  focusPrompt() {
    this.#prompt.focus({ preventScroll: true });
    this.#prompt.select();
  }

  /** True when every field can be used; else the browser shows the first that cannot. */
  valid() {
    if (this.#prompt.value.trim() === "") {
      this.#prompt.setCustomValidity("Say what is to be seen.");
      this.#prompt.addEventListener("input", () => this.#prompt.setCustomValidity(""), { once: true });
    }
    return this.#form.reportValidity();
  }

  /** The job that the fields spell, for a model. An empty field is left to the model. */
  job(model) {
    const number = (field) => (field.value === "" ? null : Number(field.value));
    return {
      ...this.#carried,
      version: 1,
      prompt: this.#prompt.value.trim(),
      negative: this.#negative.value.trim(),
      model,
      size: this.size || null,
      steps: number(this.#steps),
      cfg_scale: number(this.#scale),
      seed: seedOf(this.#seed.value),
      count: number(this.#count) ?? 1,
      sampler: this.#sampler.value,
    };
  }

  /** As `job`, for a picture that is about to be made: a seed that was used and is not locked gives way to a new one. */
  nextJob(model) {
    if (!this.seedLocked && this.#seed.value === this.#usedSeed) this.setSeed(drawnSeed());
    this.#usedSeed = this.#seed.value;
    return this.job(model);
  }

  /** Writes a whole job into the fields, and locks its seed: what was restored is to be repeated. */
  restore(job) {
    const { prompt, negative, model: _m, size, steps, cfg_scale, seed, count, sampler, version: _v, made_on: _o, ...others } = job;
    this.#prompt.value = prompt;
    this.#negative.value = negative ?? "";
    if (size) this.#setSize(size);
    this.#steps.value = steps ?? this.#traits?.steps ?? "";
    this.#scale.value = cfg_scale ?? this.#traits?.cfg_scale ?? "";
    this.#count.value = count ?? 1;
    this.#sampler.value = sampler ?? "ddim";
    this.setSeed(seed ?? drawnSeed());
    this.lockSeed(true);
    this.#carried = Object.fromEntries(Object.entries(others).filter(([name]) => !this.#techniques.includes(name)));
    this.#changed();
  }

  /** The model's usual settings; prompt and seed stay. */
  reset() {
    this.#carried = {};
    this.#negative.value = "";
    this.#steps.value = this.#traits?.steps ?? "";
    this.#scale.value = this.#traits?.cfg_scale ?? "";
    this.#count.value = "1";
    this.#sampler.value = "ddim";
    this.lockSeed(false);
    if (this.#traits) this.#setSize(this.#traits.size);
    this.#changed();
  }

  #changed() {
    const carried = unshown(this.#carried);
    const line = byId("carried");
    line.hidden = carried.length === 0;
    line.textContent = `Kept from the job that was restored, without a control here: ${carried.join(", ")}.`;
    const parts = [this.size?.replace("x", " × "), this.#steps.value && `${this.#steps.value} steps`, `seed ${this.#seed.value}`];
    byId("settings-summary").textContent = parts.filter(Boolean).join(", ");
    this.onchange?.();
  }

  /** Offers these examples; the model's own where it is null. */
  offer(examples) {
    this.#offered = examples ?? this.#own;
    byId("examples").replaceChildren(
      ...this.#offered.map((example) =>
        build("button", {
          type: "button",
          textContent: example.prompt,
          onclick: () => {
            this.useExample(example);
            this.#prompt.focus({ preventScroll: true });
          },
        }),
      ),
    );
  }

  /** The sizes around a model's own side: its own, a quicker, a larger, upright and lying. */
  #offerSizes(side) {
    const near = (px) => Math.round(px / 64) * 64 || 64;
    const sizes = [
      [side, side, "usual"],
      [near(side * 0.75), near(side * 0.75), "quicker"],
      [side, near(side * 1.5), "upright"],
      [near(side * 1.5), side, "lying"],
      [near(side * 1.5), near(side * 1.5), "larger"],
    ];
    const unique = sizes.filter(([w, h], at) => sizes.findIndex(([a, b]) => a === w && b === h) === at);
    this.#size.replaceChildren(
      ...unique.map(([w, h, word]) => build("option", { value: `${w}x${h}`, textContent: `${w} × ${h}, ${word}` })),
      build("option", { value: OTHER, textContent: "another size" }),
    );
    this.#showOtherSize();
  }

  #setSize(size) {
    const offered = [...this.#size.options].some((option) => option.value === size);
    this.#size.value = offered ? size : OTHER;
    this.#sizeText.value = size;
    this.#showOtherSize();
  }

  #showOtherSize() {
    const other = this.#size.value === OTHER;
    byId("other-size").hidden = !other;
    this.#sizeText.required = other;
    this.#sizeText.disabled = !other;
    if (other && this.#sizeText.value === "") this.#sizeText.value = this.#traits?.size ?? "";
  }
}
