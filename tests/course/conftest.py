"""What several files of tests share."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.course.browser import launch


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file. Not for longer: Playwright keeps a loop of asyncio running meanwhile."""
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()
