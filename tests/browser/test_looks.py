"""What every page keeps to: accessibility, its policy, its size, and that nothing moves while it comes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import NARROW, WIDE, Open, Scheme, Studio, wait_until

WCAG = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
# What colours and widths change; all else is the same in each of them.
SEEN = {"runOnly": {"type": "rule", "values": ["color-contrast", "target-size"]}, "resultTypes": ["violations"]}
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SHIFT_MAX = 0.05
CALLS_MAX = 3
# Runs in the page, which refuses scripts that it does not know: evaluated by the browser's debugger, it is none.
_SHIFT = """() => new Promise((resolve) => {
  let shift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) shift += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(shift), 300);
})"""


_WHOLE = ((WIDE, "light"), (NARROW, "dark"))


@pytest.fixture(scope="module")
def video(studio: Studio) -> str:
    """Make videos of each kind, and give the id of one with posts."""
    studio.make("A train that fails [video: fail]", size="1280x720")
    studio.make("A kite that runs on and on [video: never_finish]")
    studio.make(
        "A lighthouse in a storm",
        approval="required",
        publish=[{"platform": "twitter", "account_id": "901"}],
        text="Hi",
    )
    later = (datetime.now(UTC) + timedelta(days=40)).isoformat()
    posts = [
        {"platform": "twitter", "account_id": "901"},
        {"platform": "linkedin", "account_id": "902", "scheduled_time": later},
    ]
    return studio.make("A paper boat on a rainy street", publish=posts, text="Slow mornings.")


def show(page: Page, what: str) -> None:
    if what == "sign in":
        expect(page.get_by_label("API key")).to_be_visible()
    elif what == "library":
        expect(page.get_by_role("listitem").first).to_be_visible()
    elif what == "form":
        expect(page.get_by_text("made by sandbox-1")).to_be_visible()
    elif what == "approvals":
        expect(page.get_by_role("article").get_by_role("button", name="Reject")).to_be_visible()
    elif what == "schedule":
        page.get_by_role("button", name="Move the post").first.click()
        expect(page.get_by_label("New time")).to_be_visible()
    elif what == "batches":
        page.get_by_text("Columns").click()
        sheet: FilePayload = {"name": "a.csv", "mimeType": "text/csv", "buffer": b"prompt,size\nA kite,\nA kite,9x9"}
        page.get_by_label("Choose a file").set_input_files([sheet])
        expect(page.get_by_role("region", name="Rows that cannot be made")).to_be_visible()
    elif what == "spending":
        expect(page.get_by_role("img", name="Spending by day")).to_be_visible()
    elif what == "post":
        page.get_by_role("listitem").first.get_by_role("checkbox").check(force=True)
        page.get_by_role("toolbar").get_by_role("button", name="Post").click()
        expect(page.get_by_label("Account")).to_be_enabled()
    elif what == "keys":
        expect(page.get_by_role("link").first).to_be_visible()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    elif what == "question":
        page.get_by_role("button", name="Delete this video").or_(
            page.get_by_role("button", name="Cancel this video")
        ).click()
        expect(page.get_by_role("dialog").get_by_role("button", name="Keep")).to_be_visible()
    else:
        expect(page.get_by_role("dialog").get_by_role("heading", name="Posts")).to_be_visible()


@pytest.mark.parametrize(
    "what",
    [
        *("sign in", "library", "form", "video", "question", "approvals", "schedule", "batches", "spending", "post"),
        "keys",
    ],
)
def test_everyone_can_use_it(open_page: Open, video: str, what: str) -> None:
    paths = {"form": "/make", "approvals": "/approvals", "schedule": "/schedules"}
    paths |= {"batches": "/batches", "spending": "/usage"}
    paths |= dict.fromkeys(("video", "question"), f"/videos/{video}")
    page = open_page(paths.get(what, "/"), signed_in=what != "sign in")
    show(page, what)

    found = []
    for width, scheme in product((WIDE, NARROW), SCHEMES):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        rules = WCAG if (width, scheme) in _WHOLE else SEEN
        violations = Axe().run(page, options=rules).response["violations"]
        found += [(each["id"], width, scheme, [node["target"] for node in each["nodes"]]) for each in violations]

    assert found == []


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_nothing_moves_while_the_library_comes(open_page: Open, video: str, width: int) -> None:
    page = open_page(width=width)
    show(page, "library")
    expect(page.get_by_text("today")).to_be_visible()

    assert page.evaluate(_SHIFT) <= SHIFT_MAX


def test_the_library_stands_after_one_page_and_three_calls_of_this_host(
    studio: Studio, open_page: Open, video: str
) -> None:
    page = open_page()
    show(page, "library")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.reload()
    show(page, "library")
    seen = list(asked)

    assert len([url for url in seen if "/v1/studio" in url]) == 1
    # What runs is followed, and the price is asked for, when the library stands.
    calls = [url for url in seen if "/v1/" in url and "/v1/studio" not in url]
    before = [url for url in calls if not {"ids=", "dry_run="} & set(re.findall(r"\w+=", url))]
    assert len(before) <= CALLS_MAX
    assert {url.split("/")[2] for url in seen if url.startswith("http")} == {studio.url.split("/")[2]}


def test_no_page_is_wider_than_its_window(open_page: Open, video: str) -> None:
    for path in ("/", "/make", "/approvals", "/schedules", "/batches", "/usage", f"/videos/{video}"):
        page = open_page(path)
        for width in (WIDE, 768, NARROW, 320):
            page.set_viewport_size({"width": width, "height": 800})
            expect(page.get_by_role("banner").or_(page.get_by_role("dialog")).first).to_be_visible()
            fits = "(body) => body.scrollWidth <= document.documentElement.clientWidth"
            wait_until(page, partial(page.locator("body").evaluate, fits), what=f"{path} in {width} px")
