"""The measures of a stored video that networks limit."""

from __future__ import annotations

from mediaposter.publishing.targets import VideoShape
from mediaposter.stores.media import StoredVideo


def measure(stored: StoredVideo) -> VideoShape:
    """Give the probed size, length and bytes of a stored video."""
    return VideoShape(
        width=stored.probe.width,
        height=stored.probe.height,
        seconds=stored.probe.duration_ms / 1000,
        size_bytes=stored.size_bytes,
    )
