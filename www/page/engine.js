/**
 * The engine as the page sees it: a worker that is asked for things and says what happens. Both sides' words are listed
 * in src/web/messages.rs.
 */

export class Engine {
  #worker = null;
  #hearers = new Map();
  #questions = new Map();
  #lastId = 0;
  /** Which worker this is, counted from 1: what an earlier one held is gone. */
  life = 0;
  /** Whether this worker has said anything yet. */
  #spoke = false;

  /** Whether there is a worker that can be asked. */
  get runs() {
    return this.#worker !== null;
  }

  /** Starts the worker, in place of one that runs; `opened` or `unavailable` is the first thing it says. */
  start() {
    this.end();
    this.life += 1;
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module", name: "guidestar" });
    this.#worker = worker;
    this.#spoke = false;
    worker.addEventListener("message", ({ data }) => {
      if (worker !== this.#worker) return;
      this.#spoke = true;
      this.#hear(data);
    });
    worker.addEventListener("error", (error) => {
      error.preventDefault();
      if (worker === this.#worker) this.#crash(error.message);
    });
    worker.addEventListener("messageerror", () => this.#crash("a message could not be read"));
    this.post({ type: "open", precision: "auto" });
  }

  /** Ends the worker, and with it everything it holds on the GPU. */
  end() {
    this.#worker?.terminate();
    this.#worker = null;
    for (const { reject } of this.#questions.values()) reject(new Error("the engine was ended"));
    this.#questions.clear();
  }

  /** Calls `hearer` with each message of this type that answers no question. */
  on(type, hearer) {
    this.#hearers.set(type, [...(this.#hearers.get(type) ?? []), hearer]);
  }

  /** Asks for something that is answered by any number of messages; they carry the number that this returns. */
  post(message, moved = []) {
    const id = ++this.#lastId;
    this.#worker?.postMessage({ ...message, id }, moved);
    return id;
  }

  /** Asks for something that is answered once. Throws what the worker says when it does not work, and when there is none. */
  ask(message, moved = []) {
    if (!this.runs) return Promise.reject(new Error("the engine is not running: start it again"));
    const id = this.post(message, moved);
    return new Promise((resolve, reject) => this.#questions.set(id, { resolve, reject }));
  }

  #hear(message) {
    const question = this.#questions.get(message.id);
    if (question) {
      this.#questions.delete(message.id);
      if (message.type === "failed") question.reject(new Failure(message));
      else question.resolve(message);
      return;
    }
    for (const hearer of this.#hearers.get(message.type) ?? []) hearer(message);
  }

  #crash(message) {
    this.end();
    this.#hear({ type: "crashed", message: message ?? "", spoke: this.#spoke });
  }
}

/** What the worker said when something did not work: a sentence, and its causes. */
export class Failure extends Error {
  constructor({ message, causes = [] }) {
    super(message);
    this.causes = causes;
  }
}
