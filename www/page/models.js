/** Models: what is installed, what it takes, and how more is added. */

import { build, byId, toast } from "./dom.js";
import { bytes, bytesOf, left } from "./numbers.js";
import { openSheet, wireSheet } from "./sheets.js";

const ACTS = { fetch: "Fetching", store: "Storing", check: "Checking" };
const PLACES = {
  "built-in": "comes with the page",
  stored: "stored in this browser",
  partial: "not whole yet",
  visit: "until this page is closed",
};

export class Models {
  #sheet = byId("models");
  #body = byId("models-body");
  #list = build("ul", { className: "rows" });
  #offer = build("div", { className: "rows", "aria-live": "polite" });
  #room = build("div", { className: "store" });
  #address = build("input", { id: "model-url", type: "url", required: true, placeholder: "https://", autocomplete: "off", spellcheck: false });
  #sum = build("input", {
    id: "model-sha256",
    pattern: "[0-9a-fA-F]{64}",
    title: "64 hexadecimal digits",
    placeholder: "optional",
    autocomplete: "off",
    spellcheck: false,
  });
  #models = [];
  #storage = null;
  /** The latents that are kept of restyled pictures: how many of them, and bytes. */
  #traces = { count: 0, bytes: 0 };
  #current = "mini";
  /** Names of models that are being removed. */
  #leaving = new Set();

  /** `onuse` hears the name of the model that is to be used. */
  constructor(engine, onuse) {
    this.engine = engine;
    this.onuse = onuse;
    wireSheet(this.#sheet, byId("open-models"), () => engine.post({ type: "models" }));
    this.#body.append(this.#list, this.#offer, this.#placeToAdd(), this.#addressForm(), this.#room);
    engine.on("models", (message) => this.#listed(message));
    engine.on("progress", (message) => this.#coming(message));
    engine.on("added", ({ name, stored, note }) => {
      this.#offer.replaceChildren();
      if (this.#leaving.has(name)) return;
      toast(note ?? (stored ? `${name} is stored in this browser.` : `${name} is here until this page is closed.`));
      engine.post({ type: "models" });
      this.onuse(name);
    });
  }

  /** Names of the models that can be used. */
  has(name) {
    return name === "mini" || this.#models.some((model) => model.name === name && model.place !== "partial" && !this.#leaving.has(name));
  }

  /** Whether the model can be used, asked of the engine when nobody knows yet. */
  async find(name) {
    if (!this.has(name)) this.#listed(await this.engine.ask({ type: "models" }));
    return this.has(name);
  }

  /** Marks the model that pictures are made with. */
  setCurrent(name) {
    this.#current = name;
    this.#show();
  }

  /** Looks at files, says what adding them would take, and adds them when that is wanted. */
  async add(files) {
    if (!this.#sheet.open) openSheet("open-models");
    await this.#inspect({ type: "inspect", files }, (store) => ({ type: "add-files", files, store }));
  }

  /** Says that adding did not work. True when it was about that. */
  failed(message) {
    const adding = this.#offer.childElementCount > 0;
    if (adding) this.#wrong(message);
    return adding;
  }

  async #inspect(question, asked) {
    this.#offer.replaceChildren(build("div", { className: "coming-in" }, build("p", { textContent: "Looking at it" }), build("progress")));
    let found;
    try {
      found = await this.engine.ask(question);
    } catch (error) {
      return this.#wrong(error.message);
    }
    if (found.problem) return this.#wrong(found.problem);
    const facts = [
      found.fetch_bytes > 0 && `fetches ${bytes(found.fetch_bytes)}`,
      found.store_bytes > 0 && `stores ${bytes(found.store_bytes)}`,
      found.memory_bytes && `takes ${bytes(found.memory_bytes)} of GPU memory`,
    ];
    const add = (store) => async () => {
      this.#offer.replaceChildren(build("div", { className: "coming-in", "data-adding": found.name }, build("p", { textContent: `Adding ${found.name}` }), build("progress")));
      // Asked for on a click, as browsers want it; a refusal only means that the browser may clear it when disks are full.
      if (store) await navigator.storage?.persist?.();
      this.engine.post(asked(store));
    };
    const [first, second] = [
      build("button", { type: "button", className: "primary", textContent: "Add and store", disabled: Boolean(found.store_problem), onclick: add(true) }),
      build("button", { type: "button", className: "quiet", textContent: "Use for this visit", onclick: add(false) }),
    ];
    this.#offer.replaceChildren(
      build(
        "div",
        { className: "coming-in" },
        build("strong", { textContent: found.name }),
        build("p", { textContent: `Adding this ${facts.filter(Boolean).join(", ")}.` }),
        found.store_problem ? build("p", { className: "wrong", textContent: found.store_problem }) : null,
        build("div", { className: "buttons" }, first, second, this.#cancelButton("Not now")),
      ),
    );
    (found.store_problem ? second : first).focus();
  }

  #coming({ name, act, done_bytes, total_bytes, left_secs }) {
    if (this.#leaving.has(name)) return;
    const shown = this.#offer.querySelector("[data-coming]");
    const [what, time] = [`${ACTS[act]} ${name}: ${bytesOf(done_bytes, total_bytes)}`, left(left_secs)];
    const fraction = total_bytes ? done_bytes / total_bytes : 0;
    if (shown) {
      shown.querySelector("progress").value = fraction;
      shown.querySelector(".what").textContent = what;
      shown.querySelector(".left").textContent = time;
      return;
    }
    this.#offer.replaceChildren(
      build(
        "div",
        { className: "coming-in", "data-adding": name, "data-coming": "" },
        build("p", { className: "what", textContent: what }),
        build("progress", { value: fraction, max: 1, "aria-label": `Adding ${name}` }),
        build("div", { className: "row" }, build("span", { className: "left hint", textContent: time }), this.#cancelButton("Cancel")),
      ),
    );
  }

  #cancelButton(words) {
    return build("button", {
      type: "button",
      className: "quiet small",
      textContent: words,
      onclick: () => {
        this.engine.post({ type: "cancel" });
        this.#offer.replaceChildren();
        this.#sheet.querySelector("[data-close]").focus();
      },
    });
  }

  #wrong(message) {
    const close = build("button", { type: "button", className: "quiet small", textContent: "All right", onclick: () => this.#offer.replaceChildren() });
    this.#offer.replaceChildren(
      build("div", { className: "coming-in" }, build("p", { className: "wrong", textContent: message }), build("div", { className: "row" }, close)),
    );
  }

  #placeToAdd() {
    const file = build("input", { type: "file", accept: ".safetensors", hidden: true, "aria-label": "A checkpoint in one file" });
    const folder = build("input", { type: "file", webkitdirectory: true, hidden: true, "aria-label": "A folder in the diffusers layout" });
    const taken = (input) => () => {
      const files = [...input.files].map((one) => ({ file: one, path: one.webkitRelativePath || one.name }));
      if (files.length) this.add(files);
      input.value = "";
    };
    file.addEventListener("change", taken(file));
    folder.addEventListener("change", taken(folder));
    return build(
      "section",
      { className: "place", "aria-label": "Add a checkpoint from this machine" },
      build("p", { textContent: "Drop a Stable Diffusion 1.x checkpoint anywhere on the page: one .safetensors file, or a diffusers folder." }),
      build(
        "div",
        { className: "row" },
        build("button", { type: "button", className: "quiet", textContent: "Choose a file", onclick: () => file.click() }),
        build("button", { type: "button", className: "quiet", textContent: "Choose a folder", onclick: () => folder.click() }),
      ),
      file,
      folder,
    );
  }

  #addressForm() {
    return build(
      "form",
      {
        "aria-label": "Add a checkpoint from an address",
        onsubmit: (event) => {
          event.preventDefault();
          const url = this.#address.value.trim();
          const sha256 = this.#sum.value.trim().toLowerCase() || null;
          this.#inspect({ type: "inspect", url }, (store) => ({ type: "add-url", url, sha256, store }));
        },
      },
      build("div", { className: "field" }, build("label", { htmlFor: "model-url", textContent: "Address of a .safetensors file" }), this.#address),
      build("div", { className: "field" }, build("label", { htmlFor: "model-sha256", textContent: "SHA-256 of the file" }), this.#sum),
      build("button", { type: "submit", className: "quiet", textContent: "Look at it" }),
      build("p", { className: "hint", textContent: "The only request that ever leaves this page, to the address you give. Its host must allow other pages to fetch from it (CORS)." }),
    );
  }

  #listed({ models, storage, traces }) {
    this.#models = models;
    this.#storage = storage;
    this.#traces = traces;
    this.#show();
  }

  #show() {
    this.#list.replaceChildren(...this.#models.map((model) => this.#row(model)));
    this.#room.replaceChildren(...this.#roomLines());
  }

  #row(model) {
    const used = model.name === this.#current;
    const partial = model.place === "partial";
    const leaving = this.#leaving.has(model.name);
    const size = partial ? bytesOf(model.done_bytes, model.bytes) : bytes(model.bytes);
    const buttons = [];
    if (used) buttons.push(build("span", { className: "used", textContent: "in use" }));
    else if (partial && model.url) {
      const resume = () => this.engine.post({ type: "add-url", url: model.url, sha256: model.sha256, store: true });
      buttons.push(build("button", { type: "button", className: "quiet small", textContent: "Go on", "aria-label": `Go on fetching ${model.name}`, onclick: resume }));
    } else if (!partial) {
      const use = () => {
        this.#sheet.close();
        this.onuse(model.name);
      };
      buttons.push(build("button", { type: "button", className: "quiet small", textContent: "Use", "aria-label": `Use ${model.name}`, onclick: use }));
    }
    if (model.place !== "built-in") {
      const remove = () => this.#remove(model.name);
      buttons.push(build("button", { type: "button", className: "quiet small danger", textContent: "Remove", "aria-label": `Remove ${model.name}`, onclick: remove }));
    }
    return build(
      "li",
      { className: "model", "data-used": String(used) },
      build("strong", { textContent: model.name }),
      build("span", { className: "facts", textContent: `${size}, ${leaving ? "being removed" : PLACES[model.place]}` }),
      build("div", { className: "buttons" }, ...(leaving ? [] : buttons)),
    );
  }

  /** Removes a model. From now on nothing is made of it, be it here already or still coming. */
  async #remove(name) {
    this.#leaving.add(name);
    if (this.#offer.firstElementChild?.dataset.adding === name) this.#offer.replaceChildren();
    if (this.#current === name) this.onuse("mini");
    this.#show();
    this.#sheet.querySelector("[data-close]").focus();
    try {
      this.#listed(await this.engine.ask({ type: "remove", name }));
    } catch (error) {
      this.#wrong(error.message);
    }
    this.#leaving.delete(name);
    this.#show();
  }

  #roomLines() {
    if (!this.#storage) {
      return [build("p", { textContent: "This window stores nothing, as private windows do: a checkpoint can be used, and is gone when the page is closed." })];
    }
    const { usage_bytes, quota_bytes, persisted } = this.#storage;
    const promise = persisted ? "The browser has promised to keep it." : "The browser may clear it when the disk is full.";
    return [
      build("progress", { value: quota_bytes ? usage_bytes / quota_bytes : 0, max: 1, "aria-label": "Storage in use" }),
      build("p", { textContent: `${bytes(usage_bytes)} stored of the ${bytes(quota_bytes)} that the browser allows. ${promise}` }),
      this.#tracesLine(),
    ].filter(Boolean);
  }

  #tracesLine() {
    const { count, bytes: held } = this.#traces;
    if (count === 0) return null;
    const whose = count === 1 ? "1 restyled picture" : `${count} restyled pictures`;
    return build(
      "div",
      { className: "row" },
      build("span", { textContent: `${bytes(held)} of it: what was found in ${whose}, so that the next edit starts at once.` }),
      build("button", { type: "button", className: "quiet small danger", textContent: "Forget", "aria-label": "Forget what was found in restyled pictures", onclick: () => this.engine.post({ type: "forget-traces" }) }),
    );
  }
}
