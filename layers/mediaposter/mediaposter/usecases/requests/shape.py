"""What a kept video is to a network."""

from __future__ import annotations

from mediaposter.publishing.targets import VideoShape
from mediaposter.stores.media import StoredVideo


def measure(stored: StoredVideo) -> VideoShape:
    """Tell the size, the length and the bytes of a kept video, as they were probed."""
    return VideoShape(
        width=stored.probe.width,
        height=stored.probe.height,
        seconds=stored.probe.duration_ms / 1000,
        size_bytes=stored.size_bytes,
    )
