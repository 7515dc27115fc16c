/** How the guides' losses fall while a picture is drawn. */

import { build } from "./dom.js";

const SPACE = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [240, 56];

/** A small curve of each guide's losses so far, each as high as the others; `turns` has `[guide, loss]`s. Null while there are fewer than two turns. */
export function lossCurve(turns) {
  if (!turns || turns.length < 2) return null;
  const svg = document.createElementNS(SPACE, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const said = turns[0].map(([guide], which) => {
    const losses = turns.map((turn) => turn[which]?.[1] ?? 0);
    const line = document.createElementNS(SPACE, "polyline");
    line.setAttribute("points", points(losses));
    svg.append(line);
    return `${guide}: ${losses[0].toPrecision(3)} → ${losses.at(-1).toPrecision(3)}`;
  });
  return build("div", { className: "curve" }, svg, build("p", { className: "hint", textContent: `Loss of ${said.join(", ")}` }));
}

function points(losses) {
  const [least, most] = [Math.min(...losses), Math.max(...losses)];
  const place = (loss, at) => {
    const x = (at / (losses.length - 1)) * (WIDTH - 4) + 2;
    const y = HEIGHT - 3 - ((loss - least) / (most - least || 1)) * (HEIGHT - 6);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  };
  return losses.map(place).join(" ");
}
