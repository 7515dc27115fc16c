/** Light or dark: as the system says, until someone chooses; then as was chosen. */

import { byId, toast } from "./dom.js";

const KEY = "guidestar-theme";
const CHOICES = [null, "light", "dark"];
const WORDS = { null: "Light or dark, as your system says.", light: "Light.", dark: "Dark." };

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function store(choice) {
  try {
    if (choice) localStorage.setItem(KEY, choice);
    else localStorage.removeItem(KEY);
  } catch {
    // A window that stores nothing forgets the choice when it is closed.
  }
}

function apply(choice) {
  if (choice) document.documentElement.dataset.theme = choice;
  else delete document.documentElement.dataset.theme;
}

/** Applies what was chosen before, and wires the button. */
export function wireTheme() {
  let choice = CHOICES.includes(stored()) ? stored() : null;
  apply(choice);
  byId("theme").addEventListener("click", () => {
    choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
    store(choice);
    apply(choice);
    toast(WORDS[choice]);
  });
}
