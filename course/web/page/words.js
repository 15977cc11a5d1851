/**
 * What people read when something goes wrong: what happened, and what they can do. Both pages say the same.
 * {max} is filled in with the greatest number of characters, {wait} with the time to wait.
 * @satisfies {Record<string, { title: string, advice: string }>}
 */
export const PROBLEMS = {
  too_long: {
    title: "That is too long.",
    advice: "The server takes {max} characters in all. Shorten your message, or start a new conversation.",
  },
  not_accepted: {
    title: "The server did not accept this message.",
    advice: "Change it, or start a new conversation.",
  },
  no_model: {
    title: "This model is not available.",
    advice: "Other words do not change that: the operator has to.",
  },
  rate_limited: {
    title: "Too many messages in a short time.",
    advice: "Your message is kept. You can send it in {wait}.",
  },
  busy: {
    title: "Many people are asking at the moment.",
    advice: "Your message is kept. You can send it in {wait}.",
  },
  unavailable: {
    title: "The service is not available at the moment.",
    advice: "Your message is kept. Try again in some minutes.",
  },
  bad_gateway: {
    title: "The model cannot be reached at the moment.",
    advice: "Your message is kept. Try again in a minute.",
  },
  timeout: {
    title: "The model took too long.",
    advice: "Your message is kept. Ask for a shorter answer, or try again.",
  },
  internal: {
    title: "Something went wrong on the server.",
    advice: "It is not your fault. Your message is kept: try again.",
  },
  empty: {
    title: "The model found no words.",
    advice: "Your message is kept. Put it in other words, or ask for less at once.",
  },
  broken: {
    title: "The answer broke off.",
    advice: "What has come is kept, and is incomplete. Ask again, or ask to go on.",
  },
  offline: {
    title: "You are offline.",
    advice: "Your message is kept. Send it when the connection is back.",
  },
  unreachable: {
    title: "The server cannot be reached.",
    advice: "Your message is kept. Look at your connection and try again. Perhaps the server is not running.",
  },
  not_ours: {
    title: "Somebody else answered in the place of the server.",
    advice: "Perhaps this network wants you to log in: open another website, then come back. Your message is kept.",
  },
};

/** @typedef {keyof typeof PROBLEMS} Kind */

/** What stands below an answer that is not whole. An ending that is not here needs no word. */
export const ENDINGS = {
  stopped: "Stopped by you. Incomplete.",
  broken: "Incomplete: it broke off here.",
  cut: "Incomplete: it has reached the greatest length.",
};

/** @typedef {"coming" | "whole" | keyof typeof ENDINGS} Ending */

export const READY = "You can send again.";

/**
 * @param {Kind} kind
 * @param {{ max?: number | undefined, seconds?: number }} numbers
 */
export function problemWords(kind, { max = 0, seconds = 0 }) {
  const { title, advice } = PROBLEMS[kind];
  return { title, advice: advice.replace("{max}", numberWords(max)).replace("{wait}", waitWords(seconds)) };
}

/** @param {Ending} ending */
export function endingWords(ending) {
  return ending === "coming" || ending === "whole" ? "" : ENDINGS[ending];
}

/** @param {number} seconds */
export function waitWords(seconds) {
  if (seconds >= 120) return `${Math.ceil(seconds / 60)} minutes`;
  return seconds === 1 ? "1 second" : `${seconds} seconds`;
}

/** How full the box is, when that begins to matter. @param {number} length @param {number} max */
export function lengthWords(length, max) {
  return length > 0.8 * max ? `${numberWords(length)} of ${numberWords(max)} characters.` : "";
}

/** @param {number} count */
export function leftOutWords(count) {
  if (!count) return "";
  const first = count === 1 ? "The first question is" : `The first ${count} questions are`;
  return `${first} no longer sent along: the server does not take a longer conversation.`;
}

/** @param {number} number */
function numberWords(number) {
  return number.toLocaleString("en");
}
