import { describe, expect, test } from "vitest";
import { SseParser, events } from "../../page/sse.js";

/** What comes out when `text` goes in whole, and when it is cut in two at each place. */
function everyWay(text: string) {
  const cuts = Array.from({ length: text.length + 1 }, (_, at) => [text.slice(0, at), text.slice(at)]);
  const results = cuts.map((pieces) => {
    const parser = new SseParser();
    return pieces.flatMap((piece) => parser.push(piece));
  });
  expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
  return results[0]!;
}

const message = (data: string) => ({ type: "message", data });

describe("the rules of the WHATWG", () => {
  test.each([
    ["LF", "data: a\n\ndata: b\n\n", [message("a"), message("b")]],
    ["CR", "data: a\r\rdata: b\r\r", [message("a"), message("b")]],
    ["CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", [message("a"), message("b")]],
    ["CRLF within an event", "data: a\r\ndata: b\r\n\r\n", [message("a\nb")]],
    ["all three in one stream", "data: a\r\n\ndata: b\r\r\n", [message("a"), message("b")]],
    ["a comment", ": keep-alive\n\n:\ndata: a\n\n", [message("a")]],
    ["several lines of data", "data: a\ndata: b\n\n", [message("a\nb")]],
    ["only one space goes", "data:a\n\ndata:  b\n\n", [message("a"), message(" b")]],
    ["a name without a colon", "data\n\ndata\ndata\n\n", [message(""), message("\n")]],
    ["a colon in the value", "data: a:b: c\n\n", [message("a:b: c")]],
    ["a type, for one event", "event: error\ndata: a\n\ndata: b\n\n", [{ type: "error", data: "a" }, message("b")]],
    ["a type without data is no event", "event: error\n\ndata: a\n\n", [message("a")]],
    ["unknown names, and case", "Data: x\nid: 1\nretry: 1\nfoo: x\ndata: a\n\n", [message("a")]],
    ["an unfinished event is dropped", "data: a\n\ndata: b\n", [message("a")]],
    ["other ends of lines are text", "data: a\u2028b\u0085c\u000bd\n\n", [message("a\u2028b\u0085c\u000bd")]],
  ])("%s", (_, text, due) => {
    expect(everyWay(text)).toEqual(due);
  });
});

test("an event without end does not fill the memory", () => {
  const parser = new SseParser();
  const pushMuch = () => {
    for (let count = 0; count < 100; count++) parser.push(`data: ${"x".repeat(20_000)}\n`);
  };
  expect(pushMuch).toThrow(RangeError);
});

describe("bytes", () => {
  const bytes = new TextEncoder().encode("\ufeffdata: Grüße, 世界 👋\n\ndata: b\n\n");

  /** A body in pieces of `size` bytes. That it was cancelled is noted in `ended`. */
  function body(size: number, ended: string[] = []) {
    let at = 0;
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at >= bytes.length) return controller.close();
        controller.enqueue(bytes.slice(at, (at += size)));
      },
      cancel: () => void ended.push("cancelled"),
    });
  }

  test.each([1, 2, 3, 5, 1000])("characters cut in two, and a byte order mark, by %i bytes", async (size) => {
    const got = [];
    for await (const event of events(body(size))) got.push(event);
    expect(got).toEqual([message("Grüße, 世界 👋"), message("b")]);
  });

  test("whoever stops reading closes the body", async () => {
    const ended: string[] = [];
    for await (const _ of events(body(1, ended))) break;
    expect(ended).toEqual(["cancelled"]);
  });
});
