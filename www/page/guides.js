/** What a picture is pulled towards, and the controls to say it with. */

import { BoxPad } from "./boxes.js";
import { build, toast } from "./dom.js";
import { holdAgain, holdFile, holdPicture } from "./held.js";
import { sides } from "./job.js";
import { notice } from "./notice.js";
import { PaintPad } from "./paint.js";
import { EXAMPLES, PhotoField, sentence } from "./photo.js";

/** What the networks that come with the page can name. */
const NAMES = new URL("../models/guides/eyes.json", import.meta.url);

/** The mean and the spread of colours that most published networks were trained with. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

export class GuidePicker {
  #parts;
  #kind = build("select", { id: "guide-kind" });
  #place = build("div", { className: "guide" });
  #kinds;
  #shape = [1, 1];
  #names = null;
  element;

  constructor(parts) {
    this.#parts = parts;
    this.#kinds = this.#build();
    this.#kind.append(...Object.entries(this.#kinds).map(([value, { title }]) => build("option", { value, textContent: title })));
    this.#kind.addEventListener("change", () => this.#choose(this.#kind.value));
    this.element = build("fieldset", { className: "source" }, build("legend", { textContent: "Pull towards" }), build("div", { className: "field" }, build("label", { htmlFor: "guide-kind", textContent: "What counts" }), this.#kind), this.#place);
    this.#choose("detection");
  }

  /** Brings what the first choice needs. */
  async begin() {
    await this.#now.begin?.();
    this.#parts.onchange();
  }

  get #now() {
    return this.#kinds[this.#kind.value];
  }

  setShape(shape) {
    this.#shape = shape;
    this.#now.setShape?.(shape);
  }

  /** The target as jobs spell it; null while something is missing. */
  get target() {
    return this.#now.target();
  }

  async ready() {
    try {
      return (await this.#now.ready?.()) ?? true;
    } catch (error) {
      notice({ title: "What the picture is pulled towards cannot be used", text: sentence(error.message), buttons: [["All right"]] });
      return false;
    }
  }

  /** Shows a job's target. Its files have to be chosen again. */
  restore(target) {
    const kind = this.#kinds[target?.kind] ? target.kind : "detection";
    this.#choose(kind);
    if (target) this.#now.restore?.(target);
    if (this.#now.photo || kind === "network") toast("The pictures and networks that guided it have to be chosen again.");
  }

  takeNetwork(file) {
    this.#choose("network");
    return this.#kinds.network.take(file);
  }

  #choose(kind) {
    this.#kind.value = kind;
    this.#place.replaceChildren(build("p", { className: "hint", textContent: this.#now.hint }), ...this.#now.controls);
    this.#now.setShape?.(this.#shape);
    this.begin();
  }

  #photo(id, onchange = () => this.#parts.onchange()) {
    return new PhotoField({ id, engine: () => this.#parts.engine, onchange });
  }

  /** The names, fetched at first use. */
  async #known() {
    this.#names ??= (await (await fetch(NAMES)).json()).names;
    return this.#names;
  }

  #build() {
    const onchange = () => this.#parts.onchange();
    return {
      detection: this.#boxes(onchange),
      segmentation: this.#mask(onchange),
      style: this.#picture("style", "The look of a picture", "Colours and textures as in this picture.", ({ named }) => ({ kind: "style", picture: named, by: "gram" })),
      text: this.#words(onchange),
      class: this.#class(onchange),
      colour: this.#colour(onchange),
      inpaint: this.#inpaint(),
      edges: this.#picture("edges", "The outlines of a picture", "Edges where this picture has them.", ({ named }) => ({ kind: "edges", picture: named })),
      network: this.#network(onchange),
    };
  }

  #boxes(onchange) {
    const pad = new BoxPad(onchange);
    return {
      title: "Things in places",
      hint: "Which things are to be where, and no others.",
      controls: [pad.element],
      setShape: (shape) => pad.setShape(shape),
      begin: async () => {
        const { thing } = await this.#known();
        const said = this.#parts.desk.prompt.toLowerCase();
        pad.setNames(thing, thing.find((name) => said.includes(name)));
      },
      target: () => (pad.boxes.length ? { kind: "detection", boxes: pad.boxes } : null),
      restore: ({ boxes }) => (pad.boxes = boxes),
    };
  }

  #mask(onchange) {
    const pad = new PaintPad({ id: "shape", means: "Where the thing is to be", onchange });
    let held = null;
    const ready = async () => (held = await this.#holdMask(pad));
    return {
      title: "A shape you paint",
      hint: "The thing fills what is white, and nothing else.",
      controls: [pad.element, this.#save(ready)],
      setShape: (shape) => pad.setShape(shape),
      ready: async () => Boolean(await ready()),
      target: () => ({ kind: "segmentation", picture: { path: "mask.png", sha256: held?.sha256 ?? "" }, reading: "mask" }),
    };
  }

  #inpaint() {
    const pad = new PaintPad({ id: "known", means: "What stays of the picture", onchange: () => this.#parts.onchange() });
    const photo = this.#photo("inpaint-photo", ({ file }) => pad.setPhoto(file));
    let held = null;
    const ready = async () => (held = await this.#holdMask(pad));
    return {
      title: "A part of a picture that stays",
      hint: "What is painted white stays as it is in the picture, the rest is drawn anew.",
      controls: [photo.element, pad.element, this.#save(ready)],
      photo,
      begin: () => photo.begin(),
      setShape: (shape) => pad.setShape(shape),
      ready: async () => (await photo.ready()) && Boolean(await ready()),
      target: () => ({ kind: "inpaint", picture: photo.named, mask: { path: "mask.png", sha256: held?.sha256 ?? "" } }),
    };
  }

  /** The mask of a pad, held by the engine; null, after saying so, where nothing is painted. */
  async #holdMask(pad) {
    if (pad.covered === 0) {
      toast("Nothing is painted yet.");
      return null;
    }
    const size = sides(this.#parts.desk.size) ?? [128, 128];
    const file = new File([await pad.mask(size)], "mask.png", { type: "image/png" });
    return holdPicture(this.#parts.engine, file);
  }

  #save(ready) {
    const save = async () => {
      const held = await ready();
      if (!held) return;
      const address = URL.createObjectURL(held.file);
      build("a", { href: address, download: "mask.png" }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    };
    return build("button", { type: "button", className: "quiet small", textContent: "Save the mask", title: "guidestar replay looks for it beside the picture", onclick: save });
  }

  #picture(kind, title, hint, target) {
    const photo = this.#photo(`${kind}-photo`);
    return { title, hint, controls: [photo.element], photo, begin: () => photo.begin(EXAMPLES[1]), ready: () => photo.ready(), target: () => target(photo) };
  }

  #words(onchange) {
    const input = build("input", { id: "guide-text", maxLength: 400, value: "a banana on a yellow background", oninput: onchange });
    return {
      title: "Words",
      hint: "What a network that compares pictures with words is to find in it. It may be another thing than the prompt's.",
      controls: [field("guide-text", "Words", input)],
      target: () => (input.value.trim() ? { kind: "text", text: input.value.trim() } : null),
      ready: () => (input.value.trim() ? true : (input.focus(), toast("Say what is to be found in it."), false)),
      restore: ({ text }) => (input.value = text),
    };
  }

  #class(onchange) {
    const select = build("select", { id: "guide-class", onchange });
    return {
      title: "A name",
      hint: "What a network that names things is to call it.",
      controls: [field("guide-class", "Name", select)],
      begin: async () => {
        if (select.options.length > 1) return;
        const { thing } = await this.#known();
        // A restored job's name may have come meanwhile; it stays, be it a thing or not.
        const chosen = select.value;
        const names = chosen && !thing.includes(chosen) ? [...thing, chosen] : thing;
        select.replaceChildren(...names.map((name) => build("option", { value: name, textContent: name })));
        const said = this.#parts.desk.prompt.toLowerCase();
        select.value = chosen || (thing.find((name) => said.includes(name)) ?? thing[0]);
      },
      target: () => (select.value ? { kind: "class", name: select.value } : null),
      restore: ({ name }) => {
        if (![...select.options].some(({ value }) => value === name)) select.append(build("option", { value: name, textContent: name }));
        select.value = name;
      },
    };
  }

  #colour(onchange) {
    const input = build("input", { id: "guide-colour", type: "color", value: "#2f9e6b", oninput: onchange });
    return {
      title: "A colour",
      hint: "The mean colour of the whole picture.",
      controls: [field("guide-colour", "Colour", input)],
      target: () => ({ kind: "colour", rgb: [1, 3, 5].map((at) => Number.parseInt(input.value.slice(at, at + 2), 16)) }),
      restore: ({ rgb }) => (input.value = `#${rgb.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`),
    };
  }

  #network(onchange) {
    let held = null;
    const name = build("span", { className: "hint name", textContent: "an .onnx file; it stays in this browser" });
    const file = build("input", { type: "file", id: "network-file", className: "unseen", accept: ".onnx" });
    const photo = this.#photo("network-photo");
    const wanted = build("select", { id: "network-wanted", onchange: () => show() }, build("option", { value: "picture", textContent: "what it says of this picture" }), build("option", { value: "class", textContent: "a class" }));
    const index = build("input", { id: "network-class", type: "number", min: 0, step: 1, value: 0, oninput: onchange });
    const indexField = field("network-class", "Class, counted from 0", index);
    const colours = build("select", { id: "network-colours", onchange }, build("option", { value: "plain", textContent: "0 to 1" }), build("option", { value: "imagenet", textContent: "ImageNet's mean and spread" }));
    const show = () => {
      photo.element.hidden = wanted.value !== "picture";
      indexField.hidden = wanted.value !== "class";
      onchange();
    };
    const take = async (given) => {
      try {
        held = await holdFile(this.#parts.engine, given);
      } catch (error) {
        return notice({ title: `${given.name} cannot be used`, text: sentence(error.message), buttons: [["All right"]] });
      }
      name.textContent = given.name;
      onchange();
    };
    file.addEventListener("change", () => file.files[0] && take(file.files[0]));
    photo.element.hidden = false;
    indexField.hidden = true;
    return {
      title: "What any network says",
      hint: "Any ONNX network that takes a picture: of faces, of objects, of depth. It is read, checked and differentiated here.",
      controls: [
        build("div", { className: "row" }, build("div", {}, file, build("label", { className: "quiet small choose", htmlFor: "network-file", textContent: "Choose a network" }), name)),
        field("network-colours", "Colours it takes", colours),
        field("network-wanted", "It is to say", wanted),
        photo.element,
        indexField,
      ],
      photo,
      take,
      begin: () => photo.begin(EXAMPLES[1]),
      ready: async () => {
        if (!held) {
          file.focus();
          toast("Choose a network first: an .onnx file.");
          return false;
        }
        await holdAgain(this.#parts.engine, held);
        return wanted.value === "class" || photo.ready();
      },
      target: () => ({
        kind: "network",
        network: { path: held?.name ?? "network.onnx", sha256: held?.sha256 ?? "" },
        ...(colours.value === "imagenet" && { input: IMAGENET }),
        wanted: wanted.value === "picture" ? { by: "picture", picture: photo.named } : { by: "class", class: Number(index.value) },
      }),
      restore: ({ wanted: one }) => {
        wanted.value = one.by === "class" ? "class" : "picture";
        if (one.by === "class") index.value = one.class;
        show();
      },
    };
  }
}

function field(id, text, control) {
  return build("div", { className: "field" }, build("label", { htmlFor: id, textContent: text }), control);
}
