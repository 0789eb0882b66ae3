"""OpenAI's names in Python: what a request becomes, and what is waited for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mediaposter.ai.aliased import AliasedVideoModel
from mediaposter.ai.catalog import built_in_catalog
from mediaposter.ai.video_job import VideoGenerationJob, VideoGenerationRequest, VideoStatus
from mediaposter.domain.errors import UnsupportedOperation, VideoModelError
from tests.fakes.video_model import FakeVideoModel


def make(
    model: str = "gemini-omni-1.2-flash", *, polls: Sequence[VideoGenerationJob] = ()
) -> tuple[AliasedVideoModel, FakeVideoModel, list[float]]:
    made = FakeVideoModel(polls=polls)
    made.entry = built_in_catalog().get(model)
    slept: list[float] = []
    return AliasedVideoModel("sora-2", find_model=lambda _: made, sleep=slept.append), made, slept


def test_a_length_and_a_size_that_the_maker_lacks_become_the_nearest_with_warnings() -> None:
    aliased, made, _ = make("gen4.5")
    request = VideoGenerationRequest(prompt="A boat", model="sora-2-pro", width=1920, height=1080, duration_seconds=15)

    with pytest.warns(UserWarning, match="makes no video of") as said:
        aliased.create_video(request)

    [sent] = made.accepted
    assert (sent.duration_seconds, sent.size, sent.model) == (10, "1280x720", None)
    assert ["15 seconds" in str(said[0].message), "1920x1080" in str(said[1].message)] == [True, True]


@pytest.mark.parametrize("changed", [{"duration_seconds": 21}, {"duration_seconds": 1}, {"width": 333}])
def test_what_no_model_of_openais_took_is_refused_before_anything_is_sent(changed: dict[str, int]) -> None:
    aliased, made, _ = make()

    with pytest.raises(VideoModelError, match="Nothing was submitted"):
        aliased.create_video(VideoGenerationRequest.model_validate({"prompt": "A boat", **changed}))

    assert made.accepted == []


def test_a_remix_waits_for_its_source() -> None:
    aliased, _, slept = make(polls=[VideoGenerationJob(job_id="job-1", status=VideoStatus.IN_PROGRESS)])
    draft = aliased.create_video(VideoGenerationRequest(prompt="A boat"))

    aliased.remix_video(draft.job_id, "At night")

    assert slept
    assert aliased.get_status(draft.job_id).status is VideoStatus.COMPLETED


def test_a_remix_that_the_maker_lacks_is_refused_at_once() -> None:
    aliased, _, slept = make("gen4.5")

    with pytest.raises(UnsupportedOperation, match=r"gen4\.5 does not offer remix_video"):
        aliased.remix_video("job_1", "At night")

    assert not slept
