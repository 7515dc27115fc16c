/** What can be done with a finished picture. */

import { byId, toast } from "./dom.js";
import { fileName, link } from "./job.js";

/** Wires the buttons below the picture; `picture` gives the one on show. */
export function wireActions({ picture, again, vary, restyle }) {
  byId("download").addEventListener("click", () => download(picture()));
  byId("copy").addEventListener("click", () => copy(picture()));
  byId("share").addEventListener("click", () => share(picture()));
  byId("again").addEventListener("click", again);
  byId("vary").addEventListener("click", vary);
  byId("restyle-this").addEventListener("click", () => restyle(picture()));
}

/** Shows the buttons that make sense for a picture. */
export function fitActions({ job }) {
  // An edit's noise is its source's: another seed would draw the same.
  byId("again").hidden = byId("vary").hidden = Boolean(job.edit);
  // A link cannot carry a photo, a mask or a network.
  byId("share").hidden = job.edit?.source.from === "picture" || /"sha256":"[0-9a-f]/.test(JSON.stringify(job.guide ?? null));
}

function download(picture) {
  const address = URL.createObjectURL(picture.png);
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.download = fileName(picture);
  anchor.click();
  // The browser reads it after this turn.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

async function copy(picture) {
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": picture.png })]);
    toast("Copied. Only a downloaded picture remembers its job.");
  } catch {
    toast("This browser did not let the picture be copied; Download works.");
  }
}

async function share(picture) {
  const address = link(picture.job);
  history.replaceState(null, "", address);
  try {
    await navigator.clipboard.writeText(address);
    toast("Link copied. Whoever opens it can make the same picture.");
  } catch {
    toast("The link stands in the address bar.");
  }
}
