/** How the guides' losses fall while a picture is drawn. */

import { build } from "./dom.js";

const SPACE = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [240, 56];

/** A small curve of the losses so far, each as `[guide, loss]`s of one turn; null while there are fewer than two. */
export function lossCurve(turns) {
  if (!turns || turns.length < 2) return null;
  const sums = turns.map((losses) => losses.reduce((sum, [, loss]) => sum + loss, 0));
  const [least, most] = [Math.min(...sums), Math.max(...sums)];
  const place = (loss, at) => {
    const x = (at / (sums.length - 1)) * (WIDTH - 4) + 2;
    const y = HEIGHT - 3 - ((loss - least) / (most - least || 1)) * (HEIGHT - 6);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  };
  const svg = document.createElementNS(SPACE, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SPACE, "polyline");
  line.setAttribute("points", sums.map(place).join(" "));
  svg.append(line);
  const [first, last] = [sums[0], sums.at(-1)];
  const names = turns[0].map(([guide]) => guide).join(", ");
  return build("div", { className: "curve" }, svg, build("p", { className: "hint", textContent: `Loss of ${names}: ${first.toPrecision(3)} → ${last.toPrecision(3)}` }));
}
