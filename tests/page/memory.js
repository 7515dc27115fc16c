/**
 * How much memory the engine takes in a page that loads a large checkpoint, on the GPU that SwiftShader plays. Not a test: it wants a
 * file of 2 GB and minutes.
 *
 *     cargo run --example random_checkpoint -- /tmp/random.safetensors
 *     GUIDESTAR_PAGE=dist node tests/page/memory.js /tmp/random.safetensors
 *
 * Prints the largest `WebAssembly.Memory` that the worker had, once a second and at the end.
 */

import { basename } from "node:path";
import { launch, SWIFTSHADER } from "./browser.js";
import { button, ready, serve } from "./visit.js";

const [file] = process.argv.slice(2);
const patience = { timeout: 3_600_000 };
const server = await serve();
const browser = await launch(SWIFTSHADER);
const context = await browser.newContext({ serviceWorkers: "block" });
// Wasm's memory only grows, so what it has at the end is the most it had.
await context.route("**/worker.js", async (route) => {
  const script = await (await route.fetch()).text();
  const watched = script.replace("await start();", "const engine = await start();\nglobalThis.wasmBytes = () => engine.memory.buffer.byteLength;");
  if (watched === script) throw new Error("worker.js starts its engine otherwise now");
  await route.fulfill({ contentType: "text/javascript", body: watched });
});
const page = await context.newPage();
page.setDefaultTimeout(patience.timeout);
page.on("console", (message) => console.log(message.type(), message.text()));
await page.goto(server.address);
await ready(page);
const peak = async () => (await page.workers()[0].evaluate(() => globalThis.wasmBytes())) / 1e6;
console.log(`with mini: ${(await peak()).toFixed(1)} MB`);

await button(page, "Models").click();
await page.getByLabel("A checkpoint in one file").setInputFiles(file);
await button(page, "Use for this visit").click(patience);
const start = performance.now();
const row = page.locator("#models .model", { hasText: basename(file) });
let told = "";
const watch = setInterval(async () => {
  const words = await page.locator("#progress-what").textContent().catch(() => "");
  if (words === told) return;
  told = words;
  console.log(`${((performance.now() - start) / 1000).toFixed(0)} s, ${(await peak()).toFixed(1)} MB: ${words}`);
}, 1000);
await row.getByText("in use").waitFor(patience);
const loaded = page.locator("#spoken", { hasText: `${basename(file)} is ready` });
const failed = page.locator("#notice .causes, #notice h3, #notice p, #device[data-state=none]").first();
await Promise.race([loaded.waitFor({ ...patience, state: "attached" }), failed.waitFor(patience)]);
clearInterval(watch);
const notice = (await page.locator("#notice").innerText()).replaceAll("\n", " ");
console.log(`${notice || "loaded"}; at most ${(await peak().catch(() => NaN)).toFixed(1)} MB of wasm memory, ${((performance.now() - start) / 1000).toFixed(0)} s`);
await browser.close();
await server.end();
