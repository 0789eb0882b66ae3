"""What the tests of failed videos ask."""

from __future__ import annotations

from mediaposter.stores.video_record import VideoFailure
from tests.builders import VIDEO_ID
from tests.fakes.world import World


def failure_of(world: World, video_id: str = VIDEO_ID) -> VideoFailure:
    """Read why a video failed."""
    failure = world.video_store.get_unchecked(video_id).failure
    assert failure is not None
    return failure
