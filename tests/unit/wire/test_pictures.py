"""Reference pictures: what is told of them by their content, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mediaposter.domain.errors import InvalidRequest
from mediaposter.wire.picture_header import PARTS_MAX
from mediaposter.wire.pictures import (
    PICTURE_MAX_BYTES,
    REQUEST_PICTURE_MAX_BYTES,
    PictureUrl,
    UploadedPicture,
    UploadReference,
    read_input_reference,
)
from mediaposter.wire.urls import check_https_url
from tests.unit.wire.sending import refusal_or_none, write_png, write_png_header

UPLOAD_ID = "upload_" + "0123456789abcdef" * 2


def draw(kind: str, *, width: int = 90, height: int = 160, mode: str = "RGB", **options: Any) -> bytes:
    """Draw noise, so that there are pixels to cut off."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    image = Image.frombytes(mode, (width, height), random.Random(0).randbytes(width * height * channels))
    drawn = io.BytesIO()
    image.save(drawn, kind, **options)
    return drawn.getvalue()


def draw_animation(kind: str) -> bytes:
    drawn = io.BytesIO()
    frames = [Image.new("RGB", (90, 160), colour) for colour in ("red", "blue")]
    frames[0].save(drawn, kind, save_all=True, append_images=frames[1:])
    return drawn.getvalue()


PNG = draw("PNG")
JPEG = draw("JPEG")
VP8 = draw("WEBP", quality=50)
VP8L = draw("WEBP", lossless=True)
VP8X = draw("WEBP", quality=50, mode="RGBA")
VP8X_LOSSLESS = draw("WEBP", lossless=True, icc_profile=b"a profile")
PICTURES = {
    "png": (PNG, "image/png"),
    "jpeg": (JPEG, "image/jpeg"),
    "progressive jpeg": (draw("JPEG", progressive=True), "image/jpeg"),
    "cmyk jpeg": (draw("JPEG", mode="CMYK"), "image/jpeg"),
    "jpeg with restarts": (draw("JPEG", restart_marker_rows=1), "image/jpeg"),
    "vp8": (VP8, "image/webp"),
    "vp8l": (VP8L, "image/webp"),
    "vp8x": (VP8X, "image/webp"),
    "vp8x, lossless": (VP8X_LOSSLESS, "image/webp"),
}
WHOLE = {"png": PNG, "jpeg": JPEG, "vp8": VP8, "vp8l": VP8L, "vp8x": VP8X}


def refusal_of(value: object) -> InvalidRequest:
    refusal = refusal_or_none(read_input_reference, value)
    assert refusal is not None
    assert refusal.param == "input_reference"
    assert refusal.message.startswith("The reference picture cannot be used: ")
    return refusal


# What a file is


@pytest.mark.parametrize(("content", "content_type"), PICTURES.values(), ids=PICTURES)
def test_a_picture_is_told_and_measured_by_its_content(content: bytes, content_type: str) -> None:
    picture = UploadedPicture.read(content)

    assert (picture.content_type, picture.width, picture.height) == (content_type, 90, 160)
    assert picture.content == content


def test_the_pictures_of_these_tests_are_of_the_three_kinds_of_webp() -> None:
    assert [content[12:16] for content in (VP8, VP8L, VP8X, VP8X_LOSSLESS)] == [b"VP8 ", b"VP8L", b"VP8X", b"VP8X"]


def test_a_thumbnail_within_a_jpeg_is_not_taken_for_it() -> None:
    thumbnail = draw("JPEG", width=10, height=10)
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail

    picture = UploadedPicture.read(JPEG[:2] + segment + JPEG[2:])

    assert (picture.width, picture.height) == (90, 160)


# How it is turned


def tell_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_measured_as_it_is_shown(orientation: int) -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        picture = UploadedPicture.read(draw(kind, exif=tell_orientation(orientation)))
        # By a quarter it is turned from the fifth on (Exif 2.32, section 4.6.4).
        assert (picture.width, picture.height) == ((90, 160) if orientation < 5 else (160, 90))
        assert picture.orientation == orientation


def test_the_orientation_is_read_in_either_order_of_bytes() -> None:
    for order, mark in (("<", b"II*\0"), (">", b"MM\0*")):
        exif = mark + struct.pack(f"{order}IHHHIHxxI", 8, 1, 0x0112, 3, 1, 6, 0)
        segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif

        assert UploadedPicture.read(JPEG[:2] + segment + JPEG[2:]).orientation == 6


@given(st.binary(max_size=60), st.sampled_from([b"", b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0"]))
def test_exif_that_cannot_be_read_turns_nothing_and_refuses_nothing(noise: bytes, beginning: bytes) -> None:
    exif = b"Exif\0\0" + beginning + noise
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif

    assert 1 <= UploadedPicture.read(JPEG[:2] + segment + JPEG[2:]).orientation <= 8


def test_a_picture_of_the_shape_of_its_video_warns_of_nothing() -> None:
    for size in ("720x1280", "704x1280", "1080x1920"):
        assert UploadedPicture.read(JPEG).list_warnings(size=size) == []


def test_a_picture_that_lies_on_its_side_has_the_shape_it_is_shown_with_and_is_warned_of() -> None:
    picture = UploadedPicture.read(draw("JPEG", exif=tell_orientation(6)))

    (turned,) = picture.list_warnings(size="1280x720")
    (other,) = UploadedPicture.read(JPEG).list_warnings(size="1280x720")
    assert "shown as 90x160, and the video is 1280x720" in other
    assert "to be turned before it is shown, to 160x90" in turned
    assert len(picture.list_warnings(size="720x1280")) == 2


# How long it takes


MANY_PARTS: dict[str, Callable[[int], bytes]] = {
    "empty segments": lambda count: JPEG[:2] + b"\xff\xfe\0\2" * count + JPEG[2:],
    "bare markers": lambda count: JPEG[:2] + b"\xff\x01" * count + JPEG[2:],
    "empty chunks": lambda count: PNG[:33] + write_png((b"tEXt", b""))[8:] * count + PNG[33:],
    "empty riff chunks": lambda count: (
        b"RIFF" + struct.pack("<I", len(VP8X) - 8 + 8 * count) + VP8X[8:30] + b"JUNK\0\0\0\0" * count + VP8X[30:]
    ),
}


@pytest.mark.parametrize("kind", MANY_PARTS)
def test_a_file_may_have_as_many_parts_as_an_encoder_writes_and_no_more(kind: str) -> None:
    assert UploadedPicture.read(MANY_PARTS[kind](PARTS_MAX - 1_000)).width == 90
    assert "more than 50,000 parts" in refusal_of(MANY_PARTS[kind](PARTS_MAX + 1)).message


@pytest.mark.parametrize("filling", [b"\xff", b"\xff\xd0"])
def test_a_scan_of_twenty_megabytes_is_read_in_two_seconds(filling: bytes) -> None:
    end = JPEG.rindex(b"\xff\xd9")
    content = JPEG[:end] + filling * (19_000_000 // len(filling)) + JPEG[end:]
    started = time.process_time()

    assert UploadedPicture.read(content).width == 90
    assert time.process_time() - started < 2


@pytest.mark.parametrize("content", [b"", b"GIF89a" + b"\0" * 100, b"\x89PNG", b"\xff\xd8", b"RIFF\0\0\0\0WAVE"])
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    assert refusal_of(content).code == "invalid_value"


# What is wrong with it


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_a_truncated_picture_is_refused_wherever_it_ends(content: bytes) -> None:
    for size in range(0, len(content), 7):
        refusal_of(content[:size])
    refusal_of(content[:-1])


def test_a_damaged_png_is_refused() -> None:
    for position in (18, 30, len(PNG) // 2):
        damaged = bytearray(PNG)
        damaged[position] ^= 1
        assert "checksum" in refusal_of(bytes(damaged)).message


PIXELS = (b"IDAT", b"x")
END = (b"IEND", b"")


def test_a_png_written_by_hand_is_read() -> None:
    assert UploadedPicture.read(write_png(write_png_header(interlace=1), PIXELS, END)).height == 160


@pytest.mark.parametrize(
    "chunks",
    [
        (PIXELS, write_png_header(), END),
        ((b"IHDX", write_png_header()[1]), PIXELS, END),
        ((b"IHDR", b"x" * 12), PIXELS, END),
        *(
            (write_png_header(**{field: wrong}), PIXELS, END)
            for field, wrong in (("depth", 3), ("colour", 1), ("compression", 1), ("filter", 1), ("interlace", 2))
        ),
        (write_png_header(), END),
        (write_png_header(), (b"IDAT", b""), END),
        (write_png_header(), PIXELS),
    ],
)
def test_a_png_whose_parts_do_not_fit_is_refused(chunks: tuple[tuple[bytes, bytes], ...]) -> None:
    assert "as image/png it" in refusal_of(write_png(*chunks)).message


def a_frame(marker: int = 0xC0, *, components: int = 3, size: int = 17) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">HBHHB", size, 8, 160, 90, components) + b"\0" * (size - 8)


SCAN = b"\xff\xda\0\x02pixels\xff\0\xff\xd0more"
JPEG_END = b"\xff\xd9"


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2])
def test_a_jpeg_written_by_hand_is_read(marker: int) -> None:
    picture = UploadedPicture.read(b"\xff\xd8\xff\x01\xff\xff\xff" + a_frame(marker)[1:] + SCAN + JPEG_END)

    assert (picture.width, picture.height) == (90, 160)


@pytest.mark.parametrize(
    "segments",
    [
        SCAN + JPEG_END,
        a_frame() + JPEG_END,
        a_frame() + SCAN,
        a_frame() + b"\xff\xda\0\x02" + JPEG_END,
        a_frame() + a_frame() + SCAN + JPEG_END,
        a_frame(0xC3) + SCAN + JPEG_END,
        a_frame(components=2, size=14) + SCAN + JPEG_END,
        a_frame() + b"\xff\xda\0\0pixels" + JPEG_END,
        a_frame(size=16) + SCAN + JPEG_END,
        b"\xff\xc0\0\x04\0\0" + SCAN + JPEG_END,
        b"\xff\xe0\0\x01" + a_frame() + SCAN + JPEG_END,
        b"\xff\xe0\xff\xff" + a_frame() + SCAN + JPEG_END,
        b"\xff\0\0\x02" + a_frame() + SCAN + JPEG_END,
        b"\xff\xd8\0\x02" + a_frame() + SCAN + JPEG_END,
        JPEG_END + b"\0\x02" + a_frame() + SCAN + JPEG_END,
        b"\xff" * 1_000_000,
    ],
    ids=lambda segments: segments[:12].hex(),
)
def test_a_jpeg_whose_parts_do_not_fit_is_refused(segments: bytes) -> None:
    # A filler makes of the start alone what a JPEG begins with.
    message = refusal_of(b"\xff\xd8\xff" + segments).message
    assert "as image/jpeg it" in message
    assert ("neither baseline nor progressive" in message) == (segments[1] == 0xC3)


def write_webp(*chunks: tuple[bytes, bytes], size: int | None = None) -> bytes:
    written = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(written) if size is None else size) + written


def a_canvas(width: int = 90, height: int = 160, *, flags: int = 0) -> tuple[bytes, bytes]:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + sides


LOSSY = (b"VP8 ", VP8[20 : 20 + int.from_bytes(VP8[16:20], "little")])
LOSSLESS = (b"VP8L", VP8L[20 : 20 + int.from_bytes(VP8L[16:20], "little")])


def with_byte(chunk: tuple[bytes, bytes], position: int, value: int) -> tuple[bytes, bytes]:
    kind, data = chunk
    return kind, data[:position] + bytes([value]) + data[position + 1 :]


@pytest.mark.parametrize("chunks", [(LOSSY,), (LOSSLESS,), (a_canvas(), (b"ICCP", b"odd"), LOSSY)])
def test_a_webp_written_by_hand_is_read(chunks: tuple[tuple[bytes, bytes], ...]) -> None:
    picture = UploadedPicture.read(write_webp(*chunks))

    assert (picture.width, picture.height) == (90, 160)


@pytest.mark.parametrize(
    "content",
    [
        write_webp(),
        write_webp(a_canvas()),
        write_webp((b"EXIF", b"xx")),
        write_webp(a_canvas(), a_canvas(), LOSSY),
        write_webp(a_canvas(91), LOSSY),
        write_webp((b"VP8X", b"short"), LOSSY),
        write_webp((b"VP8 ", b"short")),
        write_webp((b"VP8L", b"\x2f")),
        write_webp(with_byte(LOSSY, 0, LOSSY[1][0] | 1)),
        write_webp(with_byte(LOSSY, 3, 0)),
        write_webp(with_byte(LOSSY, 2, 0xFF)),
        write_webp(with_byte(LOSSLESS, 0, 0)),
        write_webp(with_byte(LOSSLESS, 4, LOSSLESS[1][4] | 0x20)),
        write_webp(LOSSY, size=len(LOSSY[1])),
    ],
)
def test_a_webp_whose_parts_do_not_fit_is_refused(content: bytes) -> None:
    assert "as image/webp it" in refusal_of(content).message


def test_an_animation_is_refused_as_one() -> None:
    for kind in ("WEBP", "PNG"):
        assert "it is an animation; send one picture" in refusal_of(draw_animation(kind)).message


@pytest.mark.parametrize(("width", "height"), [(64, 8_192), (8_192, 64)])
def test_a_picture_may_be_this_small_and_this_large(width: int, height: int) -> None:
    picture = UploadedPicture.read(draw("PNG", width=width, height=height, mode="L"))

    assert (picture.width, picture.height) == (width, height)


@pytest.mark.parametrize("side", [0, 63, 8_193])
def test_a_smaller_or_larger_picture_is_refused_with_its_size(side: int) -> None:
    for header in (write_png_header(width=side), write_png_header(height=side)):
        assert str(side) in refusal_of(write_png(header, PIXELS, END)).message


def test_a_picture_of_too_many_bytes_is_refused() -> None:
    padding = (b"tEXt", b"x" * (PICTURE_MAX_BYTES - len(write_png(write_png_header(), PIXELS, (b"tEXt", b""), END))))
    longest = write_png(write_png_header(), PIXELS, padding, END)

    assert len(UploadedPicture.read(longest).content) == PICTURE_MAX_BYTES
    with pytest.raises(InvalidRequest) as refusal:
        UploadedPicture.read(longest + b"x")
    assert (refusal.value.param, refusal.value.code) == ("input_reference", "request_too_large")


@given(
    kind=st.sampled_from(sorted(WHOLE)),
    changes=st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=8),
    size=st.integers(0, 100_000),
)
def test_whatever_is_in_a_file_it_is_read_or_refused(kind: str, changes: list[tuple[int, int]], size: int) -> None:
    content = bytearray(WHOLE[kind][:size])
    for position, value in changes:
        if position < len(content):
            content[position] = value

    if refusal_or_none(UploadedPicture.read, bytes(content)) is None:
        assert 64 <= UploadedPicture.read(bytes(content)).width <= 8_192


# What a request says of its picture


def test_a_file_a_url_or_an_upload_may_be_written_alone_or_by_its_name() -> None:
    url = "https://example.com/kite.png?size=2"

    assert read_input_reference(PNG) == UploadedPicture.read(PNG)
    assert read_input_reference(url) == read_input_reference({"image_url": url}) == PictureUrl(url=url)
    upload = UploadReference(upload_id=UPLOAD_ID)
    assert read_input_reference(UPLOAD_ID) == read_input_reference({"upload_id": UPLOAD_ID}) == upload
    assert read_input_reference(upload) is upload


@pytest.mark.parametrize("upload_id", ["upload_1", UPLOAD_ID + "0", UPLOAD_ID + "\n", UPLOAD_ID[:-1] + "A"])
def test_an_upload_of_another_name_is_refused(upload_id: str) -> None:
    refusal_of({"upload_id": upload_id})
    refusal_of(upload_id)


def a_data_url(content: bytes, start: str = "data:image/png;base64,") -> str:
    return start + base64.b64encode(content).decode()


@pytest.mark.parametrize("start", ["data:image/jpeg;base64,", "DATA:IMAGE/PNG;x=y;BASE64,"])
def test_a_data_url_is_the_picture_in_it_whatever_it_calls_it(start: str) -> None:
    assert read_input_reference(a_data_url(PNG, start)) == UploadedPicture.read(PNG)


@pytest.mark.parametrize(
    "url",
    [
        *("data:,", "data:image/png;base64", "data:image/png;base64,####", "data:image/png;base64,AAA"),
        a_data_url(PNG, "data:image/png,"),
        a_data_url(PNG, "data:text/html;base64,"),
        a_data_url(PNG[:-9]),
        a_data_url(PNG) + "\n",
    ],
)
def test_a_data_url_without_a_picture_in_it_is_refused(url: str) -> None:
    refusal_of({"image_url": url})


@pytest.mark.parametrize("padding", [0, 1, 2])  # of base64
def test_a_picture_may_be_as_large_as_a_request_carries_and_is_else_told_the_way_round(padding: int) -> None:
    longest = PNG + b"\0" * (REQUEST_PICTURE_MAX_BYTES - padding - len(PNG))
    assert read_input_reference(longest) == read_input_reference(a_data_url(longest)) == UploadedPicture.read(longest)

    for value in (longest + b"x" * (padding + 1), a_data_url(longest + b"x" * (padding + 1))):
        refusal = refusal_of(value)
        assert refusal.code == "request_too_large"
        assert "POST /uploads" in refusal.message
        assert str(REQUEST_PICTURE_MAX_BYTES + 1) in refusal.message


@pytest.mark.parametrize(
    "value",
    [
        *("", 1, None, {}, [UPLOAD_ID], {"image_url": 1}, {"upload_id": ["x"]}, {"file_id": "file-1"}),
        {"upload_id": UPLOAD_ID, "image_url": "https://example.com"},
    ],
)
def test_a_reference_of_another_shape_is_refused(value: object) -> None:
    assert refusal_of(value).code == "invalid_value"


# URLs


@pytest.mark.parametrize(
    "url",
    [
        *("HTTPS://example.com:8443/a?b=c#d", "https://[2001:db8::1]/", "https://xn--4ca.com/%20"),
        "https://example.com/" + "x" * 2_028,
    ],
)
def test_an_https_url_is_taken_as_it_is(url: str) -> None:
    assert check_https_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "http://example.com", "javascript:alert(1)", "https:///path", "https:example.com"),
        *("https://[::1", "https://example.com:99999/", "https://example.com:port/", "https://exämple.com"),
        *("https://user@example.com/", "https://u:secret@example.com/", "https://@example.com/"),
        *("https://example.com\\@evil.example/", "https://example.com/a b", "https://example.com/\n"),
        "https://example.com/" + "x" * 2_029,
    ],
)
def test_what_is_no_plain_https_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="must be") as refusal:
        check_https_url(url)
    assert "secret" not in str(refusal.value)
    refusal_of({"image_url": url})


@given(st.text())
def test_whatever_the_url_it_is_read_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"https://[{text}]/", f"data:{text}", f"upload_{text}"):
        refusal_or_none(read_input_reference, url)


# What is written down of it


def test_in_json_a_picture_is_its_hash() -> None:
    written = json.loads(UploadedPicture.read(PNG).model_dump_json())

    assert written == {
        "content": hashlib.sha256(PNG).hexdigest(),
        "content_type": "image/png",
        "width": 90,
        "height": 160,
    }


def test_the_bytes_of_a_picture_are_not_shown() -> None:
    assert repr(UploadedPicture.read(PNG)) == "UploadedPicture(content_type='image/png', width=90, height=160)"
