import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Conversation, messagesFor } from "../../page/conversation.js";
import { ENDINGS, PROBLEMS, problemWords } from "../../page/words.js";

const LIMITS = { model: "a/model", max_messages: 5, max_characters: 40, max_tokens: 9 };
const encoder = new TextEncoder();
const until = (check: () => void) => vi.waitFor(check, { interval: 1 });

/** A server that gives one answer, when the test says so. asked: what it was asked. */
function server() {
  const asked: RequestInit[] = [];
  let respond: (answer: Response | Promise<Response>) => void;
  let body: ReadableStreamDefaultController<Uint8Array>;
  vi.stubGlobal("navigator", { onLine: true });
  vi.stubGlobal("fetch", (path: string, options: RequestInit) => {
    if (path === "/limits.json") return Promise.resolve(Response.json(LIMITS));
    asked.push(options);
    return new Promise((resolve, reject) => {
      respond = resolve;
      options.signal?.addEventListener("abort", () => {
        reject(options.signal?.reason);
        body?.error(options.signal?.reason);
      });
    });
  });
  return {
    asked,
    refuse: (status: number, told: unknown, headers = {}) =>
      respond(new Response(typeof told === "string" ? told : JSON.stringify(told), { status, headers })),
    fail: (error: Error) => respond(Promise.reject(error)),
    open(headers: Record<string, string> = { "content-type": "text/event-stream; charset=utf-8" }) {
      respond(new Response(new ReadableStream({ start: (controller) => void (body = controller) }), { headers }));
    },
    send: (...texts: string[]) => texts.forEach((text) => body.enqueue(encoder.encode(`${text}\n\n`))),
    close: () => body.close(),
    breakOff: () => body.error(new TypeError("network error")),
  };
}

type Server = ReturnType<typeof server>;

const DONE = "data: [DONE]";
const USAGE = 'data: {"choices": [], "usage": {}}';
const piece = (content: string, finish_reason?: string) =>
  `data: ${JSON.stringify({ choices: [{ delta: { content }, finish_reason }] })}`;

/** A conversation that has just asked "Why?". */
async function asking(question = "Why?") {
  const at = server();
  const conversation = new Conversation();
  conversation.write(question);
  const done = conversation.send();
  await until(() => expect(at.asked.length).toBe(1));
  return { at, conversation, done };
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("an answer", () => {
  test("is sent for, grows, and is announced when it is whole", async () => {
    const { at, conversation, done } = await asking();
    const seen: string[] = [];
    conversation.subscribe(() => seen.push(conversation.state.exchanges[0]!.answer));

    at.open();
    at.send(piece("Be"), USAGE, piece("cause."), piece("", "stop"), DONE);
    await done;

    expect(JSON.parse(at.asked[0]!.body as string)).toEqual({
      model: "a/model",
      messages: [{ role: "user", content: "Why?" }],
      max_tokens: 9,
      stream: true,
    });
    expect(at.asked[0]).toMatchObject({ credentials: "omit", cache: "no-store" });
    expect([...new Set(seen)]).toEqual(["Be", "Because."]);
    expect(conversation.state).toMatchObject({ isAsking: false, problem: null, draft: "", news: "Answer: Because. " });
    expect(conversation.state.exchanges).toEqual([{ question: "Why?", answer: "Because.", ending: "whole" }]);
  });

  test("that has reached its greatest length says so", async () => {
    const { at, conversation, done } = await asking();
    at.open();
    at.send(piece("Be"), piece("", "length"), DONE);
    await done;

    expect(conversation.state.exchanges[0]!.ending).toBe("cut");
    expect(conversation.state.news).toBe(`Answer: Be ${ENDINGS.cut}`);
  });

  test("that is stopped keeps what has come", async () => {
    const { at, conversation, done } = await asking();
    at.open();
    at.send(piece("Be"));
    await until(() => expect(conversation.state.exchanges[0]!.answer).toBe("Be"));
    conversation.stop();
    await done;

    expect(conversation.state.exchanges[0]).toEqual({ question: "Why?", answer: "Be", ending: "stopped" });
    expect(conversation.state.problem).toBeNull();
  });

  test("that is stopped before it begins gives the question back, before what was written meanwhile", async () => {
    const { conversation, done } = await asking();
    conversation.write("And how?");
    conversation.stop();
    await done;

    expect(conversation.state).toMatchObject({ exchanges: [], draft: "Why?\n\nAnd how?", problem: null });
  });

  test("of a conversation that was left behind does not come into the new one", async () => {
    const { at, conversation, done } = await asking();
    at.open();
    at.send(piece("Be"));
    await until(() => expect(conversation.state.exchanges[0]!.answer).toBe("Be"));
    conversation.restart();
    await done;

    expect(conversation.state).toMatchObject({ exchanges: [], isAsking: false, draft: "", problem: null });
  });
});

describe("a problem", () => {
  const withId = (code: string) => ({ error: { code, message: "m", id: "e1" } });
  const badField = (where: string) => ({ error: { code: "invalid", problems: [{ where, problem: "p" }] } });

  test.each([
    ["400", 400, withId("bad_request"), {}, "not_accepted", "e1"],
    ["404", 404, withId("not_found"), {}, "no_model", "e1"],
    ["413 as plain text", 413, "Too large", {}, "too_long", "r1"],
    ["422 of the messages", 422, badField("body.messages"), {}, "too_long", "r1"],
    ["422 of the model", 422, badField("body.model"), {}, "no_model", "r1"],
    ["422 of anything else", 422, badField("body.max_tokens"), {}, "not_accepted", "r1"],
    ["500", 500, withId("internal"), {}, "internal", "e1"],
    ["502", 502, withId("bad_gateway"), {}, "bad_gateway", "e1"],
    ["503 without a time", 503, withId("unavailable"), {}, "unavailable", "e1"],
    ["504", 504, withId("timeout"), {}, "timeout", "e1"],
    ["a status of a machine in between", 418, "<h1>", {}, "internal", "r1"],
  ])("%s", async (_, status, told, headers, kind, id) => {
    const { at, conversation, done } = await asking();
    at.refuse(status, told, { "x-request-id": "r1", ...headers });
    await done;

    expect(conversation.state).toMatchObject({ problem: { kind, id }, draft: "Why?", exchanges: [], waitSeconds: 0 });
  });

  test("characters are counted as the server does", async () => {
    const { at } = await asking("👋".repeat(40));

    expect(JSON.parse(at.asked[0]!.body as string).messages[0].content).toBe("👋".repeat(40));
  });

  test("too long already here is not even sent", async () => {
    const at = server();
    const conversation = new Conversation();
    conversation.write("👋".repeat(41));
    await conversation.send();

    expect(at.asked).toEqual([]);
    expect(conversation.state).toMatchObject({ problem: { kind: "too_long" }, draft: "👋".repeat(41) });
    expect(problemWords("too_long", { max: 8000 }).advice).toContain("8,000 characters");
  });

  test.each([
    ["offline", false, "offline"],
    ["unreachable", true, "unreachable"],
  ])("%s", async (_, onLine, kind) => {
    const { at, conversation, done } = await asking();
    vi.stubGlobal("navigator", { onLine });
    at.fail(new TypeError("Failed to fetch"));
    await done;

    expect(conversation.state).toMatchObject({ problem: { kind }, draft: "Why?", exchanges: [] });
  });

  test("a page of somebody else in between", async () => {
    const { at, conversation, done } = await asking();
    at.open({ "content-type": "text/html" });
    await done;

    expect(conversation.state.problem!.kind).toBe("not_ours");
  });

  test.each([
    ["an error event", (at: Server) => at.send('event: error\ndata: {"error": {"id": "e1"}}'), "e1"],
    ["an end without [DONE]", (at: Server) => at.close(), "r1"],
    ["a broken connection", (at: Server) => at.breakOff(), "r1"],
    ["nonsense", (at: Server) => at.send("data: {"), "r1"],
  ])("in the middle, %s: the part stays", async (_, happens, id) => {
    const { at, conversation, done } = await asking();
    at.open({ "content-type": "text/event-stream", "x-request-id": "r1" });
    at.send(piece("Be"));
    await until(() => expect(conversation.state.exchanges[0]!.answer).toBe("Be"));
    happens(at);
    await done;

    expect(conversation.state.exchanges[0]).toEqual({ question: "Why?", answer: "Be", ending: "broken" });
    expect(conversation.state).toMatchObject({ problem: { kind: "broken", id }, draft: "", isAsking: false });
  });

  test.each([
    ["ends before its first word", [], "bad_gateway"],
    ["is whole, and empty", [DONE], "empty"],
  ])("a stream that %s gives the question back", async (_, sent, kind) => {
    const { at, conversation, done } = await asking();
    at.open();
    at.send(...sent);
    at.close();
    await done;

    expect(conversation.state).toMatchObject({ problem: { kind }, draft: "Why?", exchanges: [] });
  });
});

describe("waiting", () => {
  beforeEach(() => void vi.useFakeTimers());

  test.each([
    ["as long as Retry-After says", 429, { "retry-after": "3" }, "rate_limited", 3],
    ["ten seconds if it says nothing", 429, {}, "rate_limited", 10],
    ["an hour at most", 429, { "retry-after": "9999999" }, "rate_limited", 3600],
    ["when all places are taken", 503, { "retry-after": "1" }, "busy", 1],
  ])("%s", async (_, status, headers, kind, seconds) => {
    const { at, conversation, done } = await asking();
    at.refuse(status, {}, headers);
    await done;

    expect(conversation.state).toMatchObject({ problem: { kind, seconds }, waitSeconds: seconds, draft: "Why?" });
    await conversation.send();
    expect(at.asked.length).toBe(1);
    vi.advanceTimersByTime(1000 * (seconds - 1));
    expect(conversation.state.waitSeconds).toBe(1);
    vi.advanceTimersByTime(1000);
    expect(conversation.state).toMatchObject({ waitSeconds: 0, problem: null, news: "You can send again." });
  });
});

describe("what is sent along", () => {
  const exchange = (letter: string, length: number) => ({
    question: letter,
    answer: letter.repeat(length - 1),
    ending: "whole" as const,
  });
  const questions = ({ messages }: ReturnType<typeof messagesFor>) =>
    messages.filter(({ role }) => role === "user").map(({ content }) => content);

  test("as many of the newest exchanges as messages are taken", () => {
    const told = messagesFor([exchange("a", 3), exchange("b", 3), exchange("c", 3)], "d", LIMITS);

    expect(questions(told)).toEqual(["b", "c", "d"]);
    expect(told).toMatchObject({ leftOut: 1, messages: { length: 5 } });
    const even = messagesFor([exchange("a", 3), exchange("b", 3)], "c", { ...LIMITS, max_messages: 4 });
    expect(questions(even)).toEqual(["b", "c"]);
  });

  test("as many as characters are taken, and not one more", () => {
    expect(questions(messagesFor([exchange("a", 20), exchange("b", 19)], "d", LIMITS))).toEqual(["a", "b", "d"]);
    expect(questions(messagesFor([exchange("a", 20), exchange("b", 20)], "d", LIMITS))).toEqual(["b", "d"]);
  });

  test("nothing else, where the question fills it", () => {
    const told = messagesFor([exchange("a", 2)], "d".repeat(40), LIMITS);

    expect(told).toMatchObject({ leftOut: 1, messages: { length: 1 } });
  });
});

test("every problem says what can be done", () => {
  for (const { title, advice } of Object.values(PROBLEMS)) {
    expect(title).toMatch(/^[A-Z].*\.$/);
    expect(advice.length).toBeGreaterThan(30);
  }
});
