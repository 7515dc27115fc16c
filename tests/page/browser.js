/** A browser, a server for `www/` as it lies, and a page with a canned worker. */

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CANNED = fileURLToPath(new URL("canned-worker.js", import.meta.url));

const FLAGS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--font-render-hinting=none",
  "--disable-lcd-text",
];
/** WebGPU on a processor. */
export const SWIFTSHADER = ["--use-webgpu-adapter=swiftshader", "--enable-unsafe-webgpu"];

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webmanifest": "application/manifest+json",
};

export function executable() {
  return process.env.CHROMIUM ?? "/usr/bin/chromium";
}

/** A browser that forgets everything. */
export function launch(flags = []) {
  return chromium.launch({ executablePath: executable(), args: [...FLAGS, ...flags] });
}

/** Serves the page's sources on a port of the system's choice, the canned worker in the real one's place. */
export async function serveSources(scene) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://page").pathname));
    const file = path.endsWith("/") ? `${path}index.html` : path;
    try {
      const body = file.endsWith("/worker.js")
        ? `globalThis.SCENE = ${JSON.stringify(scene.now)};\n${await readFile(CANNED, "utf8")}`
        : await readFile(join(ROOT, file.startsWith("/models/") ? "" : "www", file));
      response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { address: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

/** Errors that the page wrote to its console or threw, apart from those that a test expects. */
export function listen(page, expected = []) {
  const errors = [];
  const note = (text) => {
    if (!expected.some((word) => text.includes(word))) errors.push(text);
  };
  page.on("console", (message) => message.type() === "error" && note(message.text()));
  page.on("pageerror", (error) => note(String(error)));
  return errors;
}

/** Opens the page with a canned worker that behaves as `now` says; what its console said that was not expected is in `errors`. */
export async function openCanned(browser, { now = {}, hash = "", expected = [], context: options = {} } = {}) {
  const scene = { now };
  const server = await serveSources(scene);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, serviceWorkers: "block", ...options });
  const page = await context.newPage();
  const errors = listen(page, expected);
  await page.goto(server.address + hash);
  const close = async () => {
    await context.close();
    server.close();
  };
  return { page, context, scene, server, errors, close };
}
