"""The page that shows the traffic: what it says, that it says it live, and that it shows no token."""

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, expect

from course import sandbox
from course.sandbox.pages.traffic import MOST, rows_of
from course.traffic import Exchange
from tests.course.browser import NEEDS_CHROMIUM

PAGE = "/_sandbox/traffic"


@pytest.fixture
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start() as started:
        yield started


def whoami(hub: sandbox.Sandbox, query: str = "") -> None:
    headers = {"Authorization": f"Bearer {hub.tokens['read']}"}
    requests.get(f"{hub.url}/api/whoami-v2{query}", headers=headers, timeout=5)


def test_the_page_tells_each_request_with_its_fault_and_no_token(hub: sandbox.Sandbox) -> None:
    hub.clock.freeze()
    hub.script([503, 200, sandbox.faults.Reset()])
    whoami(hub)
    hub.clock.advance(2.5)
    whoami(hub, f"?mine={hub.tokens['read']}")

    answer = requests.get(hub.url + PAGE, timeout=5)

    words = [
        "<td>503</td>",
        "<td>2.5 s</td>",
        "GET /api/whoami-v2?mine=hf_***",
        "Status(status=503)",
        "python-requests",
    ]
    assert [word for word in words if word not in answer.text] == []
    assert "Still planned to go wrong: Reset()" in answer.text
    assert hub.tokens["read"] not in answer.text
    assert len(hub.requests) == 2


def test_the_page_lets_nothing_in_and_asks_only_itself_for_news(hub: sandbox.Sandbox) -> None:
    answer = requests.get(hub.url + PAGE, timeout=5)

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "'unsafe" not in policy


def test_what_a_client_sends_is_text_on_the_page(hub: sandbox.Sandbox) -> None:
    requests.get(f"{hub.url}/<script>alert(1)</script>", headers={"User-Agent": "<b>me</b>"}, timeout=5)

    shown = requests.get(hub.url + PAGE, timeout=5).text

    assert "<b>me" not in shown
    assert "alert(1)</script>" not in shown


def test_a_wait_is_counted_for_each_client_apart() -> None:
    exchanges = [
        Exchange("GET", "/", at=at, client=client) for at, client in [(0, "read"), (1, "write"), (3.5, "read")]
    ]

    assert [row.waited for row in rows_of(exchanges, 0)] == [None, None, 3.5]


def test_of_many_requests_the_newest_are_shown(hub: sandbox.Sandbox) -> None:
    session = requests.Session()
    for number in range(MOST + 3):
        session.get(f"{hub.router}/number/{number}", timeout=5)

    shown = requests.get(hub.url + PAGE, timeout=5).text

    assert "3 older ones are not shown" in shown
    assert f"/number/{MOST + 2}<" in shown
    assert "/number/2<" not in shown


def test_news_come_when_something_has_changed_and_end_with_the_sandbox(hub: sandbox.Sandbox) -> None:
    with requests.get(f"{hub.url}{PAGE}/news", stream=True, timeout=5) as answer:
        news = answer.iter_content(None)
        first = next(news)
        whoami(hub)
        second = next(news)
        hub.stop()
        with pytest.raises(requests.RequestException):
            next(news)

    assert first == second == b"data: changed\n\n"


class TestInABrowser:
    pytestmark = NEEDS_CHROMIUM

    @pytest.mark.parametrize("width", [360, 1280])
    def test_new_requests_appear_by_themselves_and_the_page_never_scrolls_sideways(
        self, browser: Browser, hub: sandbox.Sandbox, width: int
    ) -> None:
        page = browser.new_page(viewport={"width": width, "height": 800})
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(hub.url + PAGE)
        expect(page.get_by_role("status")).to_have_text("New ones appear by themselves.")
        hub.fail_next(418)
        whoami(hub, "?a=" + 200 * "long")

        expect(page.get_by_role("cell", name="418", exact=True)).to_be_visible()
        assert [seen.path[:9] for seen in hub.requests] == ["/api/whoa"], "the page itself is no traffic"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        hub.forget()
        expect(page.get_by_text("No request yet.")).to_be_visible()
        page.close()
        assert complaints == []

    def test_without_scripts_the_page_says_how_to_see_more(self, browser: Browser, hub: sandbox.Sandbox) -> None:
        page = browser.new_page(java_script_enabled=False)
        page.goto(hub.url + PAGE)

        expect(page.get_by_text("Reload the page to see new ones.")).to_be_visible()
        page.close()
