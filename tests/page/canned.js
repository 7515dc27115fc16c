/** Tests on a page of their own with a canned worker, and what a visitor does there. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch, openCanned } from "./browser.js";
import { button } from "./visit.js";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/** A test on a page of its own; at its end nothing unexpected may stand in the console. */
export function pageTest(sentence, options, act) {
  test(sentence, { timeout: 60_000 }, async () => {
    const opened = await openCanned(browser, options);
    try {
      await act(opened);
      assert.deepEqual(opened.errors, []);
    } finally {
      await opened.close();
    }
  });
}

/** Presses Generate and waits for the picture. */
export async function generate(page) {
  await button(page, "Generate").click();
  await button(page, "Download").waitFor();
}

/** The bytes that Download gives, and the name it gives them. */
export async function download(page) {
  const coming = page.waitForEvent("download");
  await button(page, "Download").click();
  const file = await coming;
  return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
}

/** The job that a PNG remembers. */
export function remembered(bytes) {
  const at = bytes.indexOf("tEXtguidestar\0");
  return JSON.parse(bytes.subarray(at + 14, at + 4 + bytes.readUInt32BE(at - 4)).toString());
}
