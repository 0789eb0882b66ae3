"""What a write of a video's record adds to its trail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from mediaposter.domain.errors import ErrorCode
from mediaposter.stores.trail import VIDEO_ENTRIES_MAX, Actor, TrailEntry, TrailType, extend_trail
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import Stage


def note_changes(
    before: Video, after: Video, *, now: datetime, by: Actor | None = None, noted: TrailEntry | None = None
) -> Video:
    """Add to the trail of a changed video what happened between two versions; `noted` is what a caller did."""
    entries = [*([] if noted is None else [noted]), *_list_changes(before, after, now, by)]
    if not entries:
        return after
    return after.copy_with(trail=extend_trail(before.trail, entries, most=VIDEO_ENTRIES_MAX))


def _list_changes(before: Video, after: Video, now: datetime, by: Actor | None) -> Iterator[TrailEntry]:
    for number, attempt in enumerate(after.attempts):
        known = before.attempts[number] if number < len(before.attempts) else None
        if known is None:
            yield TrailEntry(at=now, type=TrailType.TRIED, model=attempt.model)
        if attempt.failure is not None and (known is None or known.failure is None):
            yield TrailEntry(at=now, type=TrailType.REFUSED, model=attempt.model, code=attempt.failure.code)
    if after.stored is not None and before.stored is None:
        yield TrailEntry(at=now, type=TrailType.STORED)
    if after.stage is Stage.AWAITING_APPROVAL and before.stage is not Stage.AWAITING_APPROVAL:
        yield TrailEntry(at=now, type=TrailType.ASKED, by=by)
    if after.failure is not None and before.failure is None:
        is_cancelled = after.failure.code is ErrorCode.CANCELLED
        what = TrailType.CANCELLED if is_cancelled else TrailType.FAILED
        yield TrailEntry(at=now, type=what, by=by, code=None if is_cancelled else after.failure.code)
