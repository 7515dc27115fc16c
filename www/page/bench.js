/** The bench, at `#bench`: what this device is, what it may do, and how fast it is, as text to copy. */

import { build, byId, toast } from "./dom.js";

export class Bench {
  #place = byId("bench");
  #text = build("pre", { tabIndex: 0, "aria-label": "What was measured" });
  #measure = build("button", { type: "button", className: "primary", textContent: "Measure" });
  #copy = build("button", { type: "button", className: "quiet", textContent: "Copy as text" });
  #lines = [];

  constructor(engine) {
    this.#place.append(
      build("h2", { textContent: "Bench" }),
      build("p", { textContent: "How fast this device is with the model that comes with the page, operation by operation. Nothing is sent anywhere." }),
      build("div", { className: "row" }, this.#measure, this.#copy, build("a", { href: "#", textContent: "Back to the picture" })),
      this.#text,
    );
    this.#measure.addEventListener("click", () => {
      this.#measure.disabled = true;
      this.#measured = [];
      this.#show();
      engine.post({ type: "bench" });
    });
    this.#copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(this.#text.textContent);
        toast("Copied.");
      } catch {
        getSelection().selectAllChildren(this.#text);
        toast("This browser did not let it be copied; it is selected now.");
      }
    });
    engine.on("bench", ({ lines, done }) => {
      this.#measured.push(...lines);
      if (done) this.#measure.disabled = false;
      this.#show();
    });
    addEventListener("hashchange", () => this.#follow());
    this.#follow();
  }

  #measured = [];

  /** Takes what the device says of itself. */
  setDevice(device) {
    const names = [
      ["device", device.name || "not named by the browser"],
      ["api", device.api],
      ["storage", device.storage],
      ["software", device.software ? "yes: a processor plays the GPU" : "no"],
      ...device.details,
      ["browser", navigator.userAgent],
    ];
    const width = Math.max(...names.map(([name]) => name.length)) + 2;
    this.#lines = names.map(([name, value]) => `${name.padEnd(width)}${value}`);
    this.#show();
  }

  /** Something failed: the button can be used again. */
  ready() {
    this.#measure.disabled = false;
  }

  #show() {
    const parts = [this.#lines.join("\n"), this.#measured.join("\n")].filter(Boolean);
    this.#text.textContent = parts.join("\n\n") || "No device is open yet.";
  }

  #follow() {
    const open = location.hash === "#bench";
    this.#place.hidden = !open;
    for (const part of document.querySelectorAll(".desk, .sky")) part.hidden = open;
  }
}
