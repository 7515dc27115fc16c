/** A visit to the built page: the program that serves it, what a visitor does there, and a server for checkpoints that breaks off. */

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { ROOT } from "./browser.js";

export const PROGRAM = process.env.GUIDESTAR ?? `${ROOT}target/debug/guidestar`;
const PAGE = process.env.GUIDESTAR_PAGE ?? `${ROOT}target/page`;
/** Shaders are compiled on a processor, and so is the picture computed. */
export const PATIENCE = { timeout: 240_000 };

/** The program, serving the built page. */
export async function serve() {
  const program = spawn(PROGRAM, ["serve", "--port", "0", "--quiet", "--dir", PAGE], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(program.stdout, "data");
  const end = async () => {
    if (program.exitCode !== null || program.signalCode !== null) return;
    const gone = once(program, "exit");
    program.kill();
    await gone;
  };
  return { address: String(line).trim(), end };
}

/** Writes the default model as a checkpoint in a single file. */
export async function writeCheckpoint(path) {
  await promisify(execFile)(PROGRAM, ["models", "convert", "mini", path, "--quiet"]);
}

/** Lets some 25 MB a second through, so that progress can be seen: pieces of 64 KiB, and a pause behind each. */
async function* paced(pieces) {
  for await (const piece of pieces) {
    yield piece;
    await setTimeout(2);
  }
}

/**
 * Serves one file in parts to pages of any origin, as hosts of models do. The answers to whoever asks for all the rest break off
 * after as many bytes as `cuts` says, one number an answer; while `gone`, nobody is answered. With `goesAfterCuts` it is gone after
 * the last cut; while it `stalls`, what would break off hangs instead.
 */
export async function serveCheckpoint(path) {
  const { size } = await stat(path);
  const host = { cuts: [], gone: false, goesAfterCuts: false, stalls: false, asked: [] };
  const server = createServer((request, response) => {
    if (host.gone) return request.socket.destroy();
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const start = Number(first ?? 0);
    const end = last ? Math.min(Number(last) + 1, size) : size;
    host.asked.push(request.headers.range ?? "");
    response.writeHead(first === undefined ? 200 : 206, {
      "access-control-allow-origin": "*",
      "access-control-expose-headers": "content-range, etag",
      // A browser that keeps parts asks for others than the page does.
      "cache-control": "no-store",
      "content-length": end - start,
      "content-range": `bytes ${start}-${end - 1}/${size}`,
      etag: '"one"',
    });
    const cut = last ? Infinity : (host.cuts.shift() ?? Infinity);
    host.gone = host.goesAfterCuts && host.cuts.length === 0;
    const body = createReadStream(path, { start, end: Math.min(end, start + cut) - 1 });
    pipeline(body, paced, response, { end: start + cut >= end })
      .then(() => start + cut < end && !host.stalls && request.socket.destroySoon())
      // Whoever asked has gone.
      .catch(() => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  host.address = `http://127.0.0.1:${server.address().port}/one.safetensors`;
  host.close = () => server.close();
  return host;
}

export const button = (page, name) => page.getByRole("button", { name, exact: true });

/** Waits until the page has its device and the model on it. */
export async function ready(page) {
  await page.locator("#device[data-state=slow], #device[data-state=ready]").waitFor(PATIENCE);
  await page.locator("#need", { hasText: /^Takes/ }).waitFor({ ...PATIENCE, state: "attached" });
}

/** Asks for the smallest picture there is. */
export async function ask(page, { seed = 3, steps = 2 } = {}) {
  await page.getByLabel("Size").selectOption("another size");
  await page.getByLabel("Width x height").fill("64x64");
  await page.getByLabel("Steps").fill(String(steps));
  await page.getByLabel("Seed").fill(String(seed));
  await button(page, "Generate").click();
}

/** The bytes of the picture that is being made, as Download gives them. */
export async function download(page) {
  await button(page, "Stop").waitFor({ ...PATIENCE, state: "hidden" });
  await button(page, "Download").waitFor(PATIENCE);
  const coming = page.waitForEvent("download");
  await button(page, "Download").click();
  return readFile(await (await coming).path());
}

/** Drops a file on the page, or on an element of it, as a file manager would: its bytes, or what is at an address. */
export async function drop(page, { name, type = "", bytes, url }, on = "body") {
  const given = { name, type, url, bytes: bytes && Buffer.from(bytes).toString("base64") };
  const transfer = await page.evaluateHandle(async ({ name, type, url, bytes }) => {
    const content = url ? await (await fetch(url)).blob() : Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([content], name, { type, lastModified: 1 }));
    return data;
  }, given);
  for (const event of ["dragenter", "dragover", "drop"]) await page.dispatchEvent(on, event, { dataTransfer: transfer });
}

/** How many different colours an image has. */
export function shades(picture) {
  return picture.evaluate((image) => {
    const context = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.naturalWidth, image.naturalHeight);
    const colours = new Set();
    for (let at = 0; at < data.length; at += 4) colours.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
    return colours.size;
  });
}
