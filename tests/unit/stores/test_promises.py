"""What a kept video is, beside what was promised."""

from __future__ import annotations

import pytest

from mediaposter.stores.media import StoredVideo
from mediaposter.stores.promises import compare_shape
from tests.builders import a_stored_video


def kept(width: int, height: int, seconds: float) -> StoredVideo:
    stored = a_stored_video()
    probe = stored.probe.model_copy(update={"width": width, "height": height, "duration_ms": round(seconds * 1000)})
    return stored.model_copy(update={"probe": probe})


@pytest.mark.parametrize(
    ("promised", "width", "height"),
    [
        ("1080x1920", 2160, 3840),
        # What vendors make of 480p, 768P, and 21:9 and 1:1 in 720p.
        ("854x480", 864, 496),
        ("1680x720", 1470, 630),
        ("720x720", 960, 960),
    ],
)
def test_a_video_of_the_promised_shape_and_no_fewer_pixels_is_what_was_promised(
    promised: str, width: int, height: int
) -> None:
    assert compare_shape(promised, 4, kept(width, height, 4)) == []


@pytest.mark.parametrize(
    ("promised", "width", "height"),
    [
        ("1080x1920", 1280, 720),
        ("720x1280", 1280, 720),
        ("1280x720", 1280, 960),
        # The same shape, and not the resolution that was paid for.
        ("1920x1080", 1280, 720),
        ("2560x1440", 1920, 1080),
    ],
)
def test_a_video_of_another_shape_or_a_lower_resolution_is_told(promised: str, width: int, height: int) -> None:
    assert compare_shape(promised, 4, kept(width, height, 4)) == [
        f"size: {promised} was asked for, and the provider made {width}x{height}."
    ]


@pytest.mark.parametrize(("promised", "made"), [(4, 3.6), (4, 4.5), (10, 10.9), (30, 33)])
def test_a_video_as_long_as_promised_but_for_some_frames_is_what_was_promised(promised: int, made: float) -> None:
    assert compare_shape("720x1280", promised, kept(720, 1280, made)) == []


@pytest.mark.parametrize(
    ("promised", "made", "told"), [(4, 10.0, "10"), (4, 3.4, "3.4"), (10, 11.2, "11.2"), (20, 10, "10")]
)
def test_a_video_of_another_length_is_told(promised: int, made: float, told: str) -> None:
    assert compare_shape("720x1280", promised, kept(720, 1280, made)) == [
        f"seconds: {promised} were asked for, and the provider made {told}."
    ]


def test_a_video_that_is_wrong_in_both_is_told_of_both() -> None:
    assert [warning.partition(":")[0] for warning in compare_shape("1080x1920", 4, kept(1280, 720, 10))] == [
        "size",
        "seconds",
    ]
