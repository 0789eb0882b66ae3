"""What a kept video is to a network, and whether it is what was promised."""

from __future__ import annotations

from mediaposter.library.media import StoredVideo
from mediaposter.library.videos import Video
from mediaposter.publishing.targets import VideoShape

# A model renders whole frames, and some one more or less than a second has.
_SECONDS_APART_MAX = 0.5
_SECONDS_APART_PART = 0.1


def measure(stored: StoredVideo) -> VideoShape:
    """Tell the size, the length and the bytes of a kept video, as they were probed."""
    return VideoShape(
        width=stored.probe.width,
        height=stored.probe.height,
        seconds=stored.probe.duration_ms / 1000,
        size_bytes=stored.size_bytes,
    )


def tell_differences(video: Video, stored: StoredVideo) -> list[str]:
    """Tell in what a kept video differs from what its record promises, as warnings for its owner."""
    shape = measure(stored)
    differences = []
    size = f"{shape.width}x{shape.height}"
    if size != video.size:
        differences.append(f"size: {video.provider} was asked for {video.size} and made {size}.")
    apart = abs(shape.seconds - video.seconds)
    if apart > max(_SECONDS_APART_MAX, video.seconds * _SECONDS_APART_PART):
        differences.append(
            f"seconds: {video.provider} was asked for {video.seconds} and made {shape.seconds:.1f}; the price is that "
            "of what was asked for."
        )
    return differences
