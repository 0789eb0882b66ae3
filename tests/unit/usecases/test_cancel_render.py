"""A render that is stopped at its provider, apart from what no longer wants it."""

from __future__ import annotations

import pytest

from mediaposter.domain.errors import ErrorCode, UnsupportedOperation, VideoModelError
from mediaposter.usecases.generation.cancel_render import CancelRender
from mediaposter.usecases.steps import RenderToCancel
from tests.fakes.video_model import FakeVideoModel

RENDER = RenderToCancel(video_id="video_1", provider="runway", model="gen4.5", job_id="job_1")


class Refusing(FakeVideoModel):
    """A model whose provider answers a cancellation with an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def cancel_video(self, job_id: str) -> None:
        """Refuse."""
        raise self._error


def cancel(error: Exception) -> list[str]:
    faults: list[str] = []
    CancelRender(models=lambda _provider, _model: Refusing(error), report_fault=faults.append)(RENDER)
    return faults


def test_a_provider_that_does_not_answer_is_asked_again_by_lambda() -> None:
    with pytest.raises(VideoModelError):
        cancel(VideoModelError(ErrorCode.PROVIDER_ERROR, "503", transient=True))


def test_a_refusal_is_reported_once() -> None:
    assert cancel(VideoModelError(ErrorCode.INVALID_REQUEST, "It has ended.")) == [
        "runway did not cancel job job_1 of video_1: It has ended."
    ]


def test_a_provider_that_cancels_nothing_is_no_fault() -> None:
    assert cancel(UnsupportedOperation("runway", "cancel_video")) == []
