"""`max_cost_usd` is the most that a video may cost: its first try, and every further one."""

from __future__ import annotations

from functools import partial

import pytest

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ErrorCode, InvalidRequest
from mediaposter.wire.bodies import validate_fields
from mediaposter.wire.request_context import RequestContext
from mediaposter.wire.requests import CreateVideoRequest, ExtendVideoRequest
from tests.builders import a_caller, a_job, a_request, a_stored_video, a_video
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.world import World
from tests.unit.usecases.failing import failure_of

ONE_KEY = RequestContext(idempotency_key="k")
ABOVE = r"^max_cost_usd: the video may cost \$0\.4, which is more than \$0\.39\."


def test_a_price_above_is_refused_and_nothing_is_recorded() -> None:
    world = World()

    with pytest.raises(InvalidRequest, match=ABOVE) as caught:
        world.submit(a_request(max_cost_usd="0.39"), caller=a_caller())

    assert (caught.value.param, caught.value.code) == ("max_cost_usd", "price_too_high")
    assert (world.table.items, world.workflow.executions) == ({}, [])


def test_a_price_that_is_met_is_taken() -> None:
    assert World().submit(a_request(max_cost_usd="0.4"), caller=a_caller()).video.cost_estimate_micros == 400_000


def test_a_fallback_counts_when_it_may_cost_more() -> None:
    request = a_request(max_cost_usd="0.5", fallback_models=["kite-1"])

    with pytest.raises(InvalidRequest, match=r"may cost \$1, "):
        World().submit(request, caller=a_caller())


def test_an_estimate_is_refused_as_its_request_would_be() -> None:
    with pytest.raises(InvalidRequest, match=ABOVE):
        World().submit.estimate(a_request(max_cost_usd="0.39"), caller=a_caller())


def test_what_is_made_from_a_video_is_held_to_its_price_as_well() -> None:
    world = World()
    stored = {"stored": a_stored_video(), "provider_job_id": "job-1", "stage": "done"}
    world.keep(a_video(model="kite-1", resolved_model="kite-1", seconds=5, size="768x1280", **stored))
    request = ExtendVideoRequest.model_validate({"prompt": "On", "video": "video_1", "seconds": 5, "max_cost_usd": 0.5})

    with pytest.raises(InvalidRequest, match=r"may cost \$1, "):
        world.submit.derive(request, caller=a_caller())


def test_a_repeated_request_gets_its_video_whatever_it_may_cost_now() -> None:
    world = World(ids=["video_1", "video_2"])
    first = world.submit(a_request(), caller=a_caller(), request_context=ONE_KEY)

    again = world.submit(a_request(max_cost_usd="0.1"), caller=a_caller(), request_context=ONE_KEY)

    assert (again.video.id, first.is_repeated, again.is_repeated) == (first.video.id, False, True)


def test_a_try_that_would_go_beyond_it_is_not_made() -> None:
    lost = a_job(VideoStatus.FAILED, error_code=ErrorCode.PROVIDER_ERROR, error_message="Lost.", cost_micros=400_000)
    world = World(
        model=partial(FakeVideoModel, polls=[lost]), other_models={"glider-1": FakeVideoModel}, ids=["video_1"]
    )

    world.deliver(a_request(max_cost_usd="0.4", fallback_models=["glider-1"]))

    assert len(world.other_models["glider-1"].accepted) == 0
    assert failure_of(world).code is ErrorCode.BUDGET_EXCEEDED


@pytest.mark.parametrize("wrong", [True, "NaN", "1e400", -1, "much"])
def test_only_an_amount_of_dollars_is_understood(wrong: object) -> None:
    with pytest.raises(InvalidRequest, match=r"^max_cost_usd: "):
        validate_fields(CreateVideoRequest, {"prompt": "A kite", "max_cost_usd": wrong})
