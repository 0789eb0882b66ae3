"""A stored video is posted to more accounts when a person has approved it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mediaposter.domain.errors import Forbidden, InvalidRequest, NotAllowedInState
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import Post, PostState
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.posting.post_with_approval import REJECTED_FOR
from mediaposter.wire.caller import Caller
from mediaposter.wire.post_requests import ApprovalRequest, PublishAgainRequest
from tests.builders import VIDEO_ID, a_caller, a_post, a_request, a_target
from tests.fakes.world import World

AGENT = a_caller(scopes=[Scope.PUBLISH])
APPROVE = ApprovalRequest(decision="approve")
REJECT = ApprovalRequest(decision="reject")


def to(platform: str, account_id: str = "7", text: str = "Up") -> PublishAgainRequest:
    return PublishAgainRequest.model_validate(
        {"publish": [{"platform": platform, "account_id": account_id}], "text": text}
    )


def done_world() -> World:
    """Build a world whose video is kept, without posts."""
    world = World(ids=[VIDEO_ID])
    world.deliver(a_request())
    return world


def ask(world: World, request: PublishAgainRequest | None = None, *, caller: Caller = AGENT) -> list[Post]:
    return world.stack.post_with_approval(VIDEO_ID, request or to("threads"), hours=24, caller=caller)[1]


def let_decide(world: World, *decisions: ApprovalRequest) -> None:
    """Let a person decide once, while the execution waits."""
    left = list(decisions)
    # In these worlds, the tokens of two executions have the same names.
    world.workflow.signals.clear()

    def decide() -> None:
        if left:
            world.decide(VIDEO_ID, left.pop(0), caller=a_caller())

    world.while_asked = decide
    world.carry_on()


def test_nothing_is_posted_before_a_person_has_approved_it_and_the_same_request_again_asks_nothing_new() -> None:
    world = done_world()

    (post,) = ask(world)

    assert (world.video.stage, post.state) == (Stage.AWAITING_APPROVAL, PostState.PENDING)
    assert world.publisher.count_posts().total() == 0
    executions = list(world.workflow.executions)
    assert [post.state for post in ask(world)] == [PostState.PENDING]
    let_decide(world, APPROVE)
    assert [post.state for post in ask(world)] == [PostState.PUBLISHED]
    assert (world.video.stage, world.workflow.executions) == (Stage.DONE, executions)
    assert [event.type for event in world.events] == ["video.completed", "video.awaiting_approval"]


def test_each_further_question_is_about_its_posts_alone() -> None:
    world = done_world()
    ask(world)
    let_decide(world, APPROVE)

    ask(world, to("bluesky"))
    let_decide(world, APPROVE)

    assert {post.target.platform: post.state for post in world.posts} == {
        "threads": PostState.PUBLISHED,
        "bluesky": PostState.PUBLISHED,
    }
    assert world.publisher.count_posts().total() == 2
    asked = [event for event in world.events if event.type == "video.awaiting_approval"]
    assert [event.round for event in asked] == [None, 2]
    assert len({event.id for event in asked}) == 2


def test_a_rejection_holds_for_a_while() -> None:
    world = done_world()
    ask(world)
    let_decide(world, REJECT)
    assert [post.state for post in world.posts] == [PostState.CANCELLED]

    with pytest.raises(NotAllowedInState, match=r"^A person rejected"):
        ask(world)

    world.clock.advance(REJECTED_FOR.total_seconds() + timedelta(hours=1).total_seconds())
    assert [post.state for post in ask(world)] == [PostState.PENDING]


def test_other_posts_wait_until_the_question_is_answered() -> None:
    world = done_world()
    ask(world)

    with pytest.raises(NotAllowedInState, match=r"waiting for an approval"):
        ask(world, to("bluesky"))


def test_an_account_takes_a_video_once_here_too() -> None:
    world = done_world()
    world.table.create([a_post(a_target("threads", "7"), state=PostState.UNKNOWN, owner=AGENT.owner)])

    with pytest.raises(InvalidRequest, match="an account takes a video once"):
        ask(world)


@pytest.mark.parametrize(
    "caller",
    [a_caller(scopes=[Scope.CREATE, Scope.READ]), a_caller(scopes=[Scope.PUBLISH], accounts=["bluesky:7"])],
    ids=["no scope", "another account"],
)
def test_a_key_asks_only_about_what_it_may_post(caller: Caller) -> None:
    with pytest.raises(Forbidden):
        ask(done_world(), caller=caller)


def test_an_execution_that_does_not_start_is_started_by_the_sweep() -> None:
    world = done_world()
    world.workflow.refuses = True
    ask(world)
    world.workflow.refuses = False

    world.clock.advance(3600)
    world.sweep()
    let_decide(world, APPROVE)

    assert [post.state for post in world.posts] == [PostState.PUBLISHED]
