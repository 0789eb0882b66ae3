"""When a video will be rendered: its place in the queue, and the likely end of its render."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from mediaposter.domain.errors import ErrorCode
from mediaposter.stores.capacity import POSITION_READS_MAX, CapacityStore
from mediaposter.stores.render_times import RenderTimeStore
from mediaposter.stores.table import INDEX_PAGE_MAX
from mediaposter.stores.video_record import Video, VideoFailure
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.videos.outlook import TellOutlook
from mediaposter.wire.video_object import Outlook
from tests.builders import NOW, a_stored_video, a_video
from tests.fakes.table import InMemoryTable

AT = int(NOW.timestamp())
# Of a model without renders, as the catalog guesses.
SECONDS = 100


def tell(table: InMemoryTable, *videos: Video, slots: int = 2) -> list[Outlook | None]:
    outlook = TellOutlook(
        slots=CapacityStore(table, lambda _: slots),
        limits=lambda _: slots,
        render_times=RenderTimeStore(table),
        clock=lambda: NOW,
    )
    told = outlook(videos)
    return [told.get(video.id) for video in videos]


def in_queue(number: int, **changes: Any) -> Video:
    fields = {"id": f"video_{number}", "place": f"0#{number:015}#video_{number}", **changes}
    return a_video(expected_render_seconds=SECONDS, **fields)


def eta_of_rendering(table: InMemoryTable, *, since: datetime) -> int:
    [outlook] = tell(table, a_video(expected_render_seconds=SECONDS, stage=Stage.RENDERING, rendering_since=since))
    assert outlook is not None
    assert outlook.eta_at is not None
    return outlook.eta_at


@pytest.fixture
def table() -> InMemoryTable:
    return InMemoryTable()


def test_a_video_that_waits_knows_how_many_are_before_it_and_comes_after_them(table: InMemoryTable) -> None:
    queue = [in_queue(number) for number in range(4)]
    table.create([*queue, in_queue(0, id="video_of_another", provider="kites")])

    # Two are rendered at once, so the fourth comes after two turns of the provider.
    assert tell(table, queue[3], queue[0]) == [Outlook(4, AT + 3 * SECONDS), Outlook(1, AT + SECONDS * 3 // 2)]


def test_behind_five_hundred_others_a_position_is_not_told(table: InMemoryTable) -> None:
    length = POSITION_READS_MAX * INDEX_PAGE_MAX
    queue = [in_queue(number) for number in range(length + 2)]
    for start in range(0, len(queue), 100):
        table.create(queue[start : start + 100])

    positions = [outlook and outlook.queue_position for outlook in tell(table, queue[length - 1], queue[length + 1])]

    assert positions == [length, None]


@pytest.mark.parametrize(
    ("changes", "eta_in_seconds"),
    [
        ({"stage": Stage.SUBMITTING}, SECONDS),
        ({"stage": Stage.QUEUED, "slot": "sora"}, SECONDS),
        ({"stage": Stage.RENDERING, "rendering_since": NOW}, SECONDS),
        ({"stage": Stage.RENDERING, "rendering_since": NOW - timedelta(seconds=30)}, SECONDS - 30),
    ],
)
def test_a_video_at_its_provider_ends_when_its_model_usually_does(
    table: InMemoryTable, changes: dict[str, Any], eta_in_seconds: int
) -> None:
    [outlook] = tell(table, a_video(expected_render_seconds=SECONDS, **changes))

    assert outlook is not None
    assert outlook.queue_position is None
    # What still runs after some time takes a little longer than usual.
    assert outlook.eta_at == pytest.approx(AT + eta_in_seconds, abs=2)


def test_a_render_that_hangs_ends_later_and_never_in_the_past(table: InMemoryTable) -> None:
    assert eta_of_rendering(table, since=NOW - timedelta(hours=2)) > AT


def test_the_end_is_that_of_renders_that_were_seen(table: InMemoryTable) -> None:
    for _ in range(60):
        RenderTimeStore(table).learn("sora-2", expected_seconds=SECONDS, running_seconds=19, done_seconds=21)

    assert eta_of_rendering(table, since=NOW) == pytest.approx(AT + 20, abs=3)


@pytest.mark.parametrize(
    "changes",
    [
        {"stage": Stage.STORING},
        {"stage": Stage.DONE, "stored": a_stored_video()},
        {"failure": VideoFailure(code=ErrorCode.TIMEOUT, message="too late")},
    ],
)
def test_what_is_rendered_or_has_failed_has_no_outlook(table: InMemoryTable, changes: dict[str, Any]) -> None:
    assert tell(table, a_video(**changes)) == [None]
