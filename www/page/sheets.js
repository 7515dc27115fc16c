/** The sheets at the page's edge: opened by a button, closed by another, by Escape, or by a click beside them. */

import { byId } from "./dom.js";

/** Wires a sheet to the button that opens it; `onopen` fills it. */
export function wireSheet(sheet, opener, onopen) {
  opener.addEventListener("click", () => {
    onopen();
    sheet.showModal();
  });
  sheet.querySelector("[data-close]").addEventListener("click", () => sheet.close());
  sheet.addEventListener("click", (event) => {
    if (event.target === sheet && event.clientX < sheet.getBoundingClientRect().left) sheet.close();
  });
}

/** Opens a sheet by the button it belongs to. */
export function openSheet(opener) {
  byId(opener).click();
}
