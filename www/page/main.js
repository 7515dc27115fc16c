/** The page: builds its parts and connects them. */

import { wireActions } from "./actions.js";
import { Bench } from "./bench.js";
import { Desk } from "./desk.js";
import { byId, toast } from "./dom.js";
import { wireDrop } from "./drop.js";
import { Engine } from "./engine.js";
import { checked, linked, sides } from "./job.js";
import { Models } from "./models.js";
import { hush, notice } from "./notice.js";
import { wireOffline } from "./offline.js";
import { Past } from "./past.js";
import { Progress } from "./progress.js";
import { Sky } from "./sky.js";
import { Studio } from "./studio.js";
import { TABS, Tabs } from "./tabs.js";
import { restyle } from "./tabs/restyle.js";
import { steer } from "./tabs/steer.js";
import { wireTheme } from "./theme.js";

wireTheme();
let studio = null;
const engine = new Engine();
const sky = new Sky();
const desk = new Desk({ onsubmit: () => studio.generate(), onchange: () => studio?.changed() });
const tabs = new Tabs((tab) => {
  if (tab !== restyle) desk.offer(null);
  studio?.changed();
});
const past = new Past({
  onopen: (picture) => {
    sky.show(picture);
    restore(picture.job);
  },
  onclear: () => engine.post({ type: "forget-traces" }),
});
const models = new Models(engine, (model) => studio.use(model));
const bench = new Bench(engine);
studio = new Studio({ engine, desk, tabs, sky, progress: new Progress(), past, models, bench });

desk.setTechniques(TABS.flatMap((tab) => tab.fields));
tabs.choose(TABS[0]);
byId("stop").addEventListener("click", () => studio.stop());
for (const tab of TABS) tab.connect?.({ engine, desk, onchange: () => studio.changed(), redraw: () => studio.redraw() });
wireActions({ picture: () => sky.shown, again: () => studio.again(), vary: () => studio.vary(), restyle: restyleThis });
wireDrop({ onpicture: takeFile, onnetwork: takeNetwork, onmodel: (files) => models.add(files), onalien: refuse });
wireOffline();
addEventListener("hashchange", followLink);
desk.focusPrompt();
studio.open();
followLink();

/** Writes a job into the form at once, and says what of it cannot be had here. */
async function restore(job) {
  hush();
  const tab = TABS.findLast((one) => one.works && one.restore(job)) ?? TABS[0];
  tabs.choose(tab);
  desk.restore(job);
  const model = job.model ?? "mini";
  desk.expect(model);
  if (models.has(model) || (await models.find(model).catch(() => false))) return studio.use(model);
  desk.expect(studio.model);
  notice({
    title: `The model ${model} is not here`,
    text: `This job was made with it. ${studio.model} will draw something else from the same words.`,
    buttons: [["Show models", () => byId("open-models").click()], ["All right"]],
  });
}

/** Makes a picture the source of what is drawn next. */
async function restyleThis(picture) {
  tabs.choose(restyle);
  await restyle.takePicture(picture);
  desk.focusPrompt();
}

/** Takes a picture's file: as a photo where photos are chosen, else as a job that is restored, if it brings one. */
async function takeFile(file, aimed, place) {
  if (aimed && steer.takePicture(file, place)) return;
  const isPng = /\.png$/i.test(file.name) || file.type === "image/png";
  if (!aimed && isPng) return restoreFrom(file);
  await takePhoto(file);
}

/** Lets a network guide what is drawn. */
async function takeNetwork(file) {
  hush();
  tabs.choose(steer);
  await steer.takeNetwork(file);
}

async function takePhoto(file) {
  hush();
  tabs.choose(restyle);
  await restyle.take(file);
}

/** Restores the job that a dropped picture remembers, and shows the picture; one without a job can be a photo. */
async function restoreFrom(file) {
  try {
    const bytes = await file.arrayBuffer();
    const { job } = await engine.ask({ type: "read-png", bytes }, [bytes]);
    const [width, height] = sides(job.size) ?? [512, 512];
    sky.show({ job, seed: job.seed, width, height, png: file });
    restore(checked(job));
    toast("Its job is restored. Generate makes it again.");
  } catch (error) {
    notice({
      title: `${file.name} brings no job`,
      text: error.message,
      buttons: [["Restyle it", () => takePhoto(file)], ["All right"]],
      ways: ["Pictures that Guidestar made carry their job inside the file. Sites and messengers that shrink pictures throw it away: the file as it was downloaded still has it."],
    });
  }
}

/** Says what was dropped, and what could have been. */
function refuse(names) {
  notice({
    title: names.length === 1 ? `${names[0]} is of no use here` : "Those files are of no use here",
    text: "What can be dropped: a PNG that Guidestar made, to restore its job; a photo, to restyle it; an ONNX network, to be guided by it; a Stable Diffusion 1.x checkpoint, as one .safetensors file or as a folder in the diffusers layout.",
    buttons: [["All right"]],
  });
}

/** Restores the job that the address carries. */
function followLink() {
  try {
    const job = linked(location.hash);
    if (!job) return;
    restore(job);
    toast("This link brought a job. Generate makes its picture.");
  } catch (error) {
    notice({ title: "This link brings no job", text: error.message, buttons: [["All right"]] });
  }
}
