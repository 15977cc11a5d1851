"""The sandbox's pages in a real browser: with and without a mouse, a script, a wide screen, daylight."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from course import sandbox
from tests.course.browser import NEEDS_CHROMIUM
from tests.course.visitor import NEW, ORGANISATION, TOKENS, Visitor, whoami

pytestmark = NEEDS_CHROMIUM
LINK = f"{NEW}?tokenType=fineGrained&ownUserPermissions=inference.serverless.write&canReadGatedRepos=true"


@pytest.fixture
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start(plan="enterprise_plus", email_verified=False) as started:
        yield started


@pytest.fixture
def page(browser: Browser, hub: sandbox.Sandbox) -> Iterator[Page]:
    """A page of the signed-in learner. Whatever the browser complains about fails the test."""
    opened = signed_in(browser, hub, viewport={"width": 1280, "height": 900})
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    opened.context.close()
    assert complaints == []


def signed_in(browser: Browser, hub: sandbox.Sandbox, **options: Any) -> Page:
    """A page in a browser that is signed in already, on the list of tokens."""
    context = browser.new_context(base_url=hub.url, **options)
    context.add_cookies(
        [{"name": c.name, "value": c.value or "", "url": hub.url} for c in Visitor(hub).cookies.cookies]
    )
    return context.new_page()


def make(page: Page, name: str = "chat proxy", kind: str = "Fine-grained") -> str:
    """Make a token as a person would, and read its value off the page."""
    page.goto(NEW)
    page.get_by_role("radio", name=kind).check()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Create token").click()
    value = page.locator("#value").inner_text()
    page.wait_for_load_state()  # so that style and script have arrived, too
    return value


def test_a_newcomer_gets_from_sign_up_to_a_first_token(page: Page, hub: sandbox.Sandbox) -> None:
    page.context.clear_cookies()
    page.goto("/")
    page.get_by_role("link", name="Sign up", exact=True).first.click()
    page.get_by_label("E-mail address").fill("someone@example.test")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("link", name="Confirm my address").click()
    expect(page.get_by_text("Your address is confirmed.")).to_be_visible()
    page.locator("summary", has_text="learner").click()
    page.get_by_role("link", name="Settings: Access Tokens").click()

    value = make(page)

    assert whoami(hub, value).json()["emailVerified"] is True


@pytest.mark.parametrize(
    ("kind", "role"), [("Fine-grained", "fineGrained"), ("Read", "read"), ("Write", "write")], ids=str
)
def test_a_value_is_seen_once_and_works(page: Page, hub: sandbox.Sandbox, kind: str, role: str) -> None:
    value = make(page, kind=kind)
    page.reload()

    expect(page.get_by_role("heading", name="Access Tokens", exact=True)).to_be_visible()
    expect(page.get_by_text("A value is shown only once")).to_be_visible()
    assert value not in page.content()
    assert page.get_by_role("link", name="chat proxy", exact=True).count() == 1
    assert whoami(hub, value).json()["auth"]["accessToken"]["role"] == role


def test_the_value_is_taken_off_a_page_that_the_browser_keeps(page: Page) -> None:
    value = make(page)

    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")

    assert value not in page.content()


def test_copy_puts_the_value_on_the_clipboard_and_says_so(page: Page) -> None:
    value = make(page)

    page.get_by_role("button", name="Copy").click()

    expect(page.get_by_role("status")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == value


def test_where_copying_is_forbidden_the_value_is_selected(page: Page) -> None:
    value = make(page)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('forbidden')) }")

    page.get_by_role("button", name="Copy").click()

    expect(page.get_by_role("status")).to_contain_text("press Ctrl+C")
    assert page.evaluate("getSelection().toString()") == value


def test_refreshing_ends_the_old_value_and_deleting_ends_both(page: Page, hub: sandbox.Sandbox) -> None:
    old = make(page)
    page.goto(TOKENS)
    page.get_by_role("link", name="Manage chat proxy").click()
    page.get_by_role("link", name="Refresh...").click()
    page.get_by_role("button", name="Refresh").click()
    new = page.locator("#value").inner_text()
    refreshed = [whoami(hub, value).status_code for value in (old, new)]

    page.goto(TOKENS)
    page.get_by_role("link", name="Manage chat proxy").click()
    page.get_by_role("link", name="Delete...").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("chat proxy is deleted")).to_be_visible()

    assert refreshed == [401, 200]
    assert whoami(hub, new).status_code == 401


def test_a_prefilled_link_survives_signing_in_and_is_ticked(page: Page, hub: sandbox.Sandbox) -> None:
    page.context.clear_cookies()
    page.goto(LINK)
    page.get_by_role("button", name="Sign in as learner").click()

    expect(page.get_by_role("checkbox", checked=True)).to_have_count(2)
    expect(page.get_by_role("radio", name="Fine-grained")).to_be_checked()
    page.get_by_label("Name", exact=True).fill("chat proxy")
    page.get_by_role("button", name="Create token").click()
    access = whoami(hub, page.locator("#value").inner_text()).json()["auth"]["accessToken"]["fineGrained"]
    assert access["canReadGatedRepos"] is True
    assert access["scoped"][0]["permissions"] == ["inference.serverless.write"]


def test_only_a_fine_grained_token_has_boxes_to_tick(page: Page) -> None:
    page.goto(NEW)
    boxes = page.get_by_role("heading", name="Permissions")

    expect(boxes).to_be_visible()
    page.get_by_role("radio", name="Read").check()

    expect(boxes).to_be_hidden()


def test_the_administrator_approves(page: Page, hub: sandbox.Sandbox) -> None:
    page.goto(ORGANISATION)
    page.get_by_role("radio", name="Approval").check()
    page.get_by_role("button", name="Set policy").click()
    expect(page.get_by_text("Policy set: Approval.")).to_be_visible()

    page.get_by_role("button", name="Approve pending-token").click()

    expect(page.get_by_text("pending-token is approved.")).to_be_visible()
    expect(page.get_by_role("button", name="Revoke pending-token")).to_be_visible()
    assert hub.token_store["pending"].approval == "approved"


def test_a_token_can_be_made_with_the_keyboard_alone(page: Page, hub: sandbox.Sandbox) -> None:
    page.goto(NEW)

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    tab_to(page, "tokenType-fineGrained")
    tab_to(page, "displayName")
    page.keyboard.type("chat proxy")
    page.keyboard.press("Tab")  # the summary of the user's permissions
    page.keyboard.press("Tab")  # its first box
    page.keyboard.press("Space")
    page.get_by_role("button", name="Create token").press("Enter")

    value = page.locator("#value").inner_text()
    tab_to(page, "copy")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Copied.")
    scoped = whoami(hub, value).json()["auth"]["accessToken"]["fineGrained"]["scoped"]
    assert scoped[0]["permissions"] == ["repo.content.read"]


def tab_to(page: Page, element_id: str) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == element_id:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"{element_id} has the focus and nobody sees it"
            return
    raise AssertionError(f"Tab does not reach {element_id}")


def test_mistakes_are_summed_up_with_a_link_to_each_field(browser: Browser, hub: sandbox.Sandbox) -> None:
    page = signed_in(browser, hub)  # the browser reports the status 422 as an error: not counted here
    page.goto(NEW)
    page.get_by_role("button", name="Create token").click()

    expect(page).to_have_title("Error: Create new token | Sandbox, not Hugging Face")
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("alert").get_by_role("link").click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    expect(page.get_by_label("Name", exact=True)).to_have_accessible_description(
        'The one program that will use it, such as "chat proxy". At most 64 characters. '
        "Error: Enter a name. Name the token after the one program that will use it."
    )
    page.context.close()


def test_everything_works_without_a_script(browser: Browser, hub: sandbox.Sandbox) -> None:
    page = signed_in(browser, hub, java_script_enabled=False)

    value = make(page)

    expect(page.get_by_role("button", name="Copy")).to_be_hidden()
    assert whoami(hub, value).status_code == 200
    page.context.close()


def test_a_narrow_screen_scrolls_in_one_direction_only(browser: Browser, hub: sandbox.Sandbox) -> None:
    page = signed_in(browser, hub, viewport={"width": 360, "height": 740})
    make(page, name="w" * 64)
    widths = {"value": page.evaluate("document.documentElement.scrollWidth")}
    token = next(token for token in hub.token_store.all() if token.name is None)
    for path in ("/", "/join", "/login", "/mail", TOKENS, NEW, ORGANISATION, f"{TOKENS}/{token.id}"):
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        widths[path] = page.evaluate("document.documentElement.scrollWidth")

    assert {path: width for path, width in widths.items() if width > 360} == {}
    page.context.close()
