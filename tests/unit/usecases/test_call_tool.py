"""The rules of an agent's tools: once, at a price, within its scopes, and no post without a person."""

from __future__ import annotations

from typing import Any

import pytest

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ApiError, Forbidden, NotAllowedInState, NotFound
from mediaposter.stores.keys import Scope
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.agents.call_tool import ToolAnswer
from mediaposter.wire.caller import Caller
from mediaposter.wire.mcp_tools import SAME_CALL_MINUTES, TOOLS, CreateVideoArguments
from mediaposter.wire.requests import CreateVideoRequest
from tests.builders import VIDEO_ID, a_caller
from tests.fakes.chat import FakeChat
from tests.fakes.world import World

AGENT = a_caller(scopes=[Scope.READ, Scope.CREATE, Scope.PUBLISH])
TO_THREADS: Any = [{"platform": "threads", "account_id": "7"}]
KITE: dict[str, Any] = {"prompt": "A kite"}


def call(world: World, name: str, *, caller: Caller = AGENT, **arguments: Any) -> Any:
    answer: ToolAnswer = world.stack.call_tool(name, arguments, caller=caller)
    return answer.content


def make(world: World, *, caller: Caller = AGENT, **arguments: Any) -> Any:
    return call(world, "create_video", caller=caller, **{**KITE, **arguments})


def a_world() -> World:
    return World(ids=[f"video_{number}" for number in range(1, 9)])


@pytest.fixture
def world() -> World:
    return a_world()


@pytest.mark.parametrize(
    "again",
    [{}, {"max_cost_usd": 3}, {"seconds": "4"}, {"title": None}, {"approval": "required"}],
    ids=["equal", "other limit", "default said", "null", "approval said"],
)
def test_the_same_call_is_the_same_video(world: World, again: dict[str, Any]) -> None:
    target: dict[str, Any] = {"publish": TO_THREADS}

    first, second = make(world, **target), make(world, **target, **again)

    assert (first.is_repeated, second.is_repeated) == (False, True)
    assert first.video.id == second.video.id
    assert len(world.workflow.executions) == 1


def test_an_agent_has_captions_written_once() -> None:
    world = World(ids=["video_1", "video_2"], chat=lambda effects: FakeChat(effects=effects))

    first, second = (make(world, publish=TO_THREADS, captions="write") for _ in range(2))

    assert [post.text for post in (*first.video.posts, *second.video.posts)] == ["A kite for threads, number 1"] * 2


def test_the_time_of_a_call_begins_with_the_first_and_has_no_other_edge() -> None:
    world = a_world()
    first = make(world)

    made = []
    for minutes in (SAME_CALL_MINUTES - 1, 2, 0):
        world.clock.advance(minutes * 60)
        made.append(make(world).video.id)

    assert made[0] == first.video.id
    assert made[1] == made[2] != first.video.id


@pytest.mark.parametrize("other", [{"prompt": "Another"}, {"metadata": {"take": "2"}}, {"seconds": 8}])
def test_another_call_is_another_video(world: World, other: dict[str, Any]) -> None:
    assert make(world).video.id != make(world, **other).video.id


def test_another_owner_makes_a_video_of_their_own(world: World) -> None:
    assert make(world).video.id != make(world, caller=a_caller(owner="another")).video.id


def test_the_same_fields_by_http_are_another_request() -> None:
    by_http = CreateVideoRequest.model_validate(KITE)

    assert by_http.fingerprint() != CreateVideoArguments.model_validate(KITE).fingerprint()


@pytest.mark.parametrize(
    ("approval", "scopes", "stage"),
    [
        (None, [*Scope], Stage.AWAITING_APPROVAL),
        ("required", [*Scope], Stage.AWAITING_APPROVAL),
        ("none", AGENT.scopes, Stage.AWAITING_APPROVAL),
        ("none", [*AGENT.scopes, Scope.APPROVE], Stage.DONE),
    ],
    ids=["unsaid", "required", "none by an agent", "none by an approver"],
)
@pytest.mark.parametrize("tool", ["create_video", "post_video"])
def test_posts_wait_for_a_person_unless_an_approver_says_none(
    tool: str, approval: str | None, scopes: list[Scope], stage: Stage
) -> None:
    world = a_world()
    caller = a_caller(scopes=scopes)
    posting: dict[str, Any] = {"publish": TO_THREADS, "approval": approval}
    stages = []
    world.while_asked = lambda: stages.append(world.video.stage)

    if tool == "create_video":
        make(world, caller=caller, **posting)
    else:
        make(world, caller=caller)
        world.carry_on()
        call(world, "post_video", caller=caller, video_id=VIDEO_ID, **posting)
    world.carry_on()

    assert (stages[:1] or [Stage.DONE]) == [stage]
    assert world.publisher.count_posts().total() == (1 if stage is Stage.DONE else 0)


def test_a_price_and_what_is_left_are_told(world: World) -> None:
    caller = AGENT.model_copy(update={"daily_budget_micros": 1_000_000})

    estimate = call(world, "estimate_video", caller=caller, **KITE)
    made = make(world, caller=caller)

    assert (estimate.price_usd, estimate.left_today_usd, estimate.fits_budget) == ("0.4", "1", True)
    assert (made.price_usd, made.left_today_usd) == ("0.4", "0.6")


def test_a_cancelled_video_keeps_its_record_and_a_stored_one_is_left_alone(world: World) -> None:
    make(world)

    first = call(world, "cancel_video", video_id=VIDEO_ID)
    again = call(world, "cancel_video", video_id=VIDEO_ID)

    assert first.video.status is again.video.status is VideoStatus.FAILED
    assert first.ask_again_after_seconds is None
    stored = a_world()
    stored.submit(CreateVideoRequest.model_validate(KITE), caller=AGENT)
    stored.carry_on()
    with pytest.raises(NotAllowedInState, match="nothing to stop"):
        call(stored, "cancel_video", video_id=VIDEO_ID)


@pytest.mark.parametrize("tool", ["get_video", "cancel_video", "post_video"])
def test_a_video_of_another_owner_is_not_there(world: World, tool: str) -> None:
    make(world)
    posting = {"publish": TO_THREADS} if tool == "post_video" else {}

    with pytest.raises(NotFound):
        call(world, tool, caller=a_caller(owner="another"), video_id=VIDEO_ID, **posting)

    assert world.video.failure is None


@pytest.mark.parametrize(
    ("tool", "scope", "arguments"),
    [
        ("estimate_video", Scope.CREATE, KITE),
        ("create_video", Scope.CREATE, KITE),
        ("get_video", Scope.READ, {"video_id": VIDEO_ID}),
        ("list_videos", Scope.READ, {}),
        ("cancel_video", Scope.CREATE, {"video_id": VIDEO_ID}),
        ("post_video", Scope.PUBLISH, {"video_id": VIDEO_ID, "publish": TO_THREADS}),
        ("list_accounts", Scope.PUBLISH, {}),
        ("list_schedules", Scope.READ, {}),
        ("get_usage", Scope.READ, {}),
    ],
)
def test_a_tool_takes_the_scope_of_its_route(world: World, tool: str, scope: Scope, arguments: dict[str, Any]) -> None:
    others = [other for other in (*AGENT.scopes, Scope.APPROVE) if other is not scope]

    with pytest.raises(Forbidden, match=scope):
        call(world, tool, caller=a_caller(scopes=others), **arguments)
    assert world.table.items == {}


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_refuses_what_it_does_not_know(tool: str) -> None:
    with pytest.raises(ApiError, match=r"^(no_such_argument: |[a-z_]+: is required)"):
        call(a_world(), tool, no_such_argument=1)
