/** The little that is needed to find and to build elements. */

/** The element of index.html with this id; throws when there is none, which is a mistake in the page. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no element #${id}`);
  return found;
}

/**
 * Builds an element. Properties that begin with `on` are listeners, those with a hyphen are attributes, the others are set on the
 * object; text is never read as HTML.
 */
export function build(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An icon of one path on a grid of 20. */
export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(svg.namespaceURI, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

let toastTimer;

/** Says something for a few seconds, to eyes and to screen readers, above whatever is open. */
export function toast(text) {
  const place = byId("toast");
  place.textContent = text;
  // Shown anew each time: only so it stands above a dialog that was opened meanwhile.
  if (place.matches(":popover-open")) place.hidePopover();
  place.showPopover();
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => place.hidePopover(), 2500 + 60 * text.length);
}

/** Says something to screen readers alone. */
export function speak(text) {
  byId("spoken").textContent = text;
}
