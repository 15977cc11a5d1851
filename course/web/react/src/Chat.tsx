import { type KeyboardEvent, memo, useEffect, useLayoutEffect, useRef, useSyncExternalStore } from "react";
import { type Conversation, type Exchange, type State, lengthOf } from "../../page/conversation.js";
import icon from "../../page/icon.svg";
import { endingWords, leftOutWords, lengthWords, problemWords, waitWords } from "../../page/words.js";

/** The whole screen: what was said, and the form for what is said next. */
export function Chat({ conversation }: { conversation: Conversation }) {
  const state = useSyncExternalStore(conversation.subscribe, () => conversation.state);
  const prompt = useRef<HTMLTextAreaElement>(null);
  useStopOnEscape(conversation);
  useFollow(state.exchanges.at(-1));

  function focusAnd(action: () => void) {
    prompt.current?.focus();
    action();
  }

  return (
    <>
      <a className="skip" href="#prompt">
        Skip to your message
      </a>
      <header>
        <h1>
          <img src={icon} alt="" width="28" height="28" /> Chat
        </h1>
        <p className="hint">{state.limits && `Model: ${state.limits.model}`}</p>
        <button className="quiet" type="button" onClick={() => focusAnd(() => conversation.restart())}>
          New conversation
        </button>
      </header>
      <main>
        {state.exchanges.length === 0 && (
          <div className="lead">
            <p>Ask something. The answer appears here while it is written.</p>
            <p>
              Your words go to this server, and from there to the model: no tokens, no passwords. Nothing is stored in
              this browser.
            </p>
          </div>
        )}
        <ol aria-label="Conversation">
          {state.exchanges.map((exchange, index) => (
            <Item key={index} {...exchange} />
          ))}
        </ol>
      </main>
      <form
        aria-label="Your turn"
        onSubmit={(event) => {
          event.preventDefault();
          focusAnd(() => conversation.send());
        }}
      >
        <Problem {...state} />
        <p className="hint">{leftOutWords(state.leftOut)}</p>
        <label htmlFor="prompt">Your message</label>
        <textarea
          id="prompt"
          ref={prompt}
          rows={2}
          autoComplete="off"
          enterKeyHint="send"
          aria-describedby="keys length"
          value={state.draft}
          onChange={(event) => conversation.write(event.target.value)}
          onKeyDown={(event) => sendOnEnter(event, conversation)}
        />
        <div className="row">
          <p className="hint">
            <span className="keys" id="keys">
              Enter sends, Shift+Enter makes a new line, Esc stops.
            </span>{" "}
            <span id="length">{lengthWords(lengthOf(state.draft), state.limits?.max_characters ?? 0)}</span>
          </p>
          {/* To hide or to disable a button would throw away the focus that it may have. */}
          <button
            className="quiet"
            type="button"
            aria-disabled={!state.isAsking}
            onClick={() => focusAnd(() => conversation.stop())}
          >
            Stop
          </button>
          <button aria-disabled={state.isAsking || state.waitSeconds > 0}>
            Send <span aria-hidden="true">{state.waitSeconds > 0 && `(${waitWords(state.waitSeconds)})`}</span>
          </button>
        </div>
      </form>
      <p className="unseen" role="status">
        {state.news}
      </p>
    </>
  );
}

/** Text from the model stands between braces, so React writes it as text. */
const Item = memo(function Item({ question, answer, ending }: Exchange) {
  return (
    <li>
      <h2>You</h2>
      <p className="question" dir="auto">
        {question}
      </p>
      <h2>Answer</h2>
      <p className="answer" dir="auto" aria-busy={ending === "coming"}>
        {answer}
      </p>
      <p className="ending">{endingWords(ending)}</p>
    </li>
  );
});

/** The region is there before the problem, or a screen reader would not notice what comes into it. */
function Problem({ problem, limits }: State) {
  const words = problem && problemWords(problem.kind, { max: limits?.max_characters, seconds: problem.seconds });
  return (
    <div role="alert">
      {words && (
        <div className="errors">
          <p>
            <strong>{words.title}</strong> <span>{words.advice}</span>
          </p>
          {problem.id && (
            <p className="operator">
              Tell the operator: <code>{problem.id}</code>
            </p>
          )}
        </div>
      )}
    </div>
  );
}

function sendOnEnter(event: KeyboardEvent, conversation: Conversation) {
  // While one word is composed from several keys, as in Japanese, Enter ends that word.
  if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
  event.preventDefault();
  conversation.send();
}

function useStopOnEscape(conversation: Conversation) {
  useEffect(() => {
    const stop = (event: globalThis.KeyboardEvent) => {
      if (event.key === "Escape") conversation.stop();
    };
    document.addEventListener("keydown", stop);
    return () => document.removeEventListener("keydown", stop);
  }, [conversation]);
}

/** Keep the end of the page in view, unless the reader has scrolled up. A new question leads there in any case. */
function useFollow(last: Exchange | undefined) {
  const atEnd = useRef(true);
  useEffect(() => {
    const look = () => {
      atEnd.current = innerHeight + scrollY > document.documentElement.scrollHeight - 80;
    };
    addEventListener("scroll", look);
    return () => removeEventListener("scroll", look);
  }, []);
  useLayoutEffect(() => {
    const isNew = last?.ending === "coming" && !last.answer;
    if (atEnd.current || isNew) scrollTo(0, document.documentElement.scrollHeight);
  });
}
