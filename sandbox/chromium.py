"""Debian's Chromium, for the tests, the pictures and the bench of the studio."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

_OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--mute-audio", "--process-per-site"),
)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Run Chromium while the block runs.

    Raises:
        FileNotFoundError: it is not installed.
    """
    # The one without a window takes half as long.
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path is None:
        raise FileNotFoundError("There is no chromium: apt-get install chromium-headless-shell.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_OPTIONS))
        try:
            yield browser
        finally:
            browser.close()
