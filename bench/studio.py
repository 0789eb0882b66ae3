"""How fast the studio is seen, and how smoothly a library of 5,000 videos scrolls.

Run by hand, on a quiet machine: `python -m bench.studio`; it takes minutes. A host of its own, and Chromium. It says
how busy the machine is, and exits 1 when a figure is over its bound. On a busy machine tasks wait for others: the
processor time of the longest one tells what is the page's own.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from bench.host_size import fill_library
from mediaposter.host.folder import FILES_FOLDER
from sandbox.chromium import open_browser
from tests.conformance.embedded import EmbeddedHost

LIBRARY_VIDEOS = 5_000
VISITS = 5
FCP_MS_MAX = 500.0
LCP_MS_MAX = 1_200.0
LONG_TASK_MS_MAX = 100.0
CARDS_MAX = 150
SCROLL_SECONDS_MAX = 240.0
# A trace of all would be too large to read: the end has most videos.
TRACED_FROM = 4_000
_PIXELS = 2_400
_CARD = ".grid > .card"
_SAID_EVERY_SECONDS = 10.0
# Chromium keeps the last entries of each kind for an observer that comes late.
_PAINTS = """() => new Promise((resolve) => {
  const seen = {};
  new PerformanceObserver((list) => {
    for (const each of list.getEntries()) seen[each.name || "lcp"] = each.startTime;
  }).observe({ type: "paint", buffered: true });
  new PerformanceObserver((list) => {
    for (const each of list.getEntries()) seen.lcp = each.startTime;
  }).observe({ type: "largest-contentful-paint", buffered: true });
  setTimeout(() => resolve([seen["first-contentful-paint"], seen.lcp ?? seen["first-contentful-paint"]]), 500);
})"""
_WATCH_TASKS = """() => {
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const each of list.getEntries()) window.longest = Math.max(window.longest, each.duration);
  }).observe({ type: "longtask" });
}"""


def main() -> None:
    """Measure, print each figure with its bound, and exit 1 if one is over it."""
    figures = list(_measure())
    for name, value, bound, unit in figures:
        print(f"{name:<48} {value:9.1f} {unit:<4} at most {bound:g}")
    sys.exit(any(value > bound for _, value, bound, _ in figures))


def _measure() -> Iterator[tuple[str, float, float, str]]:
    with tempfile.TemporaryDirectory() as folder:
        host = EmbeddedHost(Path(folder) / "host", {}, wait_scale=1.0)
        fill_library(host.data / "mediaposter.sqlite", LIBRARY_VIDEOS)
        _draw_thumbnails(host.data / FILES_FOLDER)
        print(f"{LIBRARY_VIDEOS} videos are in the library. Load of the machine: {os.getloadavg()[0]:.1f}.", flush=True)
        host.start()
        try:
            with open_browser() as browser:
                url = f"{host.address.base_url}/studio#key={host.address.api_key}"
                yield from _visit(browser, url)
                yield from _scroll(browser, url)
            print(f"Load of the machine: {os.getloadavg()[0]:.1f}.", flush=True)
        finally:
            host.stop()


def _draw_thumbnails(files: Path) -> None:
    """Give each video the thumbnail of an upright video; it is one file under many names."""
    drawn = io.BytesIO()
    Image.effect_noise((360, 640), 40).convert("RGB").save(drawn, "WEBP", quality=60)
    first = files / "thumbnail.webp"
    first.parent.mkdir(parents=True)
    first.write_bytes(drawn.getvalue())
    for number in range(LIBRARY_VIDEOS):
        thumbnail = files / f"videos/video_{number:012x}/thumbnail.webp"
        thumbnail.parent.mkdir(parents=True)
        thumbnail.hardlink_to(first)


def _visit(browser: Browser, url: str) -> Iterator[tuple[str, float, float, str]]:
    """Visit again and again with a warm cache; the median counts."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    paints: list[tuple[float, float]] = []
    for visit in range(VISITS + 1):
        page = context.new_page()
        page.goto(url)
        expect(page.get_by_role("listitem").first).to_be_visible(timeout=30_000)
        first, largest = page.evaluate(_PAINTS)
        print(f"visit {visit}: first paint {first:.0f} ms, largest {largest:.0f} ms", flush=True)
        if visit:
            paints.append((first, largest))
        page.close()
    context.close()
    middle = VISITS // 2
    yield "first contentful paint, warm, median", sorted(first for first, _ in paints)[middle], FCP_MS_MAX, "ms"
    yield "largest contentful paint, warm, median", sorted(last for _, last in paints)[middle], LCP_MS_MAX, "ms"


def _scroll(browser: Browser, url: str) -> Iterator[tuple[str, float, float, str]]:
    """Scroll to the end of the library, as a wheel does."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(url)
    expect(page.get_by_role("listitem").first).to_be_visible(timeout=30_000)
    page.mouse.move(900, 500)
    page.wait_for_timeout(1_000)
    page.evaluate(_WATCH_TASKS)
    begin = said_at = time.monotonic()
    most, is_traced = 0, False
    while (reached := _find_last(page)) < LIBRARY_VIDEOS and time.monotonic() - begin < SCROLL_SECONDS_MAX:
        if not is_traced and reached >= TRACED_FROM:
            browser.start_tracing(page=page, categories=["-*", "toplevel"])
            is_traced = True
        page.mouse.wheel(0, _PIXELS)
        page.wait_for_timeout(30)
        most = max(most, page.locator(_CARD).count())
        if time.monotonic() - said_at > _SAID_EVERY_SECONDS:
            said_at = time.monotonic()
            longest = float(page.evaluate("() => window.longest"))
            print(f"{reached} videos are reached; the longest task took {longest:.0f} ms.", flush=True)
    print(f"{reached} videos after {time.monotonic() - begin:.0f} s.", flush=True)
    yield "videos that were not reached", LIBRARY_VIDEOS - reached, 0, ""
    yield "cards in the page, at most", most, CARDS_MAX, ""
    yield "longest task while scrolling", float(page.evaluate("() => window.longest")), LONG_TASK_MS_MAX, "ms"
    if is_traced:
        name = f"longest task from video {TRACED_FROM} on, of processor"
        yield name, _find_longest(json.loads(browser.stop_tracing())), LONG_TASK_MS_MAX, "ms"
    page.close()


def _find_longest(trace: dict[str, list[dict[str, Any]]]) -> float:
    """Give the processor time of the longest task of a page, in milliseconds."""
    events = trace["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    return max(
        (
            event.get("tdur", 0) / 1000
            for event in events
            if event["name"] == "ThreadControllerImpl::RunTask" and (event["pid"], event["tid"]) in mains
        ),
        default=0.0,
    )


def _find_last(page: Page) -> int:
    """Give the place in the library of the last card that is in the page; those before it need not be."""
    return int(page.locator(_CARD).last.get_attribute("aria-posinset") or 0)


if __name__ == "__main__":
    main()
