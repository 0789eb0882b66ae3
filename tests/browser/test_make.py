"""Make videos: with a picture, in variants, and without a second one by mistake."""

from __future__ import annotations

import json
import struct
import zlib
from base64 import b64encode
from pathlib import Path
from uuid import uuid4

from playwright.sync_api import FilePayload, Page, Route, expect

from tests.browser.conftest import NARROW, Open, Studio

WIDTH, HEIGHT = 1200, 900


def draw_png(width: int = WIDTH, height: int = HEIGHT, *, is_noise: bool = False) -> bytes:
    """Draw a PNG whose left half is red and whose right half is blue; or noise, which no encoder makes small."""
    row = b"\xff\0\0" * (width // 2) + b"\0\0\xff" * (width - width // 2)
    noise = b"".join(bytes((number * number * 7919 >> 5 & 255,)) for number in range(width * 3 + height))
    rows = b"".join(b"\0" + (noise[line : line + width * 3] if is_noise else row) for line in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def choose_picture(page: Page, content: bytes, *, name: str = "boat.png", kind: str = "image/png") -> None:
    page.locator("input[type=file]").set_input_files(FilePayload(name=name, mimeType=kind, buffer=content))


def fill_prompt(page: Page) -> str:
    prompt = f"A kite {uuid4().hex[:8]}"
    page.get_by_label("Prompt", exact=True).fill(prompt)
    return prompt


def list_made(studio: Studio, prompt: str) -> list[str]:
    return [video["id"] for video in studio.api.get("/videos", params={"prompt": prompt}).json()["data"]]


def lose_first_answer(page: Page) -> None:
    """Let the API get the next request for a video, and the page no answer."""
    lost = iter([True])

    def lose(route: Route) -> None:
        if next(lost, False):
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/videos", lose)


def test_variants_are_made_once_each_for_a_double_press_and_a_lost_answer(studio: Studio, open_page: Open) -> None:
    page = open_page()
    prompt = fill_prompt(page)
    page.get_by_role("group", name="Variants").get_by_label("3").check()
    expect(page.get_by_text("$0.12")).to_be_visible()
    lose_first_answer(page)

    page.get_by_role("button", name="Make 3 videos").dblclick()

    expect(page.get_by_role("listitem").filter(has_text=prompt)).to_have_count(3)
    assert len(list_made(studio, prompt)) == 3


def test_a_picture_is_cut_to_the_shape_and_sent(studio: Studio, open_page: Open) -> None:
    page = open_page("/make", width=NARROW)
    prompt = fill_prompt(page)
    choose_picture(page, draw_png())
    expect(page.get_by_alt_text("The video begins with this picture")).to_be_visible()
    page.get_by_label("Place").fill("0")
    expect(page.get_by_text("made by sandbox-1")).to_be_visible()

    with page.expect_request("**/v1/videos") as sent:
        page.get_by_role("button", name="Make video").click()

    expect(page.get_by_role("listitem").filter(has_text=prompt)).to_be_visible()
    picture = json.loads(sent.value.post_data or "")["input_reference"]["image_url"]
    cut = page.evaluate(
        """async (url) => {
          const image = await createImageBitmap(await new Promise((resolve) => {
            const picture = new Image();
            picture.onload = () => resolve(picture);
            picture.src = url;
          }));
          const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
          canvas.drawImage(image, 0, 0);
          const [red, , blue] = canvas.getImageData(image.width - 20, 20, 1, 1).data;
          return [image.width, image.height, red > 200, blue < 50];
        }""",
        picture,
    )
    assert cut == [720, 1280, True, True]
    (made,) = list_made(studio, prompt)
    assert studio.api.get(f"/videos/{made}").json()["warnings"] == [
        "A clip that MediaPoster draws itself, to try it out: no video model was asked."
    ]


def test_a_large_picture_that_is_dropped_is_uploaded_once(studio: Studio, open_page: Open) -> None:
    page = open_page()
    prompt = fill_prompt(page)
    dropped = page.evaluate_handle(
        """(base64) => {
          const data = new DataTransfer();
          const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
          data.items.add(new File([bytes], "boat.png", { type: "image/png" }));
          return data;
        }""",
        b64encode(draw_png(is_noise=True)).decode(),
    )
    page.get_by_label("Prompt", exact=True).dispatch_event("drop", {"dataTransfer": dropped})
    expect(page.get_by_alt_text("The video begins with this picture")).to_be_visible()
    uploads: list[str] = []
    page.on("request", lambda each: uploads.append(each.url) if each.url.endswith("/v1/uploads") else None)
    lose_first_answer(page)

    page.get_by_role("button", name="Make video").click()

    expect(page.get_by_role("listitem").filter(has_text=prompt)).to_be_visible()
    assert len(list_made(studio, prompt)) == len(uploads) == 1


def test_a_picture_that_cannot_be_used_is_refused_before_it_is_sent(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(21_000_000)

    page.locator("input[type=file]").set_input_files(large)
    expect(page.get_by_text("large.png has 21.0 MB; 21.0 MB is the most.")).to_be_visible()
    for content, kind, reason in (
        (b"words", "text/plain", "boat.png is not a PNG, JPEG or WebP picture."),
        (b"words", "image/png", "boat.png is damaged, or not a picture."),
        (draw_png(40, 90), "image/png", "boat.png is 40 × 90 pixels; each side must have 64 to 8192."),
    ):
        choose_picture(page, content, kind=kind)
        expect(page.get_by_text(reason)).to_be_visible()
    expect(page.get_by_text("First picture")).to_be_visible()


def test_all_of_the_draft_survives_a_reload(open_page: Open) -> None:
    page = open_page()
    prompt = fill_prompt(page)
    choose_picture(page, draw_png())
    page.get_by_label("8 s").check()
    page.get_by_text("Post it").click()
    page.get_by_role("button", name="X pretended_x").click()
    page.get_by_label("Caption", exact=True).fill("Slow mornings")
    page.get_by_label("Ask me first").check()
    expect(page.get_by_alt_text("The video begins with this picture")).to_be_visible()

    page.reload()

    expect(page.get_by_label("Prompt", exact=True)).to_have_value(prompt)
    expect(page.get_by_alt_text("The video begins with this picture")).to_be_visible()
    expect(page.get_by_label("8 s")).to_be_checked()
    expect(page.get_by_role("button", name="X pretended_x")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("Caption", exact=True)).to_have_value("Slow mornings")
    expect(page.get_by_label("Ask me first")).to_be_checked()
