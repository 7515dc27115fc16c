// Draws people, each with several expressions: node portraits.mjs FOLDER PEOPLE VIEWS SIZE_PX
//
// What makes a person (hair, skin, beard, glasses, shape of the head) is drawn once; eyes, brows, mouth and clothes anew for every view.
// Runs where its packages are installed. One generator: the same numbers draw the same people.
import { mkdirSync, writeFileSync } from "node:fs";
import { createAvatar } from "@dicebear/core";
import * as lorelei from "@dicebear/lorelei";
import * as peeps from "@dicebear/open-peeps";
import { Resvg } from "@resvg/resvg-js";

const [folder, people, views, size] = [process.argv[2], ...process.argv.slice(3).map(Number)];
let state = 20;

/** Mulberry32: a number in [0, 1). */
function dice() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
}

const pick = (from) => from[Math.floor(dice() * from.length)];
const choices = (style, part) => style.schema.properties[part].items.enum;
const share = (chance) => (dice() < chance ? 100 : 0);

/** A colour near one of these. */
function near(colours, spread) {
  const value = parseInt(pick(colours), 16);
  const channels = [16, 8, 0].map((shift) => ((value >> shift) & 255) + (dice() - 0.5) * 2 * spread);
  return channels.map((channel) => Math.max(0, Math.min(255, Math.round(channel))).toString(16).padStart(2, "0")).join("");
}

const SKINS = ["ffdbb4", "edb98a", "d08b5b", "ae5d29", "8a5a3c", "5c3a26"];
const HAIRS = ["2c1b18", "4a312c", "724133", "a55728", "b58143", "d6b370", "ecdcbf", "e8e1e1", "c93305", "7a4fc0", "3a7bd5", "2f9e68"];
const CLOTHES = ["e78276", "ffcf77", "fdea6b", "78e185", "9ddadb", "8fa7df", "e279c7", "f4f4f4", "4a4a55"];
// Animals, monsters and costumes are nobody.
const HEADS = choices(peeps, "head").filter((head) => head !== "bear");
const FACES = choices(peeps, "face").filter((face) => !["cyclops", "monster", "old"].includes(face));

/** An Open Peep, and one of its views. */
function peep() {
  const person = {
    head: [pick(HEADS)],
    skinColor: [near(SKINS, 14)],
    headContrastColor: [near(HAIRS, 14)],
    facialHair: [pick(choices(peeps, "facialHair"))],
    facialHairProbability: share(0.3),
    accessories: [pick(choices(peeps, "accessories"))],
    accessoriesProbability: share(0.3),
    maskProbability: 0,
  };
  return () => createAvatar(peeps, { ...person, face: [pick(FACES)], clothingColor: [pick(CLOTHES)] });
}

/** A Lorelei portrait, and one of its views. */
function portrait() {
  const person = {
    head: [pick(choices(lorelei, "head"))],
    hair: [pick(choices(lorelei, "hair"))],
    hairColor: [near(HAIRS, 14)],
    skinColor: [near(SKINS, 14)],
    nose: [pick(choices(lorelei, "nose"))],
    beard: [pick(choices(lorelei, "beard"))],
    beardProbability: share(0.15),
    glasses: [pick(choices(lorelei, "glasses"))],
    glassesProbability: share(0.3),
    earrings: [pick(choices(lorelei, "earrings"))],
    earringsProbability: share(0.2),
    frecklesProbability: share(0.15),
    hairAccessoriesProbability: share(0.1),
    hairAccessoriesColor: [near(CLOTHES, 14)],
  };
  const moved = ["eyes", "eyebrows", "mouth"];
  return () => createAvatar(lorelei, { ...person, ...Object.fromEntries(moved.map((part) => [part, [pick(choices(lorelei, part))]])) });
}

mkdirSync(folder, { recursive: true });
for (let index = 0; index < people; index += 1) {
  const person = index % 2 === 0 ? peep() : portrait();
  for (let view = 0; view < views; view += 1) {
    const drawn = new Resvg(person().toString(), { fitTo: { mode: "width", value: size } }).render();
    writeFileSync(`${folder}/${index}-${view}.png`, drawn.asPng());
  }
}
