"""The trail of a video: who did what, in the write that did it, until after its deletion."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ErrorCode, NotFound, VideoModelError
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import PostState
from mediaposter.stores.trail import (
    KEPT_AFTER_DELETION,
    POST_ENTRIES_MAX,
    VIDEO_ENTRIES_MAX,
    Actor,
    TrailEntry,
    TrailType,
    extend_trail,
)
from mediaposter.usecases.videos.read_events import EventPage
from mediaposter.wire.caller import Caller
from mediaposter.wire.post_requests import ApprovalRequest, PublishAgainRequest, ResolveRequest
from mediaposter.wire.queries import EventsQuery
from mediaposter.wire.request_context import RequestContext
from mediaposter.wire.video_events import VideoEventObject
from tests.builders import NOW, VIDEO_ID, a_caller, a_post, a_request, a_target
from tests.fakes.answers import Refuse
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.world import World
from tests.unit.usecases.posting import TOMORROW, a_kept_video

ANN = a_caller(key="key_ann", key_name="Ann")
BOB = a_caller(key="key_bob", key_name="Bob")
X = {"platform": "twitter", "account_id": "101"}
REJECT = ApprovalRequest.model_validate({"decision": "reject", "comment": "Not this one."})
REFUSED = Refuse(VideoModelError(ErrorCode.MODEL_NOT_FOUND, "No kites."))


def events_of(world: World, *, caller: Caller = ANN) -> list[VideoEventObject]:
    return page_of(world, caller=caller).events


def page_of(world: World, *, caller: Caller = ANN, **query: Any) -> EventPage:
    return world.stack.read_events(VIDEO_ID, EventsQuery.model_validate(query), caller=caller)


def tell(events: list[VideoEventObject]) -> list[tuple[str, str | None]]:
    return [(event.type.value, event.by.name if event.by else None) for event in events]


def test_a_video_that_is_approved_and_posted_tells_all_of_it() -> None:
    world = World()
    edits = {"captions": [{**X, "text": "A kite!"}]}
    request = ApprovalRequest.model_validate({"decision": "approve", "edits": edits, "comment": "Nice."})
    world.while_asked = lambda: world.decide(VIDEO_ID, request, caller=BOB)

    world.deliver(a_request(publish=[X], approval="required"), caller=ANN)

    events = events_of(world)
    assert tell(events) == [
        ("video.created", "Ann"),
        ("model.tried", None),
        ("video.stored", None),
        ("approval.asked", None),
        ("approval.approved", "Bob"),
        ("post.submitted", None),
        ("post.published", None),
    ]
    decided = events[4]
    assert (decided.comment, decided.edits) == ("Nice.", "captions")
    assert (events[0].door, events[1].model) == ("api", "sora-2")
    assert (events[-1].platform, events[-1].account_id) == ("twitter", "101")


@pytest.mark.parametrize(
    ("request_", "told", "decider"),
    [
        (REJECT, ("approval.rejected", "Bob"), Actor(key="key_bob", name="Bob")),
        (None, ("approval.expired", None), None),
    ],
    ids=["decided", "expired by itself"],
)
def test_a_decision_keeps_who_made_it_if_anybody_did_and_the_comment(
    request_: ApprovalRequest | None, told: tuple[str, str | None], decider: Actor | None
) -> None:
    world = World()
    if request_ is not None:
        world.while_asked = lambda: world.decide(VIDEO_ID, request_, caller=BOB)

    world.deliver(a_request(publish=[X], approval="required"))

    approval = world.approvals.get(VIDEO_ID)
    assert (approval.decider, approval.comment) == (decider, request_ and request_.comment)
    assert told in tell(events_of(world))


def test_each_model_that_was_tried_and_why_it_failed_is_told() -> None:
    refuses = partial(FakeVideoModel, creates=[REFUSED])
    world = World(model=refuses, other_models={"kite-1": refuses}, slots={"kites": 1})

    world.deliver(a_request(fallback_models=["kite-1"]))

    assert [(event.type.value, event.model, event.code) for event in events_of(world)[1:]] == [
        ("model.tried", "sora-2", None),
        ("model.failed", "sora-2", "model_not_found"),
        ("model.tried", "kite-1", None),
        ("model.failed", "kite-1", "model_not_found"),
        ("video.failed", None, "model_not_found"),
    ]
    assert world.video.status is VideoStatus.FAILED


@pytest.mark.parametrize("door", ["file", "event", "series"])
def test_a_request_without_a_key_tells_how_it_came(door: Any) -> None:
    world = World()

    world.submit(a_request(), caller=a_caller(), request_context=RequestContext(door=door))

    (created,) = events_of(world)
    assert (created.by, created.door) == (None, door)


def test_posting_again_is_told_and_what_happened_before_stays() -> None:
    world = World()
    world.deliver(a_request(publish=[X]), caller=ANN)
    post = world.posts[0]
    world.table.replace(
        post.copy_with(state=PostState.FAILED, version=post.version + 1), expected_version=post.version, allowed={}
    )

    world.repost(VIDEO_ID, PublishAgainRequest(), caller=BOB)
    world.run_executions()

    events = events_of(world)
    assert [type_ for type_, _ in tell(events)].count("post.published") == 2
    (asked,) = [event for event in events if event.type is TrailType.REPOSTED]
    assert (asked.by is not None and asked.by.id, asked.posts) == ("key_bob", ["twitter:101"])


def test_a_person_who_moves_cancels_or_resolves_a_post_is_named() -> None:
    world = World()
    later = TOMORROW + timedelta(hours=1)
    doubtful = a_post(a_target("threads"), state=PostState.PARKED)
    world.keep(a_kept_video(), a_post(state=PostState.SCHEDULED, scheduled_time=TOMORROW), doubtful)
    posts = world.post_store

    posts.advance(world.posts[1], PostState.SCHEDULED, now=NOW, by=BOB.actor, scheduled_time=later)
    posts.advance(world.posts[1], PostState.CANCELLED, now=NOW, by=BOB.actor)
    resolved = ResolveRequest.model_validate({"outcome": "posted", "url": "https://threads.example/1"})
    world.repost.resolve(VIDEO_ID, "threads#101", resolved, caller=ANN)

    assert sorted(tell(events_of(world))) == [
        ("post.cancelled", "Bob"),
        ("post.moved", "Bob"),
        ("post.published", "Ann"),
    ]


def test_the_trail_of_a_deleted_video_is_kept_for_its_owner_and_a_while() -> None:
    world = World()
    world.deliver(a_request(publish=[X]), caller=ANN)

    world.clock.advance(1)
    world.delete(VIDEO_ID, caller=BOB)

    assert tell(events_of(world))[0] == ("video.created", "Ann")
    assert tell(events_of(world))[-1] == ("video.deleted", "Bob")
    with pytest.raises(NotFound):
        events_of(world, caller=a_caller(owner="another"))
    assert events_of(world, caller=a_caller(owner="another", scopes=frozenset({Scope.ADMIN})))
    world.clock.advance(KEPT_AFTER_DELETION.total_seconds() + 1)
    with pytest.raises(NotFound):
        events_of(world)


def test_another_owners_video_tells_nothing() -> None:
    world = World()
    world.submit(a_request(), caller=ANN)

    with pytest.raises(NotFound):
        events_of(world, caller=a_caller(owner="another"))


def test_pages_give_every_event_once_in_both_orders() -> None:
    world = World()
    world.deliver(a_request(publish=[X]), caller=ANN)
    every = [event.id for event in events_of(world)]

    for order in ("asc", "desc"):
        read: list[str] = []
        has_more = True
        while has_more:
            page = page_of(world, limit=2, order=order, after=read[-1] if read else None)
            read += [event.id for event in page.events]
            has_more = page.has_more
        assert read == (every if order == "asc" else every[::-1])


@pytest.mark.parametrize("most", [VIDEO_ENTRIES_MAX, POST_ENTRIES_MAX])
def test_a_trail_is_bounded_and_keeps_its_beginning(most: int) -> None:
    trail: tuple[TrailEntry, ...] = ()
    for _ in range(most + 5):
        trail = extend_trail(trail, [TrailEntry(at=NOW, type=TrailType.TRIED)], most=most)

    assert [entry.number for entry in trail] == [1, *range(7, most + 6)]


def test_a_move_that_changes_nothing_is_not_told() -> None:
    world = World()
    world.keep(a_kept_video(), a_post(state=PostState.SCHEDULED, scheduled_time=TOMORROW))

    world.post_store.advance(world.posts[0], PostState.SCHEDULED, now=NOW, by=BOB.actor, scheduled_time=TOMORROW)

    assert events_of(world) == []
