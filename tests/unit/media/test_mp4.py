"""The box walker: what it tells, and what it refuses."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.domain.errors import MediaError
from mediaposter.media.mp4 import Box, Mp4Walker


def box(box_type: str, body: bytes = b"", *, large: bool = False) -> bytes:
    if large:
        return struct.pack(">I4sQ", 1, box_type.encode(), 16 + len(body)) + body
    return struct.pack(">I4s", 8 + len(body), box_type.encode()) + body


WHOLE = box("ftyp", b"isom") + box("moov", b"index") + box("mdat", b"frames")


def walk(data: bytes, cuts: list[int] | None = None, *, total_bytes: int | None = None) -> list[Box]:
    walker = Mp4Walker()
    edges = [0, *sorted(cuts or []), len(data)]
    found = [found for start, end in pairwise(edges) for found in walker.feed(data[start:end])]
    walker.finish(total_bytes)
    return found


bodies = st.binary(max_size=40)


@st.composite
def mp4s(draw: st.DrawFn) -> bytes:
    """An MP4 whose boxes stand in any order after `ftyp`, with 32- and 64-bit sizes."""
    types = draw(st.permutations(["moov", "mdat", *draw(st.lists(st.sampled_from(["free", "uuid", "mdat"])))]))
    return b"".join(box(name, draw(bodies), large=draw(st.booleans())) for name in ["ftyp", *types])


@given(st.data(), mp4s())
def test_the_boxes_told_lie_end_to_end_however_they_come(data: st.DataObject, mp4: bytes) -> None:
    boxes = walk(mp4)
    assert walk(mp4, data.draw(st.lists(st.integers(0, len(mp4))))) == boxes
    position = 0
    for found in boxes:
        assert found.offset == position
        assert mp4[position:].startswith(found.header)
        assert mp4[position + 4 : position + 8] == found.type.encode()
        assert found.size_bytes is not None
        position += found.size_bytes
    assert position == len(mp4)


C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
MANIFEST_STORE = bytes.fromhex("6332706100110010800000aa00389b71")


@pytest.mark.parametrize(
    ("content", "provenance"),
    [
        (box("uuid", C2PA + bytes(4) + b"manifest\0" + bytes(8) + b"jumb"), "c2pa"),
        (box("uuid", C2PA + bytes(4) + b"manifest\0", large=True), "c2pa"),
        (box("jumb", box("jumd", MANIFEST_STORE + b"\x03c2pa\0")), "c2pa"),
        (box("uuid", C2PA + bytes(4) + b"merkle\0" + bytes(60)), None),
        (box("uuid", bytes(16) + C2PA + bytes(60)), None),
        (box("uuid", C2PA[:-1]), None),
        (box("free", C2PA + bytes(4) + b"manifest\0"), None),
        (box("jumb", box("jumd", bytes(16) + b"\x03c2pa\0")), None),
    ],
)
@given(data=st.data())
def test_content_credentials_are_seen_wherever_they_stand_and_however_they_come(
    content: bytes, provenance: str | None, data: st.DataObject
) -> None:
    parts = [box("moov", b"index"), box("mdat", C2PA + b"frames"), content]
    mp4 = box("ftyp", b"isom") + b"".join(data.draw(st.permutations(parts)))
    walker = Mp4Walker()
    edges = [0, *sorted(data.draw(st.lists(st.integers(0, len(mp4))))), len(mp4)]
    for start, end in pairwise(edges):
        walker.feed(mp4[start:end])

    assert walker.provenance == provenance


@given(st.data(), mp4s())
def test_any_truncation_of_a_declared_length_or_inside_a_box_is_refused(data: st.DataObject, mp4: bytes) -> None:
    kept = data.draw(st.integers(0, len(mp4) - 1))
    with pytest.raises(MediaError):
        walk(mp4[:kept], total_bytes=len(mp4))
    if kept == 0 or kept not in {found.offset for found in walk(mp4)}:
        with pytest.raises(MediaError):
            walk(mp4[:kept])


def test_memory_does_not_grow_with_the_boxes() -> None:
    walker = Mp4Walker()
    walker.feed(box("ftyp"))
    before = {name: vars(walker)[name].__sizeof__() for name in vars(walker)}
    walker.feed(box("free", b"12345") * 10_000)
    after = {name: vars(walker)[name].__sizeof__() for name in vars(walker)}
    assert sum(after.values()) - sum(before.values()) < 64


def test_a_page_instead_of_a_video_is_refused_at_its_first_bytes() -> None:
    with pytest.raises(MediaError, match="not an MP4"):
        Mp4Walker().feed(b"<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("data", "total_bytes", "sentence"),
    [
        (b"", None, "before its first box"),
        (box("ftyp") + box("mdat"), None, "no 'moov'"),
        (box("ftyp") + box("moov"), None, "no 'mdat'"),
        (WHOLE[:-1], None, "its 'mdat' box, which begins at byte 25, has 14 bytes"),
        (WHOLE + b"\0\0\0", None, "inside the header"),
        (WHOLE, 47, "has 39 bytes where 47 were declared"),
        (WHOLE + struct.pack(">I4s", 7, b"free"), None, "fewer than its own header"),
        (WHOLE + struct.pack(">I4sQ", 1, b"free", 15), None, "fewer than its own header"),
        (box("ftyp") + box("moov") + struct.pack(">I4s", 0, b"mdat"), None, "so it may be incomplete"),
    ],
)
def test_what_is_no_whole_mp4_is_refused_with_what_is_wrong(
    data: bytes, total_bytes: int | None, sentence: str
) -> None:
    with pytest.raises(MediaError, match=sentence):
        walk(data, total_bytes=total_bytes)


def test_a_box_beyond_four_gibibytes_is_told_with_its_size() -> None:
    walker = Mp4Walker()
    walker.feed(box("ftyp"))
    (found,) = walker.feed(struct.pack(">I4sQ", 1, b"mdat", 5 * 1024**3))
    assert found.size_bytes == 5 * 1024**3


OPEN_ENDED = box("ftyp") + box("moov") + struct.pack(">I4s", 0, b"mdat") + box("free") * 3


def test_a_last_box_may_run_to_the_end_of_the_file() -> None:
    boxes = walk(OPEN_ENDED, total_bytes=len(OPEN_ENDED))
    assert [(found.type, found.size_bytes) for found in boxes] == [("ftyp", 8), ("moov", 8), ("mdat", None)]
