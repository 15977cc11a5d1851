"""The two chat pages in a real browser, on the real proxy: what they show, what they send, and what they never see."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, Request, expect

from course.page import REACT, is_built
from tests.course.browser import NEEDS_CHROMIUM
from tests.course.chat_site import BUILD, WAIT_SECONDS, Call, Site, site
from tests.course.proxies import TOKEN

pytestmark = NEEDS_CHROMIUM
AXE = REACT / "node_modules" / "axe-core" / "axe.min.js"
WITH_ID = re.compile(r"Tell the operator: [0-9a-f]{16}\s*$")
LIGHT, DARK = "rgb(246, 247, 246)", "rgb(18, 23, 22)"
COMPOSING = "it => it.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true }))"
MOTION = "it => getComputedStyle(it, '::after').animationName"
ALSO_KEPT = """async () => ({
    session: sessionStorage.length, databases: await indexedDB.databases(), caches: await caches.keys()
})"""
HOSTILE = [
    "<img src=x onerror=\"document.title='owned'\">",
    "</p></script><script>document.title='owned'</script><style>* { display: none }</style>",
    "[a link](javascript:document.title='owned') &lt;b&gt; javascript:document.title='owned'",
    "\u202edrawkcab",
]


SPOKEN = """\
- link "Skip to your message":
  - /url: "#prompt"
- banner:
  - heading "Chat" [level=1]
  - paragraph: "Model: openai/gpt-oss-20b"
  - button "New conversation"
- main:
  - list "Conversation":
    - listitem:
      - heading "You" [level=2]
      - paragraph: What is a token?
      - heading "Answer" [level=2]
      - paragraph: A token
      - paragraph: "Incomplete: it broke off here."
- form "Your turn":
  - alert:
    - paragraph:
      - strong: The answer broke off.
      - text: What has come is kept, and is incomplete. Ask again, or ask to go on.
    - paragraph:
      - text: "Tell the operator:"
      - code: ID
  - text: Your message
  - textbox "Your message"
  - paragraph: Enter sends, Shift+Enter makes a new line, Esc stops.
  - button "Stop" [disabled]
  - button "Send"
- status"""


@pytest.fixture(scope="module", params=["plain", "react"])
def chat(request: pytest.FixtureRequest) -> Iterator[Site]:
    if request.param == "react" and not is_built():
        pytest.skip(f"needs the React page, built: {BUILD}")
    with site(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def tab(browser: Browser, chat: Site) -> Iterator[Page]:
    """One for all tests of a page: a new browser context costs more than most of them."""
    context = browser.new_context(base_url=chat.url)
    yield context.new_page()
    context.close()


@pytest.fixture
def page(tab: Page) -> Iterator[Page]:
    """The page, opened anew. What the browser complains of fails the test: a broken policy, an error of a script."""
    complaints: list[str] = []

    def complain(about: ConsoleMessage | Error) -> None:
        complaints.append(about.text if isinstance(about, ConsoleMessage) else str(about))

    tab.set_viewport_size({"width": 1100, "height": 800})
    tab.emulate_media(color_scheme="light", reduced_motion="no-preference")
    tab.on("console", complain)
    tab.on("pageerror", complain)
    tab.goto("/")
    expect(tab.get_by_text("Model: openai/gpt-oss-20b")).to_be_visible()
    yield tab
    tab.remove_listener("console", complain)
    tab.remove_listener("pageerror", complain)
    # A refusal is no complaint: the tests order it.
    assert [each for each in complaints if not each.startswith("Failed to load resource")] == []


def box(page: Page) -> Locator:
    return page.get_by_label("Your message")


def alert(page: Page) -> Locator:
    return page.get_by_role("alert")


def answer(page: Page) -> Locator:
    return page.locator(".answer").last


def ask(page: Page, chat: Site, question: str = "What is a token?") -> Call:
    """Send `question`; the call that it makes at the upstream."""
    box(page).fill(question)
    page.get_by_role("button", name="Send").click()
    return chat.upstream.next()


def test_an_answer_grows_while_it_is_written(page: Page, chat: Site) -> None:
    call = ask(page, chat)
    for piece, so_far in (("A", "A"), (" token", "A token"), (" opens.", "A token opens.")):
        call.say(piece)
        expect(answer(page)).to_have_text(so_far)  # the next piece is not yet said
        expect(answer(page)).to_have_attribute("aria-busy", "true")
        expect(page.get_by_role("status")).to_be_empty()  # a screen reader is not told each piece
    call.end()
    expect(page.get_by_role("status")).to_have_text("Answer: A token opens.")
    expect(answer(page)).to_have_attribute("aria-busy", "false")

    second = ask(page, chat, "What?")
    second.end()

    assert f"authorization: bearer {TOKEN}".lower() in call.head.lower()
    assert second.body["messages"] == [
        {"role": "user", "content": "What is a token?"},
        {"role": "assistant", "content": "A token opens."},
        {"role": "user", "content": "What?"},
    ]


@pytest.mark.parametrize("pieces", [[], ["A part"]], ids=["before the first word", "in the middle"])
def test_stop_ends_the_call_upstream(page: Page, chat: Site, pieces: list[str]) -> None:
    call = ask(page, chat)
    call.say(*pieces)
    expect(page.locator(".answer")).to_have_text("".join(pieces))

    page.get_by_role("button", name="Stop").click()

    assert call.hung_up.wait(WAIT_SECONDS)
    expect(page.get_by_role("status")).to_have_text("Stopped by you. Incomplete.")
    expect(box(page)).to_be_focused()
    if pieces:
        expect(page.locator(".ending")).to_have_text("Stopped by you. Incomplete.")
    else:
        expect(page.get_by_role("listitem")).to_have_count(0)
        expect(box(page)).to_have_value("What is a token?")


REFUSALS = {
    401: "The model cannot be reached at the moment. Your message is kept.",
    402: "The service is not available at the moment. Your message is kept.",
    404: "This model is not available.",
    422: "The server did not accept this message.",
}


def test_a_refusal_is_told_in_words_and_the_question_is_kept(page: Page, chat: Site) -> None:
    for status, title in REFUSALS.items():
        ask(page, chat).refuse(status)
        expect(alert(page)).to_contain_text(title)
        expect(alert(page)).to_contain_text(WITH_ID, use_inner_text=True)
        expect(box(page)).to_have_value("What is a token?")
        expect(page.get_by_role("listitem")).to_have_count(0)

    box(page).fill("x" * 8001)
    expect(box(page)).to_have_accessible_description(re.compile(r"8,001 of 8,000 characters\.$"))
    box(page).press("Enter")
    expect(alert(page)).to_contain_text("That is too long. The server takes 8,000 characters in all.")


def test_too_many_requests_count_down_until_one_may_send(browser: Browser, chat: Site) -> None:
    page = browser.new_page(base_url=chat.url)  # a clock that was taken over stays so
    page.clock.install()
    page.goto("/")
    send = page.get_by_role("button", name="Send")
    ask(page, chat).refuse(429, Retry_After="7")
    expect(alert(page)).to_contain_text("Your message is kept. You can send it in 7 seconds.")
    expect(send).to_have_text("Send (7 seconds)")
    expect(send).to_have_attribute("aria-disabled", "true")

    page.clock.run_for(6000)
    expect(send).to_have_text("Send (1 second)")
    page.clock.run_for(1000)

    expect(send).to_have_attribute("aria-disabled", "false")
    expect(alert(page)).to_have_text("", use_inner_text=True)
    expect(page.get_by_role("status")).to_have_text("You can send again.")
    box(page).press("Enter")
    chat.upstream.next()
    page.close()


def test_what_has_come_before_an_error_stays_and_is_marked(page: Page, chat: Site) -> None:
    call = ask(page, chat)
    call.say("A token")
    call.fail("CUDA out of memory on node 7")

    expect(alert(page)).to_contain_text("The answer broke off.")
    expect(alert(page)).to_contain_text(WITH_ID, use_inner_text=True)
    expect(answer(page)).to_have_text("A token")
    expect(page.locator(".ending")).to_have_text("Incomplete: it broke off here.")
    assert "CUDA" not in page.content()


def test_offline_is_told_and_over_when_it_is_over(page: Page, chat: Site) -> None:
    page.context.set_offline(True)
    box(page).fill("Hello?")
    box(page).press("Enter")
    expect(alert(page)).to_contain_text("You are offline. Your message is kept.")

    page.context.set_offline(False)
    box(page).press("Enter")
    chat.upstream.next().say("Yes.")
    expect(answer(page)).to_have_text("Yes.")
    expect(alert(page)).to_have_text("", use_inner_text=True)


def test_the_token_is_in_nothing_that_the_browser_saw(browser: Browser, chat: Site) -> None:
    """An upstream that repeats the token in its own errors, and everything that the browser got, sent, ran or kept."""
    page = browser.new_page(base_url=chat.url)  # nothing comes from a cache, and nothing is kept by another test
    asked: list[Request] = []
    lines: list[str] = []
    page.on("request", lambda request: asked.append(request))
    page.on("console", lambda message: lines.append(f"{message.text}{message.location}"))
    chat.sent.clear()
    page.goto("/")
    ask(page, chat).refuse(401, f'{{"error": "{TOKEN}"}}', WWW_Authenticate=TOKEN, Set_Cookie=f"t={TOKEN}", X_Id=TOKEN)
    expect(alert(page)).to_contain_text("cannot be reached")
    call = ask(page, chat)
    call.say("A token")
    call.fail(f"Bearer {TOKEN} is out of credits")
    expect(alert(page)).to_contain_text("broke off")
    call = ask(page, chat)
    call.say("A token")
    call.end()
    expect(page.get_by_role("status")).to_have_text("Answer: A token")

    assert {request.url.startswith(f"{chat.url}/") for request in asked} == {True}
    seen = [page.content(), *lines, *map(repr, chat.sent)]
    seen += [f"{request.url} {request.all_headers()} {request.post_data}" for request in asked]
    for part in ("<!doctype html>", "--danger-tint", "event: error", "data: [DONE]", "502"):
        assert [each for each in seen if part in each], f"{part} was not looked into"
    assert [each for each in seen if TOKEN in each] == []
    assert page.context.storage_state() == {"cookies": [], "origins": []}  # prompts are not kept, either
    assert page.evaluate(ALSO_KEPT) == {"session": 0, "databases": [], "caches": []}
    page.close()


def test_text_from_the_model_stays_text(page: Page, chat: Site) -> None:
    hostile = "\n".join(HOSTILE)
    call = ask(page, chat, hostile)
    call.say(*hostile)
    call.end()
    expect(page.get_by_role("status")).not_to_be_empty()

    for part in (page.locator(".question"), page.locator(".answer")):
        assert part.evaluate("part => part.textContent") == hostile
        assert part.locator("*").count() == 0
        assert part.evaluate("part => getComputedStyle(part).unicodeBidi") in ("isolate", "plaintext")
    assert page.title() == "Chat"
    assert page.get_by_role("link").count() == 1  # the one to the box


def test_everything_can_be_done_with_the_keyboard(page: Page, chat: Site) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to your message")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(box(page)).to_be_focused()
    page.keyboard.type("one")
    box(page).evaluate(COMPOSING)
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    call = chat.upstream.next()
    call.say("A part")
    expect(answer(page)).to_have_text("A part")
    expect(box(page)).to_be_focused()

    page.keyboard.press("Escape")

    assert call.hung_up.wait(WAIT_SECONDS)
    assert call.body["messages"] == [{"role": "user", "content": "one\ntwo"}]
    for name in ("Stop", "Send"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name=name)).to_be_focused()
        expect(page.get_by_role("button", name=name)).to_have_css("outline-style", "solid")
    page.get_by_role("button", name="New conversation").press("Enter")
    expect(page.get_by_role("listitem")).to_have_count(0)
    expect(box(page)).to_be_focused()


def test_names_and_regions_are_what_a_screen_reader_needs(page: Page, chat: Site) -> None:
    call = ask(page, chat)
    call.say("A token")
    call.fail("")
    expect(alert(page)).not_to_be_empty()
    expect(page.locator(".ending")).not_to_be_empty()

    spoken = re.sub("[0-9a-f]{16}", "ID", page.locator("body").aria_snapshot())
    assert spoken == SPOKEN


@pytest.mark.skipif(not AXE.exists(), reason=f"needs axe-core: {BUILD}")
def test_axe_finds_nothing_to_mend(page: Page, chat: Site) -> None:
    call = ask(page, chat)
    call.say("A token")
    call.fail("")
    expect(alert(page)).not_to_be_empty()
    ask(page, chat).refuse(429, Retry_After="60")
    expect(alert(page)).to_contain_text("60 seconds")

    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then(({ violations }) => violations)")
    page.emulate_media(color_scheme="dark")
    found += page.evaluate("axe.run({ runOnly: ['color-contrast'] }).then(({ violations }) => violations)")

    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def test_a_phone_scrolls_in_one_direction_and_the_dark_is_dark(page: Page, chat: Site) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    call = ask(page, chat, "w" * 200)
    call.say("https://" + "v" * 200)
    expect(answer(page)).to_have_text(re.compile("vv"))
    assert answer(page).evaluate(MOTION) == "blink"
    page.emulate_media(reduced_motion="reduce")
    assert answer(page).evaluate(MOTION) == "none"
    call.fail("")
    expect(alert(page)).to_contain_text("broke off")
    ask(page, chat).refuse(429, Retry_After="60")
    expect(page.get_by_role("button", name="Send")).to_have_text("Send (60 seconds)")
    expect(page.locator("html")).to_have_css("background-color", LIGHT)
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_css("background-color", DARK)

    assert page.evaluate("document.documentElement.scrollWidth") == 360
    told = page.get_by_text("Enter sends").bounding_box()
    assert told is not None
    assert told["width"] > 200, "the buttons leave no room for the text beside them"
    expect(box(page)).to_be_in_viewport(ratio=1)
