"""The picture that a request names, read from a path, a data URI or a URL before anything is submitted."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
import pytest

from mediaposter.ai.reference_image import MAX_IMAGE_BYTES, ReferenceImage, read_reference_image
from mediaposter.domain.errors import ErrorCode, VideoModelError
from tests.fakes.provider import Internet

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
ENCODED = base64.b64encode(PNG).decode()


def read(source: str, internet: Internet | None = None) -> ReferenceImage:
    return read_reference_image(source, timeout_seconds=5.0, internet=(internet or Internet()).way)


@pytest.mark.parametrize(
    ("content", "kind"), [(PNG, "png"), (b"\xff\xd8\xff\xe0pixels", "jpeg"), (b"RIFF\x10\0\0\0WEBPpixels", "webp")]
)
def test_a_picture_is_told_by_its_content_and_named_by_its_type(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "an image"
    path.write_bytes(content)
    image = read(str(path))
    assert image == ReferenceImage(content, f"image/{kind}")
    assert image.filename == f"reference.{kind}"


@pytest.mark.parametrize(
    "uri",
    [
        f"data:image/png;base64,{ENCODED}",
        "data:;base64," + ENCODED.replace("=", "%3D"),
        "data:image/png,%89PNG%0D%0A%1A%0Apixels",
    ],
)
def test_a_data_uri_is_decoded(uri: str) -> None:
    assert read(uri).content == PNG


def test_a_url_is_fetched() -> None:
    assert read("https://images.example/a.png", Internet(httpx.Response(200, content=PNG))).content == PNG


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (f"data:image/png;base64,{ENCODED}#", "its data URI is not base64"),
        ("data:image/png;base64,", "PNG, JPEG or WebP"),
        ("data:image/png", "PNG, JPEG or WebP"),
        (f"data:image/webp;base64,{base64.b64encode(b'RIFF----WAVEfmt ').decode()}", "PNG, JPEG or WebP"),
        ("/nowhere/a.png", "it cannot be read"),
        ("a\0b", "it cannot be read"),
        ("file:///etc/passwd", "https"),
        ("http://images.example/a.png", "https"),
        ("https://images.example/a.png", "public"),
    ],
)
def test_what_is_no_picture_or_may_not_be_fetched_is_refused(source: str, sentence: str) -> None:
    internet = Internet()
    internet.addresses = ["169.254.169.254"]
    with pytest.raises(VideoModelError, match=sentence) as raised:
        read(source, internet)
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
    assert internet.requests == []


def test_a_path_never_reads_a_file_that_is_no_picture_and_no_more_than_a_picture_may_have(tmp_path: Path) -> None:
    secret, long = tmp_path / "environ", tmp_path / "a.png"
    secret.write_bytes(b"AWS_SECRET_ACCESS_KEY=secret")
    long.write_bytes(PNG.ljust(MAX_IMAGE_BYTES + 1, b"\0"))
    with pytest.raises(VideoModelError, match="PNG, JPEG or WebP"):
        read(str(secret))
    with pytest.raises(VideoModelError, match="longer than"):
        read(str(long))
    long.write_bytes(PNG.ljust(MAX_IMAGE_BYTES, b"\0"))
    assert len(read(str(long)).content) == MAX_IMAGE_BYTES
