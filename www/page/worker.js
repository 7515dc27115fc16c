/** The worker: the engine in WebAssembly, and nothing else. Its words are listed in src/web/messages.rs. */

import start, { Guidestar } from "./engine/guidestar.js";

// What comes before the engine is there waits.
const waiting = [];
let receive = (message) => waiting.push(message);
onmessage = ({ data }) => receive(data);

await start();
const models = new URL("../models/", import.meta.url);
const guidestar = new Guidestar((message, moved) => postMessage(message, moved), models.href);
receive = (message) => guidestar.receive(message);
waiting.splice(0).forEach(receive);
