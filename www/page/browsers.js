/** What to tell whoever comes without a GPU that can be used, by browser and system. */

import { build } from "./dom.js";

const code = (text) => build("code", { textContent: text });

/** The system and browser in broad strokes: only ever used to choose an advice, never to refuse. */
function visitor(agent = navigator.userAgent) {
  const has = (word) => agent.includes(word);
  return {
    firefox: has("Firefox/"),
    chromium: has("Chrome/") || has("CriOS/"),
    safari: has("Safari/") && !has("Chrome/") && !has("CriOS/"),
    apple: has("Mac OS X") || has("iPhone") || has("iPad"),
    linux: has("Linux") && !has("Android"),
  };
}

/** Title, text and ways on for `reason` as the worker gives it. */
export function advice(reason, message) {
  const native = ["Or use Guidestar without a browser: ", code("guidestar generate"), " also runs on a plain processor."];
  if (!isSecureContext) {
    return {
      title: "This address is not secure enough for WebGPU",
      text: "Browsers hand out the GPU only to pages that came over https, or from this machine itself.",
      ways: ["Open the page by its https address, or as http://localhost or http://127.0.0.1.", native],
    };
  }
  if (reason === "no-webgpu") {
    return {
      title: "This browser has no WebGPU",
      text: "Guidestar computes on your GPU through WebGPU, which this browser lacks or has switched off.",
      ways: [...browserWays(), native],
    };
  }
  if (reason === "no-adapter") {
    return {
      title: "The browser offers no GPU",
      text: "WebGPU is there, but no graphics card that the browser wants to use it with.",
      ways: [
        "Switch hardware acceleration on in the browser's settings, under System or Performance, and start the browser anew.",
        "Bring the graphics driver up to date: browsers refuse drivers with known faults.",
        ...linuxWays(),
        native,
      ],
    };
  }
  return {
    title: "The GPU did not open",
    text: message || "The browser offers a graphics card, but opening it failed.",
    ways: ["Close other pages and programs that use the GPU, and try again.", "Start the browser anew.", native],
  };
}

function browserWays() {
  const { firefox, chromium, safari, apple } = visitor();
  if (firefox) {
    return [
      "Firefox has WebGPU on Windows since version 141, and on Macs with Apple's chips since 145.",
      ["Elsewhere it can be tried: open ", code("about:config"), " and set ", code("dom.webgpu.enabled"), " to true."],
      "Chrome and Edge have it on most systems.",
    ];
  }
  if (safari || (apple && !chromium)) {
    return ["Safari has WebGPU since version 26: update macOS, iOS or iPadOS.", "On a Mac, Chrome has it in older systems too."];
  }
  return [
    "Chrome and Edge have WebGPU since version 113, on Android since 121: update the browser.",
    ...linuxWays(),
  ];
}

function linuxWays() {
  const { linux, chromium } = visitor();
  if (!linux || !chromium) return [];
  return [["On Linux, open ", code("chrome://flags/#enable-unsafe-webgpu"), ", choose Enabled, and start the browser anew."]];
}
