/** The studio: takes jobs to the engine, and what the engine says to the sky. */

import { advice } from "./browsers.js";
import { lossCurve } from "./curve.js";
import { byId, speak, toast } from "./dom.js";
import { drawnSeed, sides } from "./job.js";
import { masksOf } from "./mask.js";
import { hush, notice } from "./notice.js";
import { bytes } from "./numbers.js";
import { keepForOffline } from "./offline.js";

/** What to do when a job does not fit. */
const LESS = "A smaller size or a smaller model takes less, and so do other tabs when they are closed.";
/** How long typing must rest before the memory of a job is asked for. */
const REST_MS = 250;

export class Studio {
  /** The run under way, or the last one: its job, tab and pictures. */
  run = null;
  #working = false;
  #ready = false;
  #model = "mini";
  /** The number of the last question for a model. */
  #loading = 0;
  #device = byId("device");
  #needTimer;
  /** Whether what is under way is to be drawn anew as soon as it has stopped. */
  #redraws = false;
  /** Pictures that need not be drawn again, by their jobs as JSON. */
  #reusable = new Map();

  constructor({ engine, desk, tabs, sky, progress, past, models, bench }) {
    Object.assign(this, { engine, desk, tabs, sky, progress, past, models, bench });
    engine.on("opened", ({ device }) => this.#opened(device));
    engine.on("unavailable", ({ reason, message }) => this.#unavailable(reason, message));
    engine.on("loaded", (message) => this.#loaded(message));
    engine.on("event", ({ event }) => this.#event(event));
    engine.on("preview", (message) => this.#preview(message));
    engine.on("source", (message) => this.#source(message));
    engine.on("picture", (message) => this.#picture(message));
    engine.on("lost", ({ message }) => this.#lost(message));
    engine.on("crashed", ({ message, spoke }) => this.#crashed(message, spoke));
    engine.on("failed", ({ id, message, causes }) => {
      // Without a GPU no model is loaded, which was said already.
      if (id !== this.#loading || this.#hasGpu) this.#failed(message, causes);
    });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && !this.#working) this.progress.hide();
    });
  }

  /** Opens the device and loads the model that comes with the page. */
  open() {
    this.#ready = false;
    delete this.#device.dataset.state;
    byId("device-name").textContent = "Looking for a GPU";
    this.progress.show({ what: "Starting", title: "Starting" });
    this.engine.start();
    this.#load();
  }

  #load() {
    this.#ready = false;
    this.#loading = this.engine.post({ type: "load", model: this.#model });
  }

  get #hasGpu() {
    return this.#device.dataset.state !== "none";
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
  async generate() {
    const tab = this.tabs.current;
    if (this.#working || !tab.works || !this.desk.valid()) return;
    if (!this.engine.runs) this.open();
    // Somebody who presses this has perhaps done what they were told to do.
    else if (!this.#hasGpu) return this.open();
    if (tab.prepare && !(await tab.prepare().catch((error) => this.#failed(error.message)))) return;
    if (!this.#working) this.begin(tab.plan(this.desk.nextJob(this.#model)));
  }

  /** Draws what is on show anew as the form now spells it, with the same seed: a control was let go. */
  redraw() {
    if (this.run?.tab !== this.tabs.current || this.run.pictures.length === 0 || !this.desk.valid()) return;
    if (this.#working) {
      this.#redraws = true;
      return this.stop();
    }
    this.begin(this.tabs.current.plan(this.desk.job(this.#model)), { inPlace: true });
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
    const { job } = this.tabs.current.plan(this.desk.nextJob(this.#model)).at(-1);
    this.begin([{ job: { ...job, count: 4 } }]);
  }

  /** Starts the parts of a plan. They wait in the worker until the device is open and the model loaded. */
  begin(parts, { inPlace = false } = {}) {
    hush();
    if (!this.engine.runs) this.open();
    this.run = { tab: this.tabs.current, parts, at: -1, job: parts[0].job, sources: {}, turns: [], pictures: [], step: 0, of: 0, pinned: false };
    this.#setWorking(true);
    this.#showTiles();
    if ((this.#ready && !inPlace) || !this.sky.shown) this.sky.wait("Aiming");
    this.progress.show({ what: this.#ready ? "Preparing" : "Waiting for the model", title: "Preparing" });
    this.#next();
    // On a phone the sky is below the form.
    const stage = byId("stage");
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
    if (stage.getBoundingClientRect().top > innerHeight * 0.6) stage.scrollIntoView({ behavior, block: "start" });
  }

  /** Starts the next part, or shows what became of all. */
  #next() {
    const { run } = this;
    run.at += 1;
    const part = run.parts[run.at];
    if (!part) return this.#ended();
    run.job = part.job;
    const made = part.reusable && this.#reusable.get(JSON.stringify(part.job));
    if (made) {
      run.pictures.push(made);
      this.#showTiles();
      return this.#next();
    }
    this.engine.post({ type: "start", job: part.job, previews: true });
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
      const needs = await this.engine.ask({ type: "needs", job: this.tabs.current.plan(this.desk.job(this.#model)).at(-1).job });
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
    if (model === "mini") keepForOffline();
    // Another was chosen meanwhile, and comes next.
    if (model !== this.#model) return;
    this.#ready = true;
    this.models.setCurrent(model);
    this.desk.setTraits(traits, model);
    if (!this.#working) {
      this.progress.hide();
      speak(`${model} is ready`);
    }
    this.engine.post({ type: "models" });
    this.changed();
  }

  #event(event) {
    const run = this.run;
    switch (event.event) {
      case "loading":
        if (event.total_bytes > 0) this.progress.showBytes(`Loading ${event.part}`, event.done_bytes, event.total_bytes);
        break;
      case "preparing":
        this.progress.showPreparing(event);
        break;
      case "started":
        if (!run) break;
        run.job = event.job;
        run.of = event.steps;
        this.progress.show({ what: "On the first step", title: "Preparing" });
        break;
      case "guided":
        if (!run) break;
        run.turns.push(event.losses);
        if (!run.pinned) this.sky.showBeside(lossCurve(run.turns));
        break;
      case "trace":
        this.progress.showTrace(event);
        break;
      case "step":
        if (!run) break;
        Object.assign(run, { step: event.step, of: event.of });
        this.progress.showStep(event, run.job.count, run.parts[run.at]?.label);
        break;
      case "picture":
        // Comes before the picture itself.
        if (run) run.secs = event.secs;
        break;
      case "warning":
        toast(event.message);
        break;
      case "stopped":
        this.#ended();
        if (this.#redraws) {
          this.#redraws = false;
          this.redraw();
          break;
        }
        if (run && !this.sky.shown) this.sky.stopped(run.job, run.step, run.of);
        speak("Stopped");
        break;
      case "done":
        if (run && this.#working) this.#next();
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

  /** What an edit begins with: shown until there is something of the edit. */
  #source({ what, width, height, job, png }) {
    const { run } = this;
    if (!run) return;
    const file = new Blob([png], { type: "image/png" });
    const own = job ?? drawnFirst(run.parts[run.at].job);
    run.sources[what] = { job: own, seed: own.seed, width, height, png: file };
    this.#showTiles();
    if (this.#working && !run.pinned && run.pictures.length === 0) this.sky.showSource(run.sources[what], "What the picture begins with");
  }

  async #picture(message) {
    const { seed, width, height, job, png } = message;
    const { run } = this;
    if (!run) return;
    const part = run.parts[run.at];
    const file = new Blob([png], { type: "image/png" });
    const picture = { job, seed, width, height, secs: run.secs, png: file, made: Date.now(), masks: masksOf(message), turns: run.turns };
    run.turns = [];
    run.pictures.push(picture);
    if (part?.reusable) this.#remember(part.job, picture);
    if (!run.pinned) this.#look({ picture, label: part?.label });
    this.#showTiles();
    await this.past.keep(picture);
  }

  #remember(job, picture) {
    this.#reusable.set(JSON.stringify(job), picture);
    // The last few: a picture is a few hundred kilobytes.
    if (this.#reusable.size > 8) this.#reusable.delete(this.#reusable.keys().next().value);
  }

  /** The run's pictures below the sky, and empty places for those that are to come. */
  #showTiles() {
    const { parts, pictures, sources } = this.run;
    const whole = parts.reduce((sum, { job }) => sum + job.count, 0);
    const labels = parts.length > 1 || sources.reconstruction ? parts.map(({ label }) => label) : [];
    const made = pictures.map((picture, at) => ({ picture, label: labels[at] }));
    const source = sources.reconstruction && { picture: sources.reconstruction, label: sources.picture ? "reconstruction" : "original" };
    const show = (entry) => {
      // What is looked at stays, whatever else gets ready.
      this.run.pinned = true;
      this.#look(entry);
    };
    const coming = this.#working ? whole - made.length : 0;
    this.sky.tiles(source ? [source, ...made] : made, Math.max(coming, 0), show, !source && !sources.picture && parts.length === 2 && made.length === 2);
  }

  /** Shows a picture of the run: an edit beside its original, others alone, or the two of the run where it is null. */
  #look(entry) {
    const { parts, pictures, sources } = this.run;
    const original = sources.picture ?? sources.reconstruction;
    if (!entry) return this.sky.compare(pictures, parts.map(({ label }) => label));
    if (!original || entry.picture === original) return this.sky.show(entry.picture);
    return this.sky.compare([original, entry.picture], ["original", entry.picture === sources.reconstruction ? "reconstruction" : "restyled"], entry.picture);
  }

  #ended() {
    const { run } = this;
    this.#setWorking(false);
    const prompt = run?.job.prompt ?? "";
    if (run) this.#showTiles();
    if (run?.parts.length === 2 && run.pictures.length === 2 && !run.sources.picture && !run.sources.reconstruction) this.#look(null);
    this.progress.hide(document.hidden && prompt ? `Ready: ${prompt}` : "");
    if (run?.pictures.length) speak(`Ready: ${prompt}`);
  }

  #lost(message) {
    notice({
      title: "The GPU was lost",
      text: "The graphics driver took it away, as drivers do after a fault or when memory runs out. It is being opened again, and the picture goes on.",
      causes: message ? [message] : [],
      buttons: [["All right"]],
    });
  }

  #crashed(message, spoke) {
    this.#ready = false;
    this.#setWorking(false);
    this.progress.hide();
    this.#device.dataset.state = "none";
    byId("device-name").textContent = "Stopped";
    if (!this.sky.shown) this.sky.empty();
    notice({
      title: spoke ? "The engine stopped" : "The engine did not start",
      text: spoke
        ? "That should not happen. It most often means that memory ran out: a smaller size, or a smaller model, takes less."
        : "Its program could not be fetched, or this browser is too old to run it. See to the connection, or update the browser.",
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
    const buttons = run ? [["Try again", () => this.begin(run.parts)]] : [["All right"]];
    const isFull = run && /memory|no room/i.test([message, ...causes].join(" "));
    const smaller = isFull && smallerSize(run.job.size);
    if (smaller) buttons.unshift([`Try ${smaller.replace("x", " × ")}`, () => this.begin(run.parts.map((part) => ({ ...part, job: { ...part.job, size: smaller } })))]);
    notice({ title: run ? "That picture could not be made" : "That did not work", text: isFull && !/smaller/.test(message) ? `${sentence(message)} ${LESS}` : sentence(message), causes, kind: "error", buttons });
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

/** The job of a picture that is drawn first, for an edit to begin with. */
function drawnFirst({ edit, ...job }) {
  const { prompt, negative = "", seed, cfg_scale } = edit.source;
  return { ...job, prompt, negative, seed, cfg_scale: cfg_scale ?? job.cfg_scale, steps: edit.inversion_steps };
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
