"""The studio in Chromium against the embedded host, which runs as a process; nothing is mocked.

Locators only: the page's policy refuses what `wait_for_function` would evaluate as text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from sandbox.chromium import open_browser
from tests.conformance.embedded import EmbeddedHost

# Renders of the sandbox take a tenth of their time, and are still seen to run.
WAIT_SCALE = 0.1
PATIENCE_MS = 30_000
WIDE, NARROW = 1280, 390
# Every refusal of the policy, and everything that the page throws.
_IS_WRONG = ("Content Security Policy", "Uncaught", "Error:")


class Studio(NamedTuple):
    """A host, and where its studio is."""

    base_url: str
    key: str
    api: httpx.Client

    @property
    def url(self) -> str:
        """Give the address of the page."""
        return f"{self.base_url}/studio"

    def make(self, prompt: str, **fields: object) -> str:
        """Make a video without the page, and give its id."""
        made = self.api.post("/videos", json={"prompt": prompt, **fields})
        made.raise_for_status()
        return str(made.json()["id"])

    def read(self, video: str) -> dict[str, Any]:
        """Read a video without the page."""
        answer: dict[str, Any] = self.api.get(f"/videos/{video}").json()
        return answer

    def wait_for_stage(self, video: str, stage: str) -> None:
        """Wait until a video is at a stage.

        Raises:
            AssertionError: it does not come there.
        """
        until = time.monotonic() + PATIENCE_MS / 1000
        while self.read(video)["stage"] != stage:
            assert time.monotonic() < until, f"{video} does not come to {stage}."
            time.sleep(0.05)


def wait_until(page: Page, is_so: Callable[[], bool], *, what: str) -> None:
    """Wait for what no locator sees, such as a layout.

    Raises:
        AssertionError: it never came.
    """
    until = time.monotonic() + PATIENCE_MS / 1000
    while not is_so():
        assert time.monotonic() < until, f"It never came: {what}"
        page.wait_for_timeout(50)


@pytest.fixture(scope="package")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    host = EmbeddedHost(tmp_path_factory.mktemp("studio"), {}, wait_scale=WAIT_SCALE)
    host.start()
    try:
        with host.client() as api:
            yield Studio(host.address.base_url, host.address.api_key, api)
    finally:
        host.kill()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with open_browser() as browser:
        yield browser


Scheme: TypeAlias = Literal["light", "dark"]
Open: TypeAlias = Callable[..., Page]
Contexts: TypeAlias = Callable[[int, Scheme], BrowserContext]


def open_context(browser: Browser, width: int, scheme: Scheme) -> BrowserContext:
    is_wide = width > 600
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        has_touch=not is_wide,
        is_mobile=not is_wide,
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MS)
    return context


@pytest.fixture(scope="package")
def contexts(browser: Browser) -> Iterator[Contexts]:
    """Give a context for a width and a scheme: tests share it, and with it what Chromium has loaded."""
    known: dict[tuple[int, Scheme], BrowserContext] = {}

    def give(width: int, scheme: Scheme) -> BrowserContext:
        if (width, scheme) not in known:
            known[width, scheme] = open_context(browser, width, scheme)
        return known[width, scheme]

    yield give
    for context in known.values():
        context.close()


@pytest.fixture
def open_page(studio: Studio, browser: Browser, contexts: Contexts) -> Iterator[Open]:
    """Give a way to open a tab; at the end of the test none of them may have had an error.

    Tabs share no `sessionStorage`, which has all that the studio keeps. A test that sets the clock, cuts the network
    or grants a right changes the whole context: it opens its tab `alone`.
    """
    pages: list[Page] = []
    own: list[BrowserContext] = []
    wrong: list[str] = []

    def open_tab(
        path: str = "/", *, width: int = WIDE, scheme: Scheme = "light", signed_in: bool = True, alone: bool = False
    ) -> Page:
        if alone:
            own.append(open_context(browser, width, scheme))
        page = (own[-1] if alone else contexts(width, scheme)).new_page()
        pages.append(page)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "console", lambda said: wrong.append(said.text) if any(map(said.text.__contains__, _IS_WRONG)) else None
        )
        fragment = f"#key={studio.key}&then={path}" if signed_in else f"#{path}"
        page.goto(studio.url + fragment)
        return page

    yield open_tab
    for closing in (*pages, *own):
        closing.close()
    assert wrong == []
