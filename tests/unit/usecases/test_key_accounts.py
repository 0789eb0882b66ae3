"""A key with accounts posts to these alone, and a key without `approve` approves nothing, whichever way it tries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mediaposter.domain.errors import Forbidden
from mediaposter.stores.approvals import Decision, open_approval
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import Post, PostState
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.posting.read_posts import ReadPosts
from mediaposter.wire.post_requests import ApprovalRequest, MoveRequest, PublishAgainRequest, ResolveRequest
from mediaposter.wire.queries import ScheduleQuery
from mediaposter.wire.requests import EditVideoRequest, ExtendVideoRequest, RemixVideoRequest
from tests.builders import NOW, OWNER, VIDEO_ID, a_caller, a_post, a_request, a_stored_video, a_target, a_video
from tests.fakes.batches import BatchWorld
from tests.fakes.world import World
from tests.unit.usecases.posting import TOMORROW, a_kept_video

MINE = {"platform": "threads", "account_id": "7"}
OTHERS = {"platform": "twitter", "account_id": "101"}
LIMITED = a_caller(accounts=frozenset({"threads:7"}))
PUBLISHER = a_caller(scopes=frozenset({Scope.READ, Scope.CREATE, Scope.PUBLISH}))
SOURCE = "video_0"
THEIRS = (VIDEO_ID, "twitter#101")
AGAIN = PublishAgainRequest()
SEND_AGAIN = ResolveRequest(outcome="send_again")
MOVE = MoveRequest(scheduled_time=TOMORROW)
TO_OTHERS = PublishAgainRequest.model_validate({"publish": [OTHERS]})

Act = Callable[[World], object]


def world_with_source() -> World:
    """Build a world with a video that others can be made from."""
    world = World()
    kept = {"stage": Stage.DONE, "stored": a_stored_video(SOURCE), "provider_job_id": "job-0", "seconds": 8}
    world.keep(a_video(id=SOURCE, **{**kept, "resolved_model": "kite-1", "size": "768x1280"}))
    return world


def world_with_post(target: dict[str, Any] = OTHERS, **post: Any) -> World:
    """Build a world whose video is kept, and was posted there."""
    world = World()
    world.keep(a_kept_video(stage=Stage.DONE, is_told=True), a_post(a_target(**target), **post))
    return world


def asked_world(*targets: dict[str, Any], decision: Decision = Decision.WAITING) -> World:
    """Build a world whose video waits for a person, or had its answer."""
    is_waiting = decision is Decision.WAITING
    world = World()
    state = PostState.PENDING if is_waiting else PostState.CANCELLED
    world.keep(
        a_kept_video(stage=Stage.AWAITING_APPROVAL if is_waiting else Stage.DONE, approval_hours=24),
        *(a_post(a_target(**target), state=state) for target in targets),
    )
    world.table.commit([open_approval(VIDEO_ID, now=NOW, hours=24)])
    return world


def derive(model: type[RemixVideoRequest | EditVideoRequest | ExtendVideoRequest], **fields: Any) -> Act:
    request = model.model_validate({"prompt": "On", "video": SOURCE, "publish": [OTHERS], **fields})
    return lambda world: world.submit.derive(request, caller=LIMITED)


NEW_VIDEOS = [
    pytest.param(lambda world: world.submit(a_request(publish=[MINE, OTHERS]), caller=LIMITED), id="POST /videos"),
    pytest.param(lambda world: world.submit.estimate(a_request(publish=[OTHERS]), caller=LIMITED), id="dry run"),
    pytest.param(derive(ExtendVideoRequest, seconds=5), id="extension"),
]


@pytest.mark.parametrize("act", NEW_VIDEOS)
def test_a_new_video_is_not_posted_to_an_account_that_is_not_the_keys(act: Act) -> None:
    world = world_with_source()

    with pytest.raises(Forbidden, match=r"may not post to twitter account 101: .* --account twitter:101 ") as caught:
        act(world)

    assert caught.value.code == "account_not_allowed"
    assert caught.value.param in ("publish[0].account_id", "publish[1].account_id")
    assert (world.workflow.executions, world.post_store.list_unchecked(VIDEO_ID)) == ([], [])
    assert world.targets_checked == [], "the publisher was asked for an account that the key may not know"


def test_an_account_of_the_same_id_on_another_network_is_another() -> None:
    with pytest.raises(Forbidden, match="bluesky account 7"):
        World().submit(a_request(publish=[{"platform": "bluesky", "account_id": "7"}]), caller=LIMITED)


def test_rows_of_a_batch_that_would_be_posted_elsewhere_are_refused_by_themselves() -> None:
    world = BatchWorld()
    prompt = {"prompt": "A red kite"}
    batch = world.create({**prompt, "publish": [OTHERS]}, {**prompt, "publish": [MINE]}, prompt, caller=LIMITED)

    world.take(batch.id)

    first, second, third = world.list_outcomes(batch.id)
    assert (first["error"]["code"], first["error"]["param"]) == ("account_not_allowed", "publish[0].account_id")
    assert "twitter account 101" in first["error"]["message"]
    assert second["video_id"]
    assert third["video_id"]


KEPT_POSTS = [
    pytest.param(PostState.FAILED, lambda world: world.repost(VIDEO_ID, TO_OTHERS, caller=LIMITED), id="repost"),
    pytest.param(
        PostState.FAILED, lambda world: world.repost(VIDEO_ID, AGAIN, caller=LIMITED), id="repost of what failed"
    ),
    pytest.param(
        PostState.PARKED, lambda world: world.repost.resolve(*THEIRS, SEND_AGAIN, caller=LIMITED), id="resolve"
    ),
    pytest.param(PostState.SCHEDULED, lambda world: world.reschedule.move(*THEIRS, MOVE, caller=LIMITED), id="move"),
    pytest.param(PostState.SCHEDULED, lambda world: world.reschedule.cancel(*THEIRS, caller=LIMITED), id="cancel"),
]


@pytest.mark.parametrize(("state", "act"), KEPT_POSTS)
def test_a_post_on_an_account_that_is_not_the_keys_is_left_as_it_is(state: PostState, act: Act) -> None:
    world = world_with_post(state=state)
    before = world.posts

    with pytest.raises(Forbidden, match="twitter account 101"):
        act(world)

    assert (world.posts, world.publisher.publish_calls, world.workflow.executions) == (before, 0, [])


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_no_key_decides_over_posts_to_accounts_that_it_lacks(decision: str) -> None:
    world = asked_world(MINE, OTHERS)

    with pytest.raises(Forbidden, match="twitter account 101"):
        world.decide(VIDEO_ID, ApprovalRequest.model_validate({"decision": decision}), caller=LIMITED)

    assert world.approvals.get(VIDEO_ID).decision is Decision.WAITING


@pytest.mark.parametrize(
    ("asked", "publish", "param"),
    [
        (MINE, [OTHERS], "edits.publish[0].account_id"),
        (MINE, [MINE, OTHERS], "edits.publish[1].account_id"),
        (OTHERS, [MINE], None),
    ],
    ids=["instead", "beside", "taken away"],
)
def test_an_edit_adds_no_account_that_is_not_the_keys(
    asked: dict[str, Any], publish: list[dict[str, Any]], param: str | None
) -> None:
    world = asked_world(asked)
    before = world.posts
    edits = {"decision": "approve", "edits": {"publish": publish}}

    with pytest.raises(Forbidden, match="twitter account 101") as caught:
        world.decide(VIDEO_ID, ApprovalRequest.model_validate(edits), caller=LIMITED)

    assert param in (None, caught.value.param)
    assert world.posts == before


# What a key that publishes may not approve


def test_who_may_publish_does_not_approve_it_too() -> None:
    world = asked_world(OTHERS)

    with pytest.raises(Forbidden, match=r"the scope approve\. .* --scope approve"):
        world.decide(VIDEO_ID, ApprovalRequest(decision="approve"), caller=PUBLISHER)

    assert world.approvals.get(VIDEO_ID).decision is Decision.WAITING


@pytest.mark.parametrize("publish", [[OTHERS], [MINE]], ids=["as it was asked for", "elsewhere"])
def test_what_was_rejected_is_not_posted_by_who_may_only_publish(publish: list[dict[str, Any]]) -> None:
    world = asked_world(OTHERS, decision=Decision.REJECTED)

    with pytest.raises(Forbidden, match="the scope approve"):
        world.repost(VIDEO_ID, PublishAgainRequest.model_validate({"publish": publish}), caller=PUBLISHER)

    assert [post.state for post in world.posts] == [PostState.CANCELLED]


# What is shown


def a_schedule(number: int, target: dict[str, Any]) -> Post:
    return a_post(
        a_target(**target),
        video_id=f"video_{number}",
        owner=OWNER,
        state=PostState.SCHEDULED,
        scheduled_time=TOMORROW,
    )


def read_schedules(world: World, *, limit: int, after: str | None = None) -> Any:
    read = ReadPosts(videos=world.video_store, posts=world.post_store, approvals=world.approvals)
    return read.list_schedules(ScheduleQuery(limit=limit, after=after), caller=LIMITED)


def test_schedules_of_other_accounts_are_not_listed() -> None:
    world = World()
    world.table.create([a_schedule(1, OTHERS), a_schedule(2, MINE), a_schedule(3, OTHERS)])

    page = read_schedules(world, limit=10)

    assert [post.video_id for post in page.posts] == ["video_2"]
    assert "twitter" not in f"{page.first} {page.last}"


@pytest.mark.parametrize("mine", [[6], []], ids=["passed over", "to the end"])
def test_pages_that_would_be_empty_are_passed_over(mine: list[int]) -> None:
    world = World()
    world.table.create(
        [*(a_schedule(number, OTHERS) for number in range(1, 6)), *(a_schedule(at, MINE) for at in mine)]
    )

    page = read_schedules(world, limit=2)

    assert ([post.video_id for post in page.posts], page.has_more) == ([f"video_{at}" for at in mine], False)
    assert mine or (page.first, page.last) == (None, None)
