/** What stands above the picture when something needs saying at length: a sentence, and a way on. */

import { build, byId } from "./dom.js";

const place = byId("notice");

/**
 * Says something. `ways` are lines of a list; a string or what is to be appended. `buttons` are `[text, act]`. `causes` stand
 * folded away.
 */
export function notice({ title, text, ways = [], buttons = [], causes = [], kind = "hint" }) {
  place.dataset.kind = kind;
  place.setAttribute("role", kind === "error" ? "alert" : "status");
  place.replaceChildren(
    build("h2", { textContent: title }),
    build("p", { textContent: text }),
    ...(ways.length ? [build("ul", {}, ...ways.map((way) => build("li", {}, ...[way].flat())))] : []),
    ...(causes.length
      ? [build("details", {}, build("summary", { textContent: "Details" }), build("pre", { textContent: causes.join("\n") }))]
      : []),
    build(
      "div",
      { className: "row" },
      ...buttons.map(([words, act]) =>
        build("button", { type: "button", className: "quiet", textContent: words, onclick: () => (hush(), act?.()) }),
      ),
    ),
  );
  place.hidden = false;
  // On a phone it is below the form.
  place.scrollIntoView({ block: "nearest" });
}

/** Takes the notice away. */
export function hush() {
  place.hidden = true;
  place.replaceChildren();
}
