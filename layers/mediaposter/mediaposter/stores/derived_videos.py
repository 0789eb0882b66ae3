"""Which videos are made from a video: an entry beside its record for each of them."""

from __future__ import annotations

from mediaposter.stores.table import Key, Record, Table
from mediaposter.stores.video_record import Video, video_key

_PREFIX = "DERIVED#"


class DerivedVideo(Record):
    """Names a video that is made from another one."""

    source_id: str
    video_id: str

    @property
    def key(self) -> Key:
        return derived_key(self.source_id, self.video_id)


def derived_key(source_id: str, video_id: str) -> Key:
    """Give the primary key of an entry."""
    return Key(video_key(source_id).pk, f"{_PREFIX}{video_id}")


def list_entries(video: Video) -> list[DerivedVideo]:
    """List the entries of a video: one if it is made from another."""
    return [] if video.derivation is None else [DerivedVideo(source_id=video.derivation.video_id, video_id=video.id)]


def list_derived_ids(table: Table, source_id: str) -> list[str]:
    """List the ids of the videos that are made from a video, oldest first."""
    entries = table.query_prefix(video_key(source_id).pk, _PREFIX)
    return [DerivedVideo.model_validate(entry).video_id for entry in entries]
