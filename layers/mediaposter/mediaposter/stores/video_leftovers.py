"""What may be left of a deleted video, for the sweep to remove."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from pydantic import AwareDatetime

from mediaposter.domain.errors import ErrorCode
from mediaposter.stores.checked_model import CheckedModel
from mediaposter.stores.due import give_due_attributes
from mediaposter.stores.table import Key, Record
from mediaposter.stores.video_record import Video

# Longer than StoreVideoFunction can still run after its video was deleted.
LEFTOVERS_AFTER = timedelta(minutes=20)
# Until then a render that was under way is cancelled again and again: the provider may not have answered.
CANCEL_AGAIN_AFTER = timedelta(minutes=3)


class UnwantedRender(CheckedModel):
    """A provider's job that was under way when its video was deleted."""

    provider: str
    model: str
    job_id: str


class Leftovers(Record):
    """What may be left of a deleted video: a render, and files of a running step, which are removed at `remove_at`.

    The sweep comes at `due_at`. Records of earlier versions have no `remove_at`: their files are removed at once.
    """

    video_id: str
    due_at: AwareDatetime
    remove_at: AwareDatetime | None = None
    render: UnwantedRender | None = None

    @property
    def key(self) -> Key:
        return self.key_of(self.video_id)

    @staticmethod
    def key_of(video_id: str) -> Key:
        return Key(f"VIDEO#{video_id}", "LEFTOVERS")

    def index_attributes(self) -> Mapping[str, str]:
        """List it for the sweep."""
        return give_due_attributes(self.due_at)


def find_unwanted_render(video: Video) -> UnwantedRender | None:
    """Give the job of a video that was stopped before it was stored."""
    was_stopped = video.failure is not None and video.failure.code is ErrorCode.CANCELLED and video.stored is None
    if not was_stopped or video.provider_job_id is None:
        return None
    return UnwantedRender(provider=video.provider, model=video.resolved_model, job_id=video.provider_job_id)
