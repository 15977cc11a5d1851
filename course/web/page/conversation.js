import { Failure, ask, loadLimits } from "./proxy.js";
import { READY, endingWords } from "./words.js";

/** @import { Limits, Message } from "./proxy.js" */
/** @import { Ending } from "./words.js" */

/**
 * @typedef {{ question: string, answer: string, ending: Ending }} Exchange
 *
 * What a page shows. draft: the text in the box. leftOut: how many of the first exchanges are no longer sent along.
 * waitSeconds: until the next message may be sent. news: what a screen reader says.
 * @typedef {{
 *   limits: Limits | null, exchanges: Exchange[], draft: string, leftOut: number,
 *   isAsking: boolean, problem: Failure | null, waitSeconds: number, news: string
 * }} State
 */

/** @type {State} */
const START = {
  limits: null,
  exchanges: [],
  draft: "",
  leftOut: 0,
  isAsking: false,
  problem: null,
  waitSeconds: 0,
  news: "",
};
const WAIT_IF_UNKNOWN_SECONDS = 10;

/** Characters as the server counts them: an emoji is one. @param {string} text */
export const lengthOf = (text) => [...text].length;

/**
 * The question with as many of the newest exchanges before it as the server takes. What people see is what is sent.
 * @param {Exchange[]} exchanges
 * @param {string} question
 * @param {Limits} limits
 * @returns {{ messages: Message[], leftOut: number }}
 */
export function messagesFor(exchanges, question, { max_messages, max_characters }) {
  /** @type {Message[]} */
  let messages = [{ role: "user", content: question }];
  let characters = lengthOf(question);
  for (let index = exchanges.length - 1; index >= 0; index--) {
    const { question, answer } = /** @type {Exchange} */ (exchanges[index]);
    characters += lengthOf(question) + lengthOf(answer);
    if (messages.length + 2 > max_messages || characters > max_characters) return { messages, leftOut: index + 1 };
    messages = [{ role: "user", content: question }, { role: "assistant", content: answer }, ...messages];
  }
  return { messages, leftOut: 0 };
}

/** A conversation with the proxy. It lives as long as its page, and nothing of it is stored. */
export class Conversation {
  #state = START;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  #abort = new AbortController();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #countdown;

  constructor() {
    loadLimits().then(
      (limits) => this.#set({ limits }),
      () => {}, // the first message asks again, and tells
    );
  }

  /** A new object after each change. */
  get state() {
    return this.#state;
  }

  /** Call `listener` after each change; the function that is returned ends that. @param {() => void} listener */
  subscribe = (listener) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** @param {string} draft */
  write(draft) {
    this.#set({ draft });
  }

  /** Send the draft. Nothing happens while an answer comes, or while it is not yet time. */
  async send() {
    const { draft, exchanges, isAsking, waitSeconds } = this.#state;
    const question = draft.trim();
    if (!question || isAsking || waitSeconds) return;
    const abort = (this.#abort = new AbortController());
    const coming = /** @type {Exchange} */ ({ question, answer: "", ending: "coming" });
    this.#set({ exchanges: [...exchanges, coming], draft: "", isAsking: true, problem: null, news: "" });
    try {
      const limits = this.#state.limits ?? (await loadLimits());
      if (lengthOf(question) > limits.max_characters) throw new Failure("too_long");
      const { messages, leftOut } = messagesFor(exchanges, question, limits);
      this.#set({ limits, leftOut });
      this.#end(await ask(messages, limits, abort.signal, (text) => this.#grow(text)));
    } catch (error) {
      if (this.#abort !== abort) return; // a new conversation has begun
      if (abort.signal.aborted) this.#end("stopped");
      else this.#fail(error instanceof Failure ? error : new Failure("internal"));
    }
  }

  /** End the answer that comes. The proxy then ends its call upstream, and nobody pays for the rest. */
  stop() {
    this.#abort.abort();
  }

  /** Forget what was said. The draft stays. */
  restart() {
    this.stop();
    this.#abort = new AbortController();
    const { limits, draft, waitSeconds } = this.#state;
    this.#set({ ...START, limits, draft, waitSeconds });
  }

  /** @param {string} text */
  #grow(text) {
    const { earlier, last } = this.#parts();
    this.#set({ exchanges: [...earlier, { ...last, answer: last.answer + text }] });
  }

  /** @param {Ending} ending */
  #end(ending) {
    const { answer } = this.#parts().last;
    if (!answer && ending !== "stopped") this.#fail(new Failure("empty"));
    else this.#finish(ending, { news: `${ending === "stopped" ? "" : `Answer: ${answer} `}${endingWords(ending)}` });
  }

  /** @param {Failure} failure */
  #fail(failure) {
    const { answer } = this.#parts().last;
    const seconds = failure.seconds || (failure.kind === "rate_limited" ? WAIT_IF_UNKNOWN_SECONDS : 0);
    const kind = failure.kind === "broken" && !answer ? "bad_gateway" : failure.kind;
    this.#finish("broken", { problem: new Failure(kind, { id: failure.id, seconds }), waitSeconds: seconds });
    if (seconds) this.#waitUntil(Date.now() + 1000 * seconds);
  }

  /**
   * An exchange with a part of an answer stays. One without leaves, and its question goes back into the box.
   * @param {Ending} ending
   * @param {Partial<State>} change
   */
  #finish(ending, change) {
    const { earlier, last } = this.#parts();
    const kept = last.answer
      ? { exchanges: [...earlier, { ...last, ending }] }
      : { exchanges: earlier, draft: [last.question, this.#state.draft].filter(Boolean).join("\n\n") };
    this.#set({ isAsking: false, ...kept, ...change });
  }

  /** @param {number} time in milliseconds */
  #waitUntil(time) {
    clearInterval(this.#countdown);
    this.#countdown = setInterval(() => {
      const waitSeconds = Math.max(0, Math.ceil((time - Date.now()) / 1000));
      if (waitSeconds) return this.#set({ waitSeconds });
      clearInterval(this.#countdown);
      this.#set({ waitSeconds, problem: null, news: READY });
    }, 1000);
  }

  #parts() {
    const earlier = this.#state.exchanges.slice(0, -1);
    return { earlier, last: /** @type {Exchange} */ (this.#state.exchanges.at(-1)) };
  }

  /** @param {Partial<State>} change */
  #set(change) {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}
