"""GET /studio: the page, its policy and how it travels."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from pathlib import Path

import pytest

from functions.studio.studio import Page, handler, read_page

SIZE_MAX_BYTES = 54_000
HTML = Path(__file__).parents[3].joinpath("functions/studio/studio.html").read_text(encoding="utf-8")
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "accept-encoding": "gzip, deflate, br"}
BUCKET = "https://clips.s3.eu-central-1.amazonaws.com"


def test_the_page_is_small() -> None:
    assert len(read_page().answer(BROWSER).body) <= SIZE_MAX_BYTES


def test_the_policy_allows_the_script_and_the_style_of_the_page_and_no_others() -> None:
    policy = read_page(files_origins=BUCKET).answer({}).headers["Content-Security-Policy"]

    for kind, pattern in (
        ("script-src", r"<script type=\"module\">(.*?)</script>"),
        ("style-src", "<style>(.*?)</style>"),
    ):
        [text] = re.findall(pattern, HTML, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert f"media-src 'self' {BUCKET} blob:;" in policy


def test_the_page_names_no_other_host() -> None:
    addresses = set(re.findall(r"https?://[\w.-]+", HTML))

    # The namespaces of SVG and MathML are names, and are not loaded.
    assert addresses <= {"http://www.w3.org", "https://"}, addresses


def test_a_browser_that_has_the_page_gets_no_bytes() -> None:
    page = read_page()

    again = page.answer({"if-none-match": f'"other", {page.answer({}).headers["ETag"]}'})

    assert (again.status, again.body) == (304, b"")


def test_another_page_has_another_tag() -> None:
    other = Page(HTML.replace("MediaPoster Studio", "Other", 1).encode())

    assert other.answer({}).headers["ETag"] != read_page().answer({}).headers["ETag"]


def test_the_gateway_gets_bytes_only_for_a_client_to_which_it_passes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILES_ORIGINS", BUCKET)

    compressed = handler({"headers": {"Accept": BROWSER["accept"], "Accept-Encoding": "gzip"}}, None)
    plain = handler({"headers": {"Accept": "*/*", "Accept-Encoding": "gzip"}}, None)

    assert compressed["isBase64Encoded"]
    assert gzip.decompress(base64.b64decode(compressed["body"])).decode() == HTML
    assert (plain["isBase64Encoded"], plain["body"]) == (False, HTML)
