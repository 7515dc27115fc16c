/** The ways to make a picture. Each is a module of tabs/; this is the strip they are chosen from. */

import { build, byId } from "./dom.js";
import { create } from "./tabs/create.js";
import { restyle } from "./tabs/restyle.js";
import { sharpen } from "./tabs/sharpen.js";
import { steer } from "./tabs/steer.js";

/** In the order of the strip. */
export const TABS = [create, sharpen, restyle, steer];

/**
 * @typedef {object} Tab
 * @property {string} name spelled so in the address
 * @property {string} title on the strip
 * @property {string} verb on the button
 * @property {boolean} works whether it can be used yet
 * @property {string[]} about paragraphs above the form
 * @property {string[]} fields of a job that it has controls for
 * @property {(parts: { engine: object, desk: object, onchange: () => void, redraw: () => void }) => void} [connect] gives it what its
 *   controls need; `redraw` draws the last run's seed anew
 * @property {() => void} [chosen] hears that it is shown
 * @property {() => HTMLElement[]} [before] its controls above the prompt, built once
 * @property {() => HTMLElement[]} controls its controls below the prompt, built once
 * @property {string[]} [hides] fields of the settings that mean nothing to it
 * @property {() => Promise<boolean>} [prepare] sees that what it needs is there; it has said what is not when it answers no
 * @property {(job: object) => Part[]} plan what is drawn for the form's job, one after the other; two are compared
 * @property {(job: object) => boolean} restore reads its fields from a job; true when the job is of its kind
 *
 * @typedef {object} Part
 * @property {object} job
 * @property {string} [label] what tells it from the others
 * @property {boolean} [reusable] whether the picture of an equal job will do
 */

export class Tabs {
  #strip = byId("tabs");
  #buttons = [];

  /** `onchoose` hears which tab is now shown. */
  constructor(onchoose) {
    this.onchoose = onchoose;
    this.#buttons = TABS.map((tab) =>
      build("button", {
        type: "button",
        role: "tab",
        id: `tab-${tab.name}`,
        textContent: tab.title,
        "aria-controls": "panel",
        onclick: () => this.choose(tab),
      }),
    );
    this.#strip.replaceChildren(...this.#buttons);
    this.#strip.addEventListener("keydown", (event) => this.#move(event));
  }

  choose(tab) {
    this.current = tab;
    for (const [at, button] of this.#buttons.entries()) {
      const chosen = TABS[at] === tab;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    byId("panel").setAttribute("aria-labelledby", `tab-${tab.name}`);
    byId("about").replaceChildren(...tab.about.map((text) => build("p", { textContent: text })));
    byId("form").hidden = !tab.works;
    tab.built ??= tab.controls();
    byId("tab-controls").replaceChildren(...tab.built);
    tab.builtBefore ??= tab.before?.() ?? [];
    byId("tab-before").replaceChildren(...tab.builtBefore);
    for (const id of TABS.flatMap(({ hides = [] }) => hides)) byId(id).closest(".field").hidden = Boolean(tab.hides?.includes(id));
    byId("generate").textContent = tab.verb;
    this.onchoose(tab);
    tab.chosen?.();
  }

  #move(event) {
    const at = TABS.indexOf(this.current);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: TABS.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const tab = TABS[(to + TABS.length) % TABS.length];
    this.choose(tab);
    this.#buttons[TABS.indexOf(tab)].focus();
  }
}
