"""`make pictures`: the pictures of README and docs/studio.md, from a real host with the sandbox model.

The studio in Chromium, light and dark, on a desk and on a phone; and what `make demo` and `mediaposter generate` print.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

import httpx
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from mediaposter.host.database import Database
from mediaposter.host.table import SqliteTable
from mediaposter.stores.budget import count_usage
from sandbox.chromium import open_browser
from tests.conformance.embedded import EmbeddedHost

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
BYTES_MAX = 200_000
_OWNER = "local"
_DESK, _PHONE = (1280, 800), (390, 780)
_WAIT_MS = 60_000
# A flat page has few colours; more of them only soften the videos.
_COLOURS = 192
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_UPRIGHT, _WIDE = "720x1280", "1280x720"
_WINDOW_COLUMNS = 100


class Clip(NamedTuple):
    """A video of the library, oldest first."""

    prompt: str
    size: str = _WIDE
    seconds: str = "4"
    fields: dict[str, Any] = {}  # noqa: RUF012  # never changed


_X = {"platform": "twitter", "account_id": "901"}
_LINKEDIN = {"platform": "linkedin", "account_id": "902"}
_INSTAGRAM = {"platform": "instagram", "account_id": "907"}
_THREADS = {"platform": "threads", "account_id": "908"}
LIBRARY = (
    Clip("Steam rises from a cup of tea on a window sill, winter light, macro"),
    Clip("A fox crosses an empty street at dawn, low camera", _UPRIGHT),
    Clip("Paper lanterns drift over a lake, aerial shot", fields={"publish": [_X], "text": "Good night."}),
    Clip(
        "Hands shape a clay bowl on a wheel, macro",
        fields={"publish": [_X, _LINKEDIN], "text": "Twenty minutes of patience, in four seconds."},
    ),
    Clip(
        "A red kite over the sea, wide shot",
        _UPRIGHT,
        fields={"publish": [_INSTAGRAM], "text": "Up it goes. #kite"},
    ),
    Clip("A lighthouse in a storm, waves break over the rocks"),
    Clip(
        "A paper boat sails down a rainy street at dusk, neon signs mirrored in the water",
        _UPRIGHT,
        fields={
            "publish": [_INSTAGRAM, _THREADS],
            "text": "Small boats, big streets. #paperboat",
            "approval": "required",
        },
    ),
)
RENDERING = Clip("A night train leaves the station, windows glow one after another, tracking shot", _WIDE, "12")
_SHEET = (
    "id,prompt,size\n"
    "mon,A market at sunrise,720x1280\n"
    "tue,A tram climbs a hill,720x1280\n"
    "wed,,720x1280\n"
    "thu,Rain on a tin roof,9x9\n"
    "fri,Bread comes out of the oven,1280x720\n"
)


def main() -> None:
    """Take all pictures, and write them to docs/pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        host = EmbeddedHost(Path(folder), {"DAILY_BUDGET_USD": "5"}, wait_scale=1.0)
        _spend_before(host.data / "mediaposter.sqlite", datetime.now(UTC).date())
        host.start()
        try:
            with host.client() as api, open_browser() as browser:
                expect.set_options(timeout=_WAIT_MS)
                _record_terminal(host)
                _fill(api)
                _take_all(browser, f"{host.address.base_url}/studio#key={host.address.api_key}", api)
        finally:
            host.stop()


def _spend_before(path: Path, today: date) -> None:
    """Spend something on the days before, as a host counts it."""
    path.parent.mkdir(parents=True)
    database = Database(path)
    table = SqliteTable(database)
    for days in range(1, 29):
        videos = (days * 7) % 11
        if videos:
            day = today - timedelta(days=days)
            table.commit([count_usage(_OWNER, day, "sandbox-1", videos=videos, spent_micros=videos * 40_000)])
    database.close()


def _fill(api: httpx.Client) -> None:
    """Make the library, and wait until all but the one that is made last are at their ends."""
    made = [_make(api, clip) for clip in LIBRARY]
    morning = (datetime.now(UTC) + timedelta(days=2)).replace(hour=8, minute=30, second=0, microsecond=0)
    posts = [
        {**account, "text": text, "scheduled_time": (morning + timedelta(hours=hours)).isoformat()}
        for account, text, hours in (
            (_X, "Full sail.", 0),
            (_LINKEDIN, "How we film weather.", 2),
            (_THREADS, "Wind: 5. Us: 3.", 26),
        )
    ]
    made.append(_make(api, Clip("A sailing boat heels in strong wind, spray on the lens", fields={"publish": posts})))
    _wait_for(api, made, {"done", "awaiting_approval"})


def _make(api: httpx.Client, clip: Clip) -> str:
    body = {"prompt": clip.prompt, "size": clip.size, "seconds": clip.seconds, **clip.fields}
    answer = api.post("/videos", json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


def _wait_for(api: httpx.Client, videos: list[str], stages: set[str]) -> None:
    ends_at = time.monotonic() + _WAIT_MS / 1000
    for video in videos:
        while api.get(f"/videos/{video}").json()["stage"] not in stages:
            if time.monotonic() > ends_at:
                raise TimeoutError(f"{video} does not come to {stages}.")
            time.sleep(0.2)


@contextmanager
def _open(browser: Browser, url: str, size: tuple[int, int]) -> Iterator[Page]:
    is_phone = size == _PHONE
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        device_scale_factor=2 if is_phone else 1,
        color_scheme="light",
        is_mobile=is_phone,
        has_touch=is_phone,
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="Europe/Berlin",
    )
    page = context.new_page()
    page.goto(url)
    yield page
    context.close()


def _take_all(browser: Browser, url: str, api: httpx.Client) -> None:
    rendering = _make(api, RENDERING)
    _wait_for(api, [rendering], {"rendering"})
    with _open(browser, url, _DESK) as page:
        _type_prompt(page)
        _await_pictures(page)
        expect(page.get_by_role("progressbar").first).to_be_visible()
        for scheme in _SCHEMES:
            page.emulate_media(color_scheme=scheme)
            _save(page, f"studio-{scheme}")
    _wait_for(api, [rendering], {"done"})
    with _open(browser, f"{url}&then=/make", _DESK) as page:
        _type_prompt(page)
        page.get_by_text("Post it").click()
        for name in ("Instagram pretended_instagram", "Threads pretended_threads"):
            page.get_by_role("button", name=name, exact=True).click()
        page.get_by_label("Caption for all").fill("Slow mornings. #tea")
        _await_pictures(page)
        _save(page, "make", height=1000)
    with _open(browser, f"{url}&then=/approvals", _PHONE) as page:
        expect(page.get_by_role("article").get_by_role("button", name="Reject")).to_be_enabled()
        page.wait_for_timeout(2_000)  # until the player has the beginning of the video
        _save(page, "approve")
    with _open(browser, f"{url}&then=/schedules", _DESK) as page:
        page.get_by_role("button", name="Move the post").first.click()
        _await_pictures(page)
        _save(page, "schedule", height=760)
    with _open(browser, f"{url}&then=/batches", _DESK) as page:
        sheet: FilePayload = {"name": "week-49.csv", "mimeType": "text/csv", "buffer": _SHEET.encode()}
        page.get_by_label("Choose a file").set_input_files([sheet])
        expect(page.get_by_role("region", name="Rows that cannot be made")).to_be_visible()
        _save(page, "batch", height=640)
    with _open(browser, f"{url}&then=/usage", _DESK) as page:
        expect(page.get_by_role("img", name="Spending by day")).to_be_visible()
        _save(page, "spending", height=640)


def _type_prompt(page: Page) -> None:
    page.get_by_label("Prompt", exact=True).fill(
        "A cat watches snow through a kitchen window, soft morning light, slow push in"
    )
    expect(page.get_by_text("made by sandbox-1")).to_be_visible()


def _await_pictures(page: Page) -> None:
    for picture in page.locator(".picture img").all():
        if picture.is_visible():
            expect(picture).to_have_class("loaded")
    page.mouse.move(0, 0)


def _save(page: Page, name: str, *, height: int | None = None) -> None:
    """Save what is seen as a PNG of few colours.

    Raises:
        ValueError: it is too large for a page of text.
    """
    if height is not None and page.viewport_size is not None:
        page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
        page.wait_for_timeout(200)
    page.evaluate("() => scrollTo(0, 0)")
    page.wait_for_timeout(200)
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    path = PICTURES / f"{name}.png"
    shot.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    sys.stdout.write(f"{path.relative_to(ROOT)}: {size // 1000} KB\n")
    if size > BYTES_MAX:
        raise ValueError(f"{path} has {size} bytes, more than {BYTES_MAX}.")


def _record_terminal(host: EmbeddedHost) -> None:
    """Run the demo and one command, and draw what they print as a terminal."""
    console = Console(record=True, width=_WINDOW_COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
    boat = ["generate", "A paper boat on a rainy street", "--publish", "instagram:907", "--output", "boat.mp4"]
    for shown, command, folder in (
        ("make demo", [sys.executable, "-m", "sandbox.demo"], ROOT),
        (
            'mediaposter generate "A paper boat on a rainy street" --publish instagram:907 --output boat.mp4',
            [sys.executable, "-m", "mediaposter", *boat, "--data", str(host.data)],
            host.folder,
        ),
    ):
        ran = subprocess.run(  # this program's own commands
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
        )
        console.print(Text.assemble(("$ ", "bold green"), (shown, "bold")))
        printed = ran.stdout.replace(str(host.data), "…/.local/data")
        console.print(Text(printed))
    # A picture asks no other host for its letters.
    frame = re.sub(r"@font-face {{.*?}}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    console.save_svg(str(PICTURES / "demo.svg"), title="MediaPoster", code_format=frame, unique_id="demo")


if __name__ == "__main__":
    main()
