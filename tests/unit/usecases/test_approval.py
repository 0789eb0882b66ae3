"""Asking a person before a video is posted, and carrying the answer to the machine."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from mediaposter.domain.errors import ErrorCode, InvalidRequest, NotAllowedInState, NotFound, VersionConflict
from mediaposter.stores.approvals import Decision, open_approval
from mediaposter.stores.posts import Post, PostState
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.steps import AwaitApprovalInput, Outcome, PostReference, StepResult
from mediaposter.wire.post_requests import ApprovalRequest
from tests.builders import NOW, VIDEO_ID, a_caller, a_post, a_request, a_target
from tests.fakes.edges import PUBLIC_URL
from tests.fakes.state_machine import Status
from tests.fakes.world import World
from tests.unit.usecases.posting import TOMORROW, a_kept_video, is_due, refuse_targets

ASK = AwaitApprovalInput(video_id=VIDEO_ID, task_token="token-1")
ASK_AGAIN = AwaitApprovalInput(video_id=VIDEO_ID, task_token="token-2")
APPROVE = ApprovalRequest(decision="approve")
REJECT = ApprovalRequest(decision="reject")
PUBLISH = [{"platform": "twitter", "account_id": "101"}]
TWO_POSTS = (a_post(a_target("twitter")), a_post(a_target("threads")))
OWN_WORDS = a_post(a_target("threads", text="My own words", disclosure="Made with AI."), text="My own words")
REFERENCES = tuple(PostReference(video_id=VIDEO_ID, post_id=post_id) for post_id in ("threads#101", "twitter#101"))
APPROVED = StepResult(outcome=Outcome.APPROVED, posts=REFERENCES)
REJECTED = StepResult(outcome=Outcome.REJECTED)


def asked_world(*posts: Post, **world_parts: Any) -> World:
    """Build a world whose video waits for a person, and whose machine has asked."""
    world = World(**world_parts)
    world.keep(a_kept_video(stage=Stage.AWAITING_APPROVAL, approval_hours=24), *(posts or TWO_POSTS))
    world.table.commit([open_approval(VIDEO_ID, now=NOW, hours=24)])
    world.ask(ASK)
    return world


def edits(**fields: Any) -> ApprovalRequest:
    return ApprovalRequest.model_validate({"decision": "approve", "edits": fields})


def decision_of(world: World) -> Decision:
    return world.approvals.get(VIDEO_ID).decision


def decide(world: World, request: ApprovalRequest = APPROVE) -> None:
    world.decide(VIDEO_ID, request, caller=a_caller())


def states_of(world: World) -> dict[str, PostState]:
    return {post.target.post_id: post.state for post in world.posts}


# Asking


def test_the_owner_is_told_once_however_often_the_machine_asks() -> None:
    world = asked_world()

    world.ask(ASK_AGAIN)

    assert len(world.events) == 1
    approval = world.approvals.get(VIDEO_ID)
    assert approval.task_token == "token-2"
    assert "token-" not in f"{world.events[0].model_dump_json()} {approval!r} {ASK!r}"


def test_a_machine_that_asks_again_is_answered_though_its_first_question_was() -> None:
    world = asked_world()
    decide(world)

    world.ask(ASK_AGAIN)

    assert world.workflow.signals == {"token-1": APPROVED, "token-2": APPROVED}


def test_a_deleted_video_is_not_asked_about() -> None:
    with pytest.raises(NotFound):
        World().ask(ASK)


# Deciding


def test_an_approved_video_is_published_and_the_machine_is_told_which_posts() -> None:
    world = asked_world()
    world.clock.advance(60)

    video, posts = world.decide(VIDEO_ID, APPROVE, caller=a_caller())

    assert (video.stage, video.publishing_since) == (Stage.PUBLISHING, world.clock())
    assert states_of(world) == {"twitter#101": PostState.PENDING, "threads#101": PostState.PENDING}
    assert posts == world.posts
    assert world.workflow.signals == {"token-1": APPROVED}


def test_a_rejected_video_is_done_and_its_posts_are_cancelled() -> None:
    world = asked_world()
    world.clock.advance(60)

    video, posts = world.decide(VIDEO_ID, REJECT, caller=a_caller())

    assert (video.stage, video.publishing_since) == (Stage.DONE, None)
    assert [(post.state, post.error_code, post.error_message, post.updated_at, post.version) for post in posts] == [
        (PostState.CANCELLED, ErrorCode.CANCELLED, "It was rejected. Nothing was posted.", world.clock(), 2)
    ] * 2
    assert world.workflow.signals == {"token-1": REJECTED}


@pytest.mark.parametrize("second", [APPROVE, REJECT])
@pytest.mark.parametrize("days", [0, 2], ids=["at once", "when the time for one is over"])
def test_the_first_decision_holds(second: ApprovalRequest, days: int) -> None:
    world = asked_world()
    decide(world, REJECT)
    world.clock.advance(days * 86_400)

    with pytest.raises(NotAllowedInState, match=r"video_1 is rejected since 2026-12-01T12:00:00Z; the first decision"):
        decide(world, second)

    assert world.workflow.signals == {"token-1": REJECTED}
    assert set(states_of(world).values()) == {PostState.CANCELLED}


def test_of_two_that_decide_at_once_one_is_refused_and_nothing_is_mixed() -> None:
    world = asked_world()
    world.table.meanwhile = lambda: decide(world, REJECT)

    with pytest.raises(VersionConflict):
        decide(world, APPROVE)

    assert (decision_of(world), world.video.stage) == (Decision.REJECTED, Stage.DONE)
    assert world.workflow.signals == {"token-1": REJECTED}


@pytest.mark.parametrize("request_", [APPROVE, REJECT])
def test_a_video_that_was_closed_undecided_waits_for_no_decision(request_: ApprovalRequest) -> None:
    world = undecided_and_closed()

    with pytest.raises(NotAllowedInState, match=r"no longer waits for a decision: it is done"):
        decide(world, request_)

    assert (decision_of(world), world.workflow.signals) == (Decision.WAITING, {})


# Time


@pytest.mark.parametrize("at", [TOMORROW, TOMORROW + timedelta(days=1)])
def test_an_approval_without_a_decision_is_rejected_by_the_sweep(at: datetime) -> None:
    world = asked_world()
    world.clock.now = at + timedelta(seconds=1)

    world.sweep()

    assert (decision_of(world), world.video.stage) == (Decision.EXPIRED, Stage.DONE)
    assert {post.error_message for post in world.posts} == {"It was not approved in time. Nothing was posted."}
    assert world.workflow.signals == {"token-1": REJECTED}
    assert world.approvals.get(VIDEO_ID).decided_by is None
    assert not is_due(world)


def undecided_and_closed() -> World:
    """Build a world whose video is done without a decision."""
    world = asked_world()
    world.video_store.advance(world.video, Stage.DONE, now=NOW)
    return world


def test_before_its_time_nothing_expires() -> None:
    world = asked_world()
    world.clock.now = TOMORROW - timedelta(seconds=1)

    world.sweep()
    world.expire(VIDEO_ID)

    assert decision_of(world) is Decision.WAITING


@pytest.mark.parametrize(("seconds", "is_late"), [(-1, False), (0, True)])
def test_a_decision_that_comes_too_late_is_none(seconds: int, is_late: bool) -> None:
    world = asked_world()
    world.clock.now = TOMORROW + timedelta(seconds=seconds)

    if is_late:
        with pytest.raises(NotAllowedInState, match="is expired since"):
            decide(world)
    else:
        decide(world)

    assert decision_of(world) is (Decision.EXPIRED if is_late else Decision.APPROVED)
    assert world.workflow.signals == {"token-1": REJECTED if is_late else APPROVED}


def test_the_question_of_a_video_that_was_closed_expires_alone() -> None:
    world = undecided_and_closed()
    closed = world.video
    world.clock.now = TOMORROW

    world.expire(VIDEO_ID)

    assert (decision_of(world), world.video) == (Decision.EXPIRED, closed)
    world.sweep_until_nothing_is_due()


def test_the_question_of_a_deleted_video_is_forgotten() -> None:
    world = asked_world()
    world.table.items.pop(world.video.key)
    world.clock.now = TOMORROW + timedelta(seconds=1)

    world.sweep()

    with pytest.raises(NotFound):
        world.approvals.get(VIDEO_ID)


def test_a_decision_in_the_last_moment_is_not_written_over_by_the_clock() -> None:
    world = asked_world()

    def decide_in_time() -> None:
        world.clock.now = TOMORROW - timedelta(seconds=1)
        decide(world)

    world.clock.now = TOMORROW + timedelta(seconds=1)
    world.table.meanwhile = decide_in_time
    world.sweep()

    assert decision_of(world) is Decision.APPROVED


# Edits


def test_words_can_be_changed_and_all_else_stays() -> None:
    scheduled = a_post(a_target("twitter", scheduled_time=TOMORROW), delay_minutes=5, delivery="verified")
    world = asked_world(scheduled, OWN_WORDS)

    decide(world, edits(text="Look up: {prompt}"))

    threads, twitter = world.posts
    assert twitter == scheduled.model_copy(update={"text": "Look up: A red kite over the sea", "version": 2})
    assert (threads.text, threads.state) == ("My own words\nMade with AI.", PostState.PENDING)
    assert world.video.stage is Stage.PUBLISHING


def test_single_captions_can_be_changed_and_are_sent_as_they_are() -> None:
    world = asked_world(TWO_POSTS[0], OWN_WORDS)

    decide(world, edits(captions=[{"platform": "threads", "account_id": "101", "text": "{prompt} as it is"}]))

    threads, twitter = world.posts
    assert (threads.text, threads.target) == ("{prompt} as it is", OWN_WORDS.target)
    assert twitter.text == TWO_POSTS[0].text


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        pytest.param({"text": "x" * 281}, "publish[1].text", id="words"),
        pytest.param({"publish": [{"platform": "twitter", "account_id": "9"}]}, "publish[0]", id="not connected"),
        pytest.param({"captions": [{**PUBLISH[0], "text": "x" * 281}]}, "edits.captions[0]", id="a caption"),
        pytest.param(
            {"captions": [{"platform": "bluesky", "account_id": "7", "text": "Up."}]}, "edits.captions[0]", id="no post"
        ),
    ],
)
def test_edits_that_do_not_fit_are_refused_and_nothing_is_decided(fields: dict[str, Any], param: str) -> None:
    world = asked_world(validate_accounts=refuse_targets)

    with pytest.raises(InvalidRequest) as refusal:
        decide(world, edits(**fields))

    assert str(refusal.value.param).startswith(param)
    assert (decision_of(world), world.video.stage) == (Decision.WAITING, Stage.AWAITING_APPROVAL)
    assert world.workflow.signals == {}


def test_changed_captions_fit_the_one_transaction_that_records_them_or_nothing_is_decided() -> None:
    targets = [a_target("facebook", account_id=str(number), page_id="1") for number in range(17)]
    world = asked_world(*(a_post(target) for target in targets))
    captions = [{"platform": "facebook", "account_id": str(number), "text": "x" * 60_000} for number in range(17)]

    with pytest.raises(InvalidRequest, match="at most 1000000 bytes together, got 1020000"):
        decide(world, edits(captions=captions))

    assert decision_of(world) is Decision.WAITING


def test_other_targets_take_the_place_of_those_that_wait() -> None:
    world = asked_world()

    decide(world, edits(publish=[*PUBLISH, {"platform": "bluesky", "account_id": "7"}], text="New"))

    assert [(post.target.post_id, post.text, post.version) for post in world.posts] == [
        ("bluesky#7", "New", 1),
        ("twitter#101", "New", 2),
    ]
    assert [post.post_id for post in world.workflow.signals["token-1"].posts] == ["bluesky#7", "twitter#101"]
    assert [target.post_id for target in world.targets_checked] == ["twitter#101", "bluesky#7"]


@pytest.mark.parametrize(
    "request_", [REJECT, edits(text="New"), edits(publish=[{"platform": "bluesky", "account_id": "7"}])]
)
def test_a_post_that_is_over_already_stays_as_it_is_in_the_ledger(request_: ApprovalRequest) -> None:
    over = a_post(a_target("twitter"), state=PostState.FAILED, is_told=True)
    world = asked_world(over, TWO_POSTS[1])

    decide(world, request_)

    assert world.posts[-1] == over


# The link to the page


@pytest.mark.parametrize(
    ("studio", "approval_url"),
    [("on", f"{PUBLIC_URL}/studio#/approvals/{VIDEO_ID}"), ("off", None)],
)
def test_the_question_carries_a_link_to_the_studio_if_there_is_one(studio: str, approval_url: str | None) -> None:
    world = asked_world(studio=studio)

    assert [event.approval_url for event in world.events] == [approval_url]


# The whole way


@pytest.mark.parametrize(
    ("request_", "decision", "state", "posts"),
    [
        (APPROVE, Decision.APPROVED, PostState.PUBLISHED, 1),
        (REJECT, Decision.REJECTED, PostState.CANCELLED, 0),
        (None, Decision.EXPIRED, PostState.CANCELLED, 0),
    ],
    ids=["approved", "rejected", "undecided"],
)
def test_a_video_is_posted_when_a_person_says_so(
    request_: ApprovalRequest | None, decision: Decision, state: PostState, posts: int
) -> None:
    world = World()
    if request_ is not None:
        world.while_asked = lambda: decide(world, request_)

    world.deliver(a_request(publish=PUBLISH, approval="required", approval_hours=3))

    assert (world.statuses, world.video.stage) == ([Status.SUCCEEDED], Stage.DONE)
    assert ([post.state for post in world.posts], len(world.publisher.posts)) == ([state], posts)
    assert [event.type for event in world.events] == ["video.awaiting_approval", "video.completed"]
    assert (decision_of(world), world.clock() < NOW + timedelta(hours=4)) == (decision, True)
