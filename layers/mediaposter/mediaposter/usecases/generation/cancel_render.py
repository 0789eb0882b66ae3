"""Stop a render at its provider, separately from the request that cancels it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mediaposter.ai.video_model_interface import VideoModelInterface
from mediaposter.domain.errors import ConfigurationError, UnsupportedOperation, VideoModelError
from mediaposter.stores.video_record import Video
from mediaposter.usecases.steps import RenderToCancel

RenderCanceller: TypeAlias = Callable[[RenderToCancel], None]


class CancelRender:
    """Ask a provider to stop a render, if it supports that."""

    def __init__(
        self, *, models: Callable[[str, str], VideoModelInterface], report_fault: Callable[[str], None]
    ) -> None:
        self._models = models
        self._report_fault = report_fault

    def __call__(self, render: RenderToCancel) -> None:
        """Cancel a render; calling again is safe.

        Raises:
            VideoModelError: the provider did not answer; try again.
        """
        try:
            self._models(render.provider, render.model).cancel_video(render.job_id)
        except UnsupportedOperation:
            return
        except (ConfigurationError, VideoModelError) as error:
            self._report_fault(f"{render.provider} did not cancel job {render.job_id} of {render.video_id}: {error}")
            if isinstance(error, VideoModelError) and error.transient:
                raise


def stop_render(video: Video, cancel: RenderCanceller) -> None:
    """Request the cancellation of a video's render, if it has one."""
    if video.provider_job_id is not None:
        cancel(
            RenderToCancel(
                video_id=video.id,
                provider=video.provider,
                model=video.resolved_model,
                job_id=video.provider_job_id,
            )
        )
