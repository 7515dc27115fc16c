/** The studio: takes jobs to the engine, and what the engine says to the sky. */

import { advice } from "./browsers.js";
import { byId, speak, toast } from "./dom.js";
import { alone, drawnSeed, sides } from "./job.js";
import { hush, notice } from "./notice.js";
import { bytes } from "./numbers.js";
import { keepForOffline } from "./offline.js";

/** How long typing must rest before the memory of a job is asked for. */
const REST_MS = 250;

export class Studio {
  /** The run under way, or the last one: its job, tab and pictures. */
  run = null;
  #working = false;
  #ready = false;
  #model = "mini";
  #device = byId("device");
  #needTimer;

  constructor({ engine, desk, tabs, sky, progress, past, models, bench }) {
    Object.assign(this, { engine, desk, tabs, sky, progress, past, models, bench });
    engine.on("opened", ({ device }) => this.#opened(device));
    engine.on("unavailable", ({ reason, message }) => this.#unavailable(reason, message));
    engine.on("loaded", (message) => this.#loaded(message));
    engine.on("event", ({ event }) => this.#event(event));
    engine.on("preview", (message) => this.#preview(message));
    engine.on("picture", (message) => this.#picture(message));
    engine.on("lost", ({ message }) => this.#lost(message));
    engine.on("crashed", ({ message }) => this.#crashed(message));
    engine.on("failed", ({ message, causes }) => this.#failed(message, causes));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && !this.#working) this.progress.hide();
    });
  }

  /** Opens the device and loads the model that comes with the page. */
  open() {
    this.#ready = false;
    this.progress.show({ what: "Starting", title: "Starting" });
    this.engine.start();
    this.#load();
  }

  #load() {
    this.#ready = false;
    this.engine.post({ type: "load", model: this.#model });
  }

  get model() {
    return this.#model;
  }

  /** Makes pictures from a model from now on. */
  use(model) {
    if (model === this.#model) return;
    this.#model = model;
    this.models.setCurrent(model);
    this.#load();
  }

  /** Starts what the form spells. */
  generate() {
    if (this.#working || !this.tabs.current.works || !this.desk.valid()) return;
    this.begin(this.tabs.current.amend(this.desk.nextJob(this.#model)));
  }

  /** The job of the form again, with a seed nobody chose. */
  again() {
    if (this.#working || !this.desk.valid()) return;
    this.desk.setSeed(drawnSeed());
    this.generate();
  }

  /** Four pictures of the form's job. */
  vary() {
    if (this.#working || !this.desk.valid()) return;
    this.desk.setSeed(drawnSeed());
    this.begin({ ...this.tabs.current.amend(this.desk.nextJob(this.#model)), count: 4 });
  }

  /** Starts a job. It waits in the worker until the device is open and the model loaded. */
  begin(job) {
    hush();
    this.run = { job, tab: this.tabs.current, pictures: [], secs: [], step: 0, of: 0, pinned: false };
    this.#setWorking(true);
    this.#showTiles(job.count);
    if (this.#ready || !this.sky.shown) this.sky.wait("Aiming");
    this.progress.show({ what: this.#ready ? "Preparing" : "Waiting for the model", title: "Preparing" });
    this.engine.post({ type: "start", job, previews: true });
    // On a phone the sky is below the form.
    const stage = byId("stage");
    if (stage.getBoundingClientRect().top > innerHeight * 0.6) stage.scrollIntoView({ behavior: "smooth", block: "start" });
  }

  /** Ends the run within a step. */
  stop() {
    this.engine.post({ type: "stop" });
    byId("stop").textContent = "Stopping";
    // A loading ends too: it begins anew, with nothing waiting for it.
    if (!this.#ready) this.#load();
  }

  /** Asks what the form's job would take, once typing rests. */
  changed() {
    clearTimeout(this.#needTimer);
    this.#needTimer = setTimeout(() => this.#askNeeds(), REST_MS);
  }

  async #askNeeds() {
    const line = byId("need");
    if (!this.#ready || !byId("form").checkValidity()) return;
    let text = "";
    let wrong = false;
    try {
      const needs = await this.engine.ask({ type: "needs", job: this.tabs.current.amend(this.desk.job(this.#model)) });
      wrong = Boolean(needs.problem);
      text = needs.problem ?? `Takes ${bytes(needs.total_bytes)} of GPU memory.`;
    } catch (error) {
      wrong = true;
      text = error.message;
    }
    line.textContent = text;
    line.classList.toggle("wrong", wrong);
  }

  #opened(device) {
    this.#device.dataset.state = device.software ? "slow" : "ready";
    const name = device.name || "GPU";
    byId("device-name").textContent = device.software ? `${name}, a processor playing the GPU: slow` : name;
    this.#device.title = `${name}, ${device.storage}`;
    this.bench.setDevice(device);
  }

  #unavailable(reason, message) {
    this.#ready = false;
    this.#device.dataset.state = "none";
    byId("device-name").textContent = "No GPU";
    this.#setWorking(false);
    this.progress.hide();
    this.sky.empty("No GPU to draw with");
    notice({ ...advice(reason, message), kind: "error", causes: message ? [message] : [], buttons: [["Try again", () => this.open()]] });
  }

  #loaded({ model, traits }) {
    this.#ready = true;
    this.#model = model;
    this.models.setCurrent(model);
    this.desk.setTraits(traits, model);
    if (!this.#working) {
      this.progress.hide();
      speak(`${model} is ready`);
    }
    this.engine.post({ type: "models" });
    this.changed();
    if (model === "mini") keepForOffline();
  }

  #event(event) {
    const run = this.run;
    switch (event.event) {
      case "loading":
        if (event.total_bytes > 0) this.progress.showBytes(`Loading ${event.part}`, event.done_bytes, event.total_bytes);
        break;
      case "preparing":
        this.progress.show({ what: `Preparing shaders, ${event.done} of ${event.of}`, title: "Preparing", fraction: event.done / event.of });
        break;
      case "started":
        if (!run) break;
        run.job = { ...event.job };
        run.of = event.steps;
        this.progress.show({ what: "Preparing the first step", title: "Preparing" });
        break;
      case "step":
        if (!run) break;
        Object.assign(run, { step: event.step, of: event.of });
        this.progress.showStep(event, run.job.count);
        break;
      case "picture":
        if (run) this.#timed(event.picture, event.secs);
        break;
      case "warning":
        toast(event.message);
        break;
      case "stopped":
        this.#ended();
        if (run && !this.sky.shown) this.sky.stopped(run.job, run.step, run.of);
        speak("Stopped");
        break;
      case "done":
        this.#ended();
        break;
      case "failed":
        this.#failed(event.message, event.causes);
        break;
      default:
    }
  }

  #preview(message) {
    const run = this.run;
    if (!this.#working || !run || run.pinned) return;
    this.sky.preview(message, run.job);
  }

  async #picture({ picture: at, seed, width, height, job, png }) {
    const run = this.run;
    if (!run) return;
    const picture = {
      job: job ?? alone(run.job, seed),
      seed,
      width,
      height,
      png: new Blob([png], { type: "image/png" }),
      secs: run.secs[at] ?? null,
      made: Date.now(),
    };
    run.pictures[at] = picture;
    if (!run.pinned) this.sky.show(picture);
    this.#showTiles(run.job.count);
    await this.past.keep(picture);
  }

  /** The run's pictures below the sky, with empty places up to `count`. */
  #showTiles(count) {
    const { run } = this;
    this.sky.tiles(run.pictures, count, (chosen) => {
      // What is looked at stays, whatever else gets ready.
      run.pinned = true;
      this.sky.show(chosen);
    });
  }

  #timed(at, secs) {
    const run = this.run;
    run.secs[at] = secs;
    const picture = run.pictures[at];
    if (!picture) return;
    picture.secs = secs;
    if (this.sky.shown === picture) this.sky.show(picture);
  }

  #ended() {
    this.#setWorking(false);
    const { prompt } = this.run?.job ?? {};
    if (this.run) this.#showTiles(this.run.pictures.length);
    this.progress.hide(document.hidden && prompt ? `Ready: ${prompt}` : "");
    if (this.run?.pictures.length) speak(`Ready: ${prompt}`);
  }

  #lost(message) {
    notice({
      title: "The GPU was lost",
      text: "The graphics driver took it away, as drivers do after a fault or when memory runs out. It is being opened again, and the picture goes on.",
      causes: message ? [message] : [],
      buttons: [["All right"]],
    });
  }

  #crashed(message) {
    this.#ready = false;
    this.#setWorking(false);
    this.progress.hide();
    this.#device.dataset.state = "none";
    byId("device-name").textContent = "Stopped";
    if (!this.sky.shown) this.sky.empty();
    notice({
      title: "The engine stopped",
      text: "That should not happen. It most often means that memory ran out: a smaller size, or a smaller model, takes less.",
      causes: message ? [message] : [],
      kind: "error",
      buttons: [["Start it again", () => this.open()]],
    });
  }

  #failed(message, causes = []) {
    this.bench.ready();
    // What the person ended themselves is no news.
    if (message === "interrupted") return;
    if (this.models.failed(message)) return;
    const run = this.#working ? this.run : null;
    this.#setWorking(false);
    this.progress.hide();
    if (!this.sky.shown) this.sky.empty();
    const buttons = run ? [["Try again", () => this.begin(run.job)]] : [["All right"]];
    const smaller = run && /memory/i.test([message, ...causes].join(" ")) && smallerSize(run.job.size);
    if (smaller) buttons.unshift([`Try ${smaller.replace("x", " × ")}`, () => this.begin({ ...run.job, size: smaller })]);
    notice({ title: run ? "That picture could not be made" : "That did not work", text: sentence(message), causes, kind: "error", buttons });
  }

  #setWorking(working) {
    this.#working = working;
    // Not `disabled`, which would take the keyboard's place away.
    byId("generate").setAttribute("aria-disabled", String(working));
    const stop = byId("stop");
    if (!working && document.activeElement === stop) byId("generate").focus();
    stop.hidden = !working;
    stop.textContent = "Stop";
  }
}

/** A message of the engine with a capital letter and a full stop. */
function sentence(message) {
  const text = message.trim();
  const ended = /[.!?]$/.test(text) ? text : `${text}.`;
  return ended.charAt(0).toUpperCase() + ended.slice(1);
}

/** Three quarters of a size, in steps of 64 pixels; null when there is nothing smaller. */
function smallerSize(size) {
  const now = sides(size);
  if (!now) return null;
  const then = now.map((px) => Math.max(Math.floor((px * 0.75) / 64) * 64, 64));
  return then.some((px, at) => px < now[at]) ? then.join("x") : null;
}
