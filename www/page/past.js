/** History: the pictures that were made here, from the newest back. */

import { build, byId, icon, toast } from "./dom.js";
import { wireSheet } from "./sheets.js";
import * as shelf from "./shelf.js";

export class Past {
  #sheet = byId("history");
  #body = byId("history-body");
  #foot = byId("history-foot");
  #addresses = [];

  /** `onopen` hears of the picture that was chosen, `onclear` that all were thrown away. */
  constructor({ onopen, onclear }) {
    this.onopen = onopen;
    this.onclear = onclear;
    wireSheet(this.#sheet, byId("open-history"), () => this.#fill());
    this.#sheet.addEventListener("close", () => {
      this.#forget();
      this.#body.replaceChildren();
    });
    shelf.onchange(() => this.#sheet.open && this.#fill());
  }

  /** Keeps a picture. A full disk loses the history, never the picture on show. */
  async keep(picture) {
    try {
      await shelf.keep(picture);
    } catch {
      toast("There is no room left to keep this picture in the history: download it, or delete older ones.");
    }
    if (this.#sheet.open) this.#fill();
  }

  async #fill() {
    const [pictures, lasts] = [await shelf.all(), await shelf.lasts()];
    this.#forget();
    this.#addresses = pictures.map(({ png }) => URL.createObjectURL(png));
    const note = lasts ? [] : [build("p", { className: "empty", textContent: PRIVATE })];
    if (pictures.length === 0) {
      this.#body.replaceChildren(...note, build("p", { className: "empty", textContent: "Nothing yet. What you make is kept here, in this browser alone." }));
      this.#foot.replaceChildren();
      return;
    }
    this.#body.replaceChildren(...note, build("ul", { className: "past" }, ...pictures.map((picture, at) => this.#entry(picture, this.#addresses[at]))));
    this.#foot.replaceChildren(
      build("span", { textContent: pictures.length === 1 ? "1 picture" : `${pictures.length} pictures` }),
      this.#clearButton(),
    );
  }

  #entry(picture, address) {
    const { prompt } = picture.job;
    const open = build(
      "button",
      {
        type: "button",
        className: "open",
        "aria-label": `${prompt || "no prompt"}, seed ${picture.seed}`,
        onclick: () => {
          this.#sheet.close();
          this.onopen(picture);
        },
      },
      build("img", { src: address, alt: "", loading: "lazy" }),
      build("span", { className: "said", textContent: prompt }),
    );
    const remove = build(
      "button",
      {
        type: "button",
        className: "quiet icon delete",
        "aria-label": `Delete ${prompt || "picture"}, seed ${picture.seed}`,
        onclick: async () => {
          await shelf.remove(picture.id);
          await this.#fill();
          // The button that had the keyboard is gone.
          (this.#body.querySelector("button") ?? this.#sheet.querySelector("[data-close]")).focus();
          toast("Deleted.");
        },
      },
      icon("m6 6 8 8M14 6l-8 8"),
    );
    return build("li", {}, open, remove);
  }

  /** Asks once more before everything is gone. */
  #clearButton() {
    let sure = false;
    const button = build("button", {
      type: "button",
      className: "quiet small danger",
      textContent: "Clear history",
      onclick: async () => {
        if (!sure) {
          sure = true;
          button.textContent = "Really delete all pictures?";
          return;
        }
        await shelf.clear();
        this.onclear();
        await this.#fill();
        this.#sheet.querySelector("[data-close]").focus();
        toast("The history is empty.");
      },
      onblur: () => {
        sure = false;
        button.textContent = "Clear history";
      },
    });
    return button;
  }

  #forget() {
    for (const address of this.#addresses) URL.revokeObjectURL(address);
    this.#addresses = [];
  }
}

const PRIVATE = "This window keeps nothing: the pictures below are gone when it is closed. Download what you want to keep.";
