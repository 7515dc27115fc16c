/** What a picture is pulled towards, and the controls to say it with. */

import { BoxPad } from "./boxes.js";
import { build, toast } from "./dom.js";
import { holdPicture } from "./held.js";
import { sides } from "./job.js";
import { NetworkField } from "./netfield.js";
import { notice } from "./notice.js";
import { PaintPad } from "./paint.js";
import { EXAMPLES, PhotoField, sentence } from "./photo.js";

/** What the networks that come with the page can name. */
const NAMES = new URL("../models/guides/eyes.json", import.meta.url);

/** The mean and the spread of colours that most published networks were trained with. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

export class GuidePicker {
  #parts;
  #key;
  #kind;
  #place = build("div", { className: "guide" });
  #kinds;
  #shape = [1, 1];
  #names = null;
  element;

  /** `key` keeps the elements of several apart; `title` stands above. */
  constructor(parts, { key = "", title = "Pull towards", kind = "detection" } = {}) {
    this.#parts = parts;
    this.#key = key;
    this.#kind = build("select", { id: this.#id("guide-kind") });
    this.#kinds = this.#build();
    this.#kind.append(...Object.entries(this.#kinds).map(([value, { title }]) => build("option", { value, textContent: title })));
    this.#kind.addEventListener("change", () => this.#choose(this.#kind.value));
    this.element = build("fieldset", { className: "source" }, build("legend", { textContent: title }), build("div", { className: "field" }, build("label", { htmlFor: this.#kind.id, textContent: "What counts" }), this.#kind), this.#place);
    this.#show(kind);
  }

  #id(name) {
    return `${this.#key}${name}`;
  }

  /** Brings what the choice needs. */
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

  /** Shows a job's target; whether it has files, which have to be chosen again. */
  restore(target) {
    const kind = this.#kinds[target?.kind] ? target.kind : "detection";
    this.#choose(kind);
    if (target) this.#now.restore?.(target);
    return Boolean(this.#now.photo);
  }

  takeNetwork(file) {
    this.#choose("network");
    return this.#kinds.network.take(file);
  }

  /** Takes a picture that was dropped on it, as a look where what counts now is no picture. */
  takePicture(file) {
    if (!this.#now.photo) this.#choose("style");
    return this.#now.photo.take(file);
  }

  #choose(kind) {
    this.#show(kind);
    this.begin();
  }

  #show(kind) {
    this.#kind.value = kind;
    this.#place.replaceChildren(build("p", { className: "hint", textContent: this.#now.hint }), ...this.#now.controls);
    this.#now.setShape?.(this.#shape);
  }

  #photo(id, onchange = () => this.#parts.onchange(), examples = true) {
    return new PhotoField({ id: this.#id(id), engine: () => this.#parts.engine, onchange, examples });
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
      face: this.#face(onchange),
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
    const pad = new PaintPad({ id: this.#id("shape"), means: "Where the thing is to be", onchange });
    let held = null;
    const ready = async () => (held = await this.#holdMask(pad));
    return {
      title: "A shape you paint",
      hint: "The thing fills what is white, and nothing else.",
      controls: [pad.element, this.#save(ready)],
      setShape: (shape) => pad.setShape(shape),
      ready: async () => Boolean(await ready()),
      target: () => ({ kind: "segmentation", picture: { path: this.#id("mask.png"), sha256: held?.sha256 ?? "" }, reading: "mask" }),
    };
  }

  #inpaint() {
    const pad = new PaintPad({ id: this.#id("known"), means: "What stays of the picture", onchange: () => this.#parts.onchange() });
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
      target: () => ({ kind: "inpaint", picture: photo.named, mask: { path: this.#id("mask.png"), sha256: held?.sha256 ?? "" } }),
    };
  }

  /** The mask of a pad, held by the engine; null, after saying so, where nothing is painted. */
  async #holdMask(pad) {
    if (pad.covered === 0) {
      toast("Nothing is painted yet.");
      return null;
    }
    const size = sides(this.#parts.desk.size) ?? [128, 128];
    const file = new File([await pad.mask(size)], this.#id("mask.png"), { type: "image/png" });
    return holdPicture(this.#parts.engine, file);
  }

  #save(ready) {
    const save = async () => {
      const held = await ready();
      if (!held) return;
      const address = URL.createObjectURL(held.file);
      build("a", { href: address, download: this.#id("mask.png") }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    };
    return build("button", { type: "button", className: "quiet small", textContent: "Save the mask", title: "guidestar replay looks for it beside the picture", onclick: save });
  }

  #picture(kind, title, hint, target) {
    const photo = this.#photo(`${kind}-photo`);
    return { title, hint, controls: [photo.element], photo, begin: () => photo.begin(EXAMPLES[1]), ready: () => photo.ready(), target: () => target(photo) };
  }

  #words(onchange) {
    const input = build("input", { id: this.#id("guide-text"), maxLength: 400, value: "a banana on a yellow background", oninput: onchange });
    return {
      title: "Words",
      hint: "What a network that compares pictures with words is to find in it. It may be another thing than the prompt's.",
      controls: [field(input.id, "Words", input)],
      target: () => (input.value.trim() ? { kind: "text", text: input.value.trim() } : null),
      ready: () => (input.value.trim() ? true : (input.focus(), toast("Say what is to be found in it."), false)),
      restore: ({ text }) => (input.value = text),
    };
  }

  #class(onchange) {
    const select = build("select", { id: this.#id("guide-class"), onchange });
    return {
      title: "A name",
      hint: "What a network that names things is to call it.",
      controls: [field(select.id, "Name", select)],
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
    const input = build("input", { id: this.#id("guide-colour"), type: "color", value: "#2f9e6b", oninput: onchange });
    return {
      title: "A colour",
      hint: "The mean colour of the whole picture.",
      controls: [field(input.id, "Colour", input)],
      target: () => ({ kind: "colour", rgb: [1, 3, 5].map((at) => Number.parseInt(input.value.slice(at, at + 2), 16)) }),
      restore: ({ rgb }) => (input.value = `#${rgb.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`),
    };
  }

  #net(id, text, hint, accept) {
    return new NetworkField({ id: this.#id(id), text, hint, accept, engine: () => this.#parts.engine, onchange: () => this.#parts.onchange() });
  }

  /** How colours come to a network: as they are, or as most published ones were trained. */
  #colours(id, usual) {
    const select = build("select", { id: this.#id(id), onchange: () => this.#parts.onchange() }, build("option", { value: "plain", textContent: "0 to 1" }), build("option", { value: "imagenet", textContent: "ImageNet's mean and spread" }));
    select.value = usual;
    return { element: field(select.id, "Colours it takes", select), input: () => (select.value === "imagenet" ? { input: IMAGENET } : {}) };
  }

  #face(onchange) {
    const photo = this.#photo("face-photo", undefined, false);
    const recogniser = this.#net("recogniser", "Choose what tells faces apart", "MobileFaceNet as .onnx, say", ".onnx,.pt,.pth,.safetensors");
    const detector = this.#net("detector", "Choose what finds faces", "YuNet as .onnx; without it they are looked for in the middle");
    const colours = this.#colours("face-colours", "imagenet");
    const centre = build("input", { type: "checkbox", id: this.#id("face-centre"), onchange });
    return {
      title: "A face",
      hint: "The person in a photo. Networks that know faces are files that you bring; they stay in this browser.",
      controls: [
        photo.element,
        recogniser.element,
        colours.element,
        detector.element,
        build("div", { className: "kinds" }, build("label", {}, centre, "The face is in the middle of what is drawn")),
      ],
      photo,
      ready: async () => {
        if (detector.held) await detector.ready();
        return (await photo.ready()) && recogniser.ready();
      },
      target: () => ({ kind: "face", picture: photo.named, recogniser: recogniser.named, ...colours.input(), ...(detector.held && { detector: detector.named }), ...(centre.checked && { centre: true }) }),
      restore: ({ centre: middle }) => (centre.checked = Boolean(middle)),
    };
  }

  #network(onchange) {
    const net = this.#net("network-file", "Choose a network", "an .onnx file; it stays in this browser");
    const photo = this.#photo("network-photo");
    const wanted = build("select", { id: this.#id("network-wanted"), onchange: () => show() }, build("option", { value: "picture", textContent: "what it says of this picture" }), build("option", { value: "class", textContent: "a class" }));
    const index = build("input", { id: this.#id("network-class"), type: "number", min: 0, step: 1, value: 0, oninput: onchange });
    const indexField = field(index.id, "Class, counted from 0", index);
    const colours = this.#colours("network-colours", "plain");
    const show = () => {
      photo.element.hidden = wanted.value !== "picture";
      indexField.hidden = wanted.value !== "class";
      onchange();
    };
    indexField.hidden = true;
    return {
      title: "What any network says",
      hint: "Any ONNX network that takes a picture: of faces, of objects, of depth. It is read, checked and differentiated here.",
      controls: [net.element, colours.element, field(wanted.id, "It is to say", wanted), photo.element, indexField],
      photo,
      take: (file) => net.take(file),
      begin: () => photo.begin(EXAMPLES[1]),
      ready: async () => (await net.ready()) && (wanted.value === "class" || photo.ready()),
      target: () => ({
        kind: "network",
        network: net.named,
        ...colours.input(),
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
