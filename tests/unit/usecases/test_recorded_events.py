"""An event that came over the bus is told only if the table tells the same; and what the table tells is never lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.domain.errors import ErrorCode
from mediaposter.events import AnyEvent, BatchEvent, PostEvent, VideoEvent
from mediaposter.stores.approvals import open_approval
from mediaposter.stores.batches import BatchStore, CancelScope
from mediaposter.stores.budget import BudgetPeriod
from mediaposter.stores.budget_warnings import BudgetWarning, BudgetWarningStore
from mediaposter.stores.posts import PostState
from mediaposter.stores.table import Key
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.scheduled.recorded_events import FindRecorded, describe_warning
from mediaposter.usecases.steps import AwaitApprovalInput, CloseInput
from tests.builders import NOW, OWNER, VIDEO_ID, a_caller, a_post, a_target
from tests.fakes.batches import BatchWorld
from tests.fakes.edges import PUBLIC_URL
from tests.fakes.table import InMemoryTable
from tests.fakes.world import World
from tests.unit.usecases.posting import a_kept_video

URL = "https://hooks.example/mediaposter"
STUDIO_URL = f"{PUBLIC_URL}/studio"


def finder_of(world: World) -> FindRecorded:
    return FindRecorded(
        videos=world.video_store,
        posts=world.post_store,
        approvals=world.approvals,
        batches=BatchStore(world.table),
        budget_warnings=BudgetWarningStore(world.table),
        studio_url=lambda: STUDIO_URL,
    )


def world_of(*posts: Any, **video: Any) -> World:
    world = World()
    world.keep(a_kept_video(**{"stage": Stage.DONE, "webhook_url": URL, **video}), *posts)
    return world


def an_end(**changes: Any) -> VideoEvent:
    """Build what any principal may put on the bus about a video."""
    fields = {"type": "video.completed", "video_id": VIDEO_ID, "owner": OWNER, "occurred_at": NOW}
    return VideoEvent.model_validate({**fields, "webhook_url": "https://attacker.example", **changes})


def a_post_event(**changes: Any) -> PostEvent:
    fields = {"type": "post.published", "video_id": VIDEO_ID, "owner": OWNER, "occurred_at": NOW}
    return PostEvent.model_validate({**fields, "platform": "twitter", "account_id": "101", **changes})


def a_batch_event(**changes: Any) -> BatchEvent:
    counts = dict.fromkeys(("rows", "completed", "failed", "refused"), 0)
    fields = {"type": "batch.completed", "batch_id": "batch_1", "owner": OWNER, "occurred_at": NOW}
    return BatchEvent.model_validate({**fields, **counts, **changes})


# What is true is told, as the table tells it


def test_all_that_a_video_has_sent_on_its_way_is_what_the_table_tells_then() -> None:
    world = world_of(
        a_post(a_target("twitter")),
        a_post(a_target("threads"), state=PostState.FAILED, error_code=ErrorCode.PROVIDER_ERROR),
        stage=Stage.AWAITING_APPROVAL,
        approval_hours=24,
    )
    world.table.commit([open_approval(VIDEO_ID, now=NOW, hours=24)])
    find = finder_of(world)
    found: list[AnyEvent | None] = []

    world.ask(AwaitApprovalInput(video_id=VIDEO_ID, task_token="token"))
    found += map(find, world.events)
    # There is no decision, and the time for another execution is over.
    world.clock.advance(3 * 86_400)
    world.close(CloseInput(video_id=VIDEO_ID, fault="States.Timeout"))
    found += map(find, world.post_events)
    found.append(find(world.events[-1]))

    sent: list[AnyEvent] = [world.events[0], *world.post_events, world.events[-1]]
    assert [event.type for event in sent] == [
        "video.awaiting_approval",
        "post.failed",
        "post.failed",
        "video.completed",
    ]
    assert found == sent


@pytest.mark.parametrize("ending", ["completed", "cancelled", "failed"])
def test_all_that_a_batch_has_sent_is_what_the_table_tells_then(ending: str) -> None:
    world = BatchWorld()
    caller = a_caller(webhook_url=URL)
    if ending == "failed":
        batch = world.create(*[{"prompt": "A kite"}] * 1_201, caller=a_caller(webhook_url=URL, rate_per_minute=1))
        world.take(batch.id)
    else:
        batch = world.create({"prompt": "A kite"}, caller=caller)
        if ending == "cancelled":
            world.batches.note(batch, now=NOW, cancel=CancelScope.WAITING)
        world.take(batch.id)
        world.make_videos()
        world.finish(batch.id)

    (event,) = world.said
    assert event.type == f"batch.{ending}"
    assert finder_of(world.world)(event) == event


# What is not true is not told


@pytest.mark.parametrize(
    "event",
    [
        an_end(type="video.failed"),
        an_end(owner="key_of_another"),
        an_end(video_id="video_2"),
        an_end(type="video.awaiting_approval", expires_at=NOW),
        a_post_event(type="post.failed"),
        a_post_event(type="post.in_doubt"),
        a_post_event(owner="key_of_another"),
        a_post_event(account_id="102"),
        a_post_event(platform="threads"),
        a_post_event(video_id="video_2"),
        a_post_event(occurred_at=NOW - timedelta(seconds=1)),
        a_batch_event(),
    ],
    ids=lambda event: f"{event.type} {event.subject} {event.owner}",
)
def test_what_the_table_does_not_say_is_nothing(event: AnyEvent) -> None:
    world = world_of(a_post(state=PostState.PUBLISHED))

    assert finder_of(world)(event) is None


@pytest.mark.parametrize("stage", [Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING, Stage.STORING])
@pytest.mark.parametrize("type_", ["video.completed", "video.failed"])
def test_a_video_that_is_being_made_has_not_ended(stage: Stage, type_: str) -> None:
    world = world_of(stage=stage)

    assert finder_of(world)(an_end(type=type_)) is None


@pytest.mark.parametrize(
    "state", [PostState.PENDING, PostState.CALLING, PostState.SUBMITTED, PostState.SCHEDULED, PostState.CANCELLED]
)
@pytest.mark.parametrize("type_", ["post.published", "post.failed", "post.in_doubt"])
def test_a_post_that_goes_on_has_not_ended(state: PostState, type_: str) -> None:
    world = world_of(a_post(state=state))

    assert finder_of(world)(a_post_event(type=type_)) is None


@pytest.mark.parametrize("type_", ["batch.completed", "batch.failed", "batch.cancelled"])
def test_a_batch_that_is_at_work_has_not_ended(type_: str) -> None:
    world = BatchWorld()
    world.create({"prompt": "A kite"})

    assert finder_of(world.world)(a_batch_event(type=type_)) is None


class StrictTable(InMemoryTable):
    """A table that takes no other keys than DynamoDB: UTF-8, of 2,048 and 1,024 bytes at the most, and not empty."""

    def get(self, key: Key) -> dict[str, Any]:
        assert 1 <= len(key.pk.encode()) <= 2_048
        assert 1 <= len(key.sk.encode()) <= 1_024
        return super().get(key)


_TEXTS = st.text(max_size=3_000) | st.sampled_from(["\ud83d", "", "a" * 3_000])


@given(video_id=_TEXTS, batch_id=_TEXTS, platform=_TEXTS, account_id=_TEXTS)
def test_a_name_that_no_key_can_have_is_not_looked_for(
    video_id: str, batch_id: str, platform: str, account_id: str
) -> None:
    world = World(table=StrictTable)
    world.keep(a_kept_video())
    find = finder_of(world)

    assert find(a_post_event().model_copy(update={"platform": platform, "account_id": account_id})) is None
    assert find(a_post_event().model_copy(update={"video_id": video_id})) is None
    assert find(an_end().model_copy(update={"video_id": video_id})) is None
    assert find(a_batch_event().model_copy(update={"batch_id": batch_id})) is None


def test_a_warning_of_a_budget_is_told_as_the_table_tells_it() -> None:
    world = World()
    warnings = BudgetWarningStore(world.table)
    recorded = warnings.record(
        BudgetWarning(
            owner=OWNER,
            period=BudgetPeriod.MONTH,
            period_name="2026-12",
            limit_usd="20",
            used_usd="16.4",
            renews_at=NOW,
            warned_at=NOW,
            webhook_url=URL,
        )
    )
    true = describe_warning(recorded)

    assert (
        finder_of(world)(true.model_copy(update={"used_usd": "1", "webhook_url": "https://attacker.example"})) == true
    )
    for changed in ({"limit_usd": "21"}, {"owner": "bob"}, {"period_name": "2026-11"}, {"period_name": ""}):
        assert finder_of(world)(true.model_copy(update=changed)) is None
