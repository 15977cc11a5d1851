import { Conversation, lengthOf } from "./conversation.js";
import { endingWords, leftOutWords, lengthWords, problemWords, waitWords } from "./words.js";

/** @import { Exchange, State } from "./conversation.js" */

const conversation = new Conversation();
const form = /** @type {HTMLFormElement} */ (part("form"));
const prompt = /** @type {HTMLTextAreaElement} */ (part("prompt"));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  prompt.focus();
  conversation.send();
});
prompt.addEventListener("input", () => conversation.write(prompt.value));
prompt.addEventListener("keydown", (event) => {
  // While one word is composed from several keys, as in Japanese, Enter ends that word.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  conversation.send();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") conversation.stop();
});
part("stop").addEventListener("click", () => {
  prompt.focus();
  conversation.stop();
});
part("restart").addEventListener("click", () => {
  prompt.focus();
  conversation.restart();
});
conversation.subscribe(() => show(conversation.state));
show(conversation.state);

/** @param {State} state */
function show(state) {
  const max = state.limits?.max_characters ?? 0;
  const follows = isAtEnd() || isNew(state.exchanges.at(-1));
  write("model", state.limits ? `Model: ${state.limits.model}` : "");
  part("empty").hidden = state.exchanges.length > 0;
  showExchanges(state.exchanges);
  showProblem(state, max);
  write("left-out", leftOutWords(state.leftOut));
  if (prompt.value !== state.draft) prompt.value = state.draft;
  write("length", lengthWords(lengthOf(state.draft), max));
  // To hide or to disable a button would throw away the focus that it may have.
  part("stop").ariaDisabled = String(!state.isAsking);
  part("send").ariaDisabled = String(state.isAsking || state.waitSeconds > 0);
  write("wait", state.waitSeconds ? `(${waitWords(state.waitSeconds)})` : "");
  write("news", state.news);
  if (follows) scrollTo(0, document.documentElement.scrollHeight);
}

/** Each answer only grows, so that what a reader has selected in it stays selected. @param {Exchange[]} exchanges */
function showExchanges(exchanges) {
  const log = part("log");
  while (log.children.length > exchanges.length) log.lastElementChild?.remove();
  exchanges.forEach(({ question, answer, ending }, index) => {
    const item = log.children[index] ?? log.appendChild(newItem(question));
    const answered = within(item, ".answer");
    answered.append(answer.slice(answered.textContent.length));
    answered.ariaBusy = String(ending === "coming");
    within(item, ".ending").textContent = endingWords(ending);
  });
}

/** @param {string} question */
function newItem(question) {
  const template = /** @type {HTMLTemplateElement} */ (part("exchange"));
  const item = /** @type {Element} */ (template.content.firstElementChild?.cloneNode(true));
  within(item, ".question").textContent = question;
  return item;
}

/** @param {State} state @param {number} max */
function showProblem({ problem }, max) {
  if (problem) {
    const { title, advice } = problemWords(problem.kind, { max, seconds: problem.seconds });
    write("title", title);
    write("advice", advice);
    write("error-id", problem.id ?? "");
    part("operator").hidden = !problem.id;
  }
  part("problem").hidden = !problem;
}

/**
 * A screen reader says a text again whenever it is written, so only a new one is.
 * @param {string} id
 * @param {string} text
 */
function write(id, text) {
  if (part(id).textContent !== text) part(id).textContent = text;
}

function isAtEnd() {
  return innerHeight + scrollY > document.documentElement.scrollHeight - 80;
}

/** @param {Exchange | undefined} exchange */
function isNew(exchange) {
  return exchange?.ending === "coming" && !exchange.answer;
}

/** @param {string} id */
function part(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {Element} item @param {string} selector */
function within(item, selector) {
  return /** @type {HTMLElement} */ (item.querySelector(selector));
}
