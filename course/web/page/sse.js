/**
 * @typedef {{ type: string, data: string }} ServerSentEvent
 */

const MAX_EVENT_CHARACTERS = 1_000_000;

/**
 * Server-sent events out of text that comes in pieces of any size.
 *
 * Source: WHATWG HTML, 9.2.5 and 9.2.6, 2026-11-24. The browser's own EventSource cannot POST, and hides the status and
 * the headers. Left out: `id` and `retry`, which serve reconnecting. A chat that is asked again costs again.
 */
export class SseParser {
  #unfinished = "";
  #afterCr = false;
  #type = "";
  /** @type {string[]} */
  #data = [];
  #size = 0;

  /**
   * The events that this piece completes. An unfinished one waits for its blank line, and is dropped without it.
   * Throws RangeError for an event of more than a million characters.
   * @param {string} piece
   * @returns {ServerSentEvent[]}
   */
  push(piece) {
    if (!piece) return [];
    // A CR has ended the line already; an LF at the start of the next piece belongs to it.
    const text = this.#afterCr && piece.startsWith("\n") ? piece.slice(1) : piece;
    this.#afterCr = piece.endsWith("\r");
    const lines = (this.#unfinished + text).split(/\r\n|\r|\n/);
    this.#unfinished = lines.pop() ?? "";
    const events = lines.flatMap((line) => this.#line(line));
    if (this.#size + this.#unfinished.length > MAX_EVENT_CHARACTERS) throw new RangeError("an event without end");
    return events;
  }

  /**
   * @param {string} line
   * @returns {ServerSentEvent[]}
   */
  #line(line) {
    if (line === "") return this.#dispatch();
    this.#size += line.length;
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    return []; // any other name is ignored; none at all, ":", is a comment
  }

  #dispatch() {
    const event = { type: this.#type || "message", data: this.#data.join("\n") };
    const isEvent = this.#data.length > 0;
    [this.#type, this.#data, this.#size] = ["", [], 0];
    return isEvent ? [event] : [];
  }
}

/**
 * The events of a response's body, as they come. Closes the body at its end, and when the caller stops early.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<ServerSentEvent, void>}
 */
export async function* events(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder(); // drops one byte order mark, and keeps the half of a character for the next piece
  const parser = new SseParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
