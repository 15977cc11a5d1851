import { events } from "./sse.js";

/** @import { Kind } from "./words.js" */

/**
 * @typedef {{ role: "user" | "assistant", content: string }} Message
 * @typedef {{ model: string, max_messages: number, max_characters: number, max_tokens: number }} Limits
 */

/** @type {Record<number, Kind>} */
const KINDS = {
  400: "not_accepted",
  404: "no_model",
  408: "unreachable", // what we sent came in too slowly
  413: "too_long",
  429: "rate_limited",
  502: "bad_gateway",
  503: "unavailable",
  504: "timeout",
};
const LONGEST_WAIT_SECONDS = 3600;

/** Why there is no answer, or no whole one. id: for the operator to find it. seconds: to wait, 0 if that is unknown. */
export class Failure extends Error {
  /**
   * @param {Kind} kind
   * @param {{ id?: string | null, seconds?: number }} [more]
   */
  constructor(kind, { id = null, seconds = 0 } = {}) {
    super(kind);
    this.kind = kind;
    this.id = id;
    this.seconds = seconds;
  }
}

/** What the server takes. Throws Failure. @returns {Promise<Limits>} */
export async function loadLimits() {
  const response = await reach("/limits.json");
  if (!response.ok) throw await refusal(response);
  return response.json().catch(() => Promise.reject(new Failure("not_ours")));
}

/**
 * Send `messages`, and call `onText` for each piece of the answer. Tells whether it is whole, or cut at its greatest
 * length. Throws Failure, or what `signal` was aborted with.
 * @param {Message[]} messages
 * @param {Limits} limits
 * @param {AbortSignal} signal
 * @param {(text: string) => void} onText
 * @returns {Promise<"whole" | "cut">}
 */
export async function ask(messages, { model, max_tokens }, signal, onText) {
  const body = JSON.stringify({ model, messages, max_tokens, stream: true });
  const headers = { "Content-Type": "application/json" };
  const response = await reach("/api/chat", { method: "POST", headers, body, signal });
  if (!response.ok) throw await refusal(response);
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  if (!response.body || !isStream) throw new Failure("not_ours");
  try {
    return await read(response.body, onText);
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof Failure && error.id ? error : new Failure("broken", { id: requestId(response) });
  }
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {(text: string) => void} onText
 * @returns {Promise<"whole" | "cut">}
 */
async function read(body, onText) {
  let cut = false;
  for await (const { type, data } of events(body)) {
    if (type === "error") throw new Failure("broken", { id: JSON.parse(data).error.id });
    if (type !== "message") continue;
    if (data === "[DONE]") return cut ? "cut" : "whole";
    const [choice] = JSON.parse(data).choices; // none where only the usage is told
    if (choice?.delta.content) onText(choice.delta.content);
    cut ||= choice?.finish_reason === "length";
  }
  throw new Failure("broken"); // without [DONE] nobody knows whether this was all
}

/**
 * No cookies go along and nothing is kept: the page needs neither.
 * @param {string} path
 * @param {RequestInit} [options]
 */
async function reach(path, options = {}) {
  try {
    return await fetch(path, { credentials: "omit", cache: "no-store", ...options });
  } catch {
    options.signal?.throwIfAborted();
    throw new Failure(navigator.onLine ? "unreachable" : "offline");
  }
}

/** @param {Response} response */
async function refusal(response) {
  const { error } = await response.json().catch(() => ({})); // a 413 is plain text
  const told = Number(response.headers.get("retry-after"));
  const seconds = told > 0 ? Math.min(Math.ceil(told), LONGEST_WAIT_SECONDS) : 0;
  return new Failure(kindOf(response.status, error, seconds), { id: error?.id ?? requestId(response), seconds });
}

/**
 * @param {number} status
 * @param {{ problems?: { where: string }[] } | undefined} error
 * @param {number} seconds
 * @returns {Kind}
 */
function kindOf(status, error, seconds) {
  if (status === 422) {
    const places = error?.problems?.map(({ where }) => where) ?? [];
    if (places.includes("body.model")) return "no_model";
    return places.some((where) => where.startsWith("body.messages")) ? "too_long" : "not_accepted";
  }
  return status === 503 && seconds ? "busy" : (KINDS[status] ?? "internal");
}

/** @param {Response} response */
function requestId(response) {
  return response.headers.get("x-request-id");
}
