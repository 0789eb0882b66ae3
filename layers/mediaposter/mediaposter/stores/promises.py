"""Compare a stored video with the size and length that its request was promised."""

from __future__ import annotations

import math

from mediaposter.ai.catalog import parse_size
from mediaposter.stores.media import StoredVideo

# A difference that no viewer notices: vendors count in blocks of pixels, such as 864x496 for 16:9 in 480p.
_SHAPES_APART = 0.04
# Models that keep the number of pixels, not a side, make 1470x630 for 21:9 in 720p: three quarters of 1680x720. The
# next lower resolution has little more than half of the pixels.
_PIXELS_SHARE = 0.7
# One frame more or less, and the end of a sound track.
_SECONDS_APART = 0.5
_LENGTHS_APART = 0.1


def compare_shape(promised_size: str, promised_seconds: int, stored: StoredVideo) -> list[str]:
    """List the differences between a stored video and its request, as warnings.

    Args:
        promised_size: `WIDTHxHEIGHT` in pixels.
        promised_seconds: for an extension, the length of the whole.
        stored: the probed video; its width and height are those that a player shows.

    Returns:
        Nothing if the shape fits, the pixels are about as many or more, and the length is within 0.5 s or a tenth.
    """
    warnings = []
    width, height = parse_size(promised_size)
    made = stored.probe
    is_another_shape = abs(math.log((made.width / made.height) / (width / height))) > _SHAPES_APART
    if is_another_shape or made.width * made.height < _PIXELS_SHARE * width * height:
        warnings.append(f"size: {promised_size} was asked for, and the provider made {made.width}x{made.height}.")
    made_seconds = made.duration_ms / 1000
    if abs(made_seconds - promised_seconds) > max(_SECONDS_APART, _LENGTHS_APART * promised_seconds):
        warnings.append(
            f"seconds: {promised_seconds} were asked for, and the provider made {_write_seconds(made_seconds)}."
        )
    return warnings


def _write_seconds(seconds: float) -> str:
    return f"{seconds:.1f}".removesuffix(".0")
