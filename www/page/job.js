/** Jobs: the same record that the command line reads with `--json`, that a PNG carries and that a link spells. */

/** Fields that this page has controls for. The others are carried along untouched. */
const SHOWN = ["version", "prompt", "negative", "model", "size", "steps", "cfg_scale", "seed", "count", "sampler"];

/** What of a job the page has no control for, as `name: value`; empty and default values are left out. */
export function unshown(job, techniques = []) {
  const said = [];
  for (const [name, value] of Object.entries(job)) {
    if (SHOWN.includes(name) || techniques.includes(name) || name === "made_on") continue;
    if (name === "quirks") {
      for (const [quirk, choice] of Object.entries(value ?? {})) if (choice !== null) said.push(`${quirk} ${choice}`);
    } else if (value !== null && value !== 0 && value !== "") {
      said.push(typeof value === "object" ? name : `${name} ${value}`);
    }
  }
  return said;
}

/** A job from elsewhere as a job of this page: an object with a prompt, or an error in words. */
export function checked(value) {
  const isJob = value !== null && typeof value === "object" && !Array.isArray(value) && typeof (value.prompt ?? "") === "string";
  if (!isJob) throw new Error("that is no Guidestar job");
  if ((value.version ?? 1) > 1) throw new Error("that job was made by a newer Guidestar than this page");
  return { prompt: "", negative: "", ...value };
}

/** `512x768` as two numbers, or null. */
export function sides(size) {
  const found = /^\s*(\d{1,5})\s*[x×]\s*(\d{1,5})\s*$/i.exec(size ?? "");
  return found ? [Number(found[1]), Number(found[2])] : null;
}

/** A seed nobody chose; short, so that it can be read out and typed. */
export function drawnSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

/** A seed as messages carry it: a number while that is exact, digits beyond. */
export function seedOf(digits) {
  const seed = Number(digits);
  return Number.isSafeInteger(seed) ? seed : digits;
}

/** What a picture's file is called: its prompt and seed, as the command line names it. */
export function fileName({ job, seed }) {
  const words = job.prompt.toLowerCase().replace(/[^\p{Letter}\p{Number}]+/gu, "-");
  const name = words.slice(0, 60).replace(/^-+|-+$/g, "") || "picture";
  return `${name}-${seed}.png`;
}

/** A link to this page with the job in its fragment, which no server is sent. */
export function link(job) {
  const { made_on: _, ...asked } = job;
  const text = String.fromCharCode(...new TextEncoder().encode(JSON.stringify(asked)));
  const word = btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  const address = new URL(location.href);
  address.hash = `job=${word}`;
  return address.href;
}

/** The job in a link's fragment; null when it has none, an error in words when it is broken. */
export function linked(hash) {
  const word = /^#job=([\w-]+)$/.exec(hash)?.[1];
  if (!word) return null;
  let job;
  try {
    const text = atob(word.replaceAll("-", "+").replaceAll("_", "/"));
    job = JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  } catch {
    throw new Error("the job in this link is cut off or changed; ask for the whole link");
  }
  return checked(job);
}
