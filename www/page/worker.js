/** The worker: the engine in WebAssembly, and nothing else. Its words are listed in src/web/messages.rs. */

import start from "./engine/guidestar.js";

await start();
