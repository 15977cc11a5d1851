"""Chromium for tests, or the one command that brings it."""

import shutil

import pytest
from playwright.sync_api import Browser, Playwright, expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NEEDS_CHROMIUM = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.enable_socket,
]
expect.set_options(timeout=60_000)  # a busy machine is slow, not wrong


def launch(playwright: Playwright) -> Browser:
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    return playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
