"""A video that is made from another: whose, of what, and at which price."""

from __future__ import annotations

import pytest

from mediaposter.api.requests import EditVideoRequest, ExtendVideoRequest, RemixVideoRequest
from mediaposter.errors import InvalidRequest, NotFound
from mediaposter.library.videos import DerivationKind, Reservation, Stage
from tests.builders import NOW, VIDEO_ID, a_caller, a_stored_video, a_video
from tests.fakes.world import World

SOURCE = "video_0"


def world_with_source(**changes: object) -> World:
    world = World()
    kept = {"stage": Stage.DONE, "stored": a_stored_video(SOURCE), "provider_job_id": "job-0", "seconds": 8}
    world.keep(a_video(id=SOURCE, **{**kept, "resolved_model": "kite-1", "size": "768x1280", **changes}))
    return world


def extension(seconds: int = 5) -> ExtendVideoRequest:
    return ExtendVideoRequest.model_validate({"prompt": "On", "video": SOURCE, "seconds": seconds})


@pytest.mark.parametrize("owner", ["key_of_another", ""])
def test_somebody_elses_video_is_not_there_to_be_changed(owner: str) -> None:
    world = world_with_source()

    with pytest.raises(NotFound):
        world.submit.derive(extension(), caller=a_caller(owner=owner))

    assert (world.effects.names[1:], world.workflow.executions) == ([], [])


def test_a_video_that_is_not_kept_is_not_changed() -> None:
    world = world_with_source(stage=Stage.RENDERING, stored=None)

    with pytest.raises(InvalidRequest, match="only a completed one can be changed"):
        world.submit.derive(extension(), caller=a_caller())


@pytest.mark.parametrize("model", [RemixVideoRequest, EditVideoRequest])
def test_what_the_model_does_not_offer_is_refused(model: type[RemixVideoRequest | EditVideoRequest]) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        world_with_source().submit.derive(model.model_validate({"prompt": "Again", "video": SOURCE}), caller=a_caller())

    assert refusal.value.code == "unsupported_operation"


def test_an_extension_promises_what_is_added_and_tells_the_whole() -> None:
    world = world_with_source()

    video = world.submit.derive(extension(seconds=5), caller=a_caller()).video

    assert (video.id, video.seconds, video.cost_estimate_micros) == (VIDEO_ID, 13, 1_000_000)
    assert video.reservation == Reservation(on=NOW.date(), micros=1_000_000)
    assert video.derivation is not None
    assert (video.derivation.kind, video.derivation.provider_job_id) == (DerivationKind.EXTEND, "job-0")
    assert video.derivation.extend_seconds == 5
