"""The OpenAI Videos API over any video model, and posts of the results.

    from mediaposter import create_video_model, VideoGenerationRequest

    model = create_video_model("sora", model_variant="sora-2")   # keys come from .env or the environment
    job = model.create_and_wait(VideoGenerationRequest(prompt="A paper boat on a rainy street", duration_seconds=8))
    model.download_video(job.job_id, "boat.mp4")

`mediaposter up` runs the whole product on this machine: docs/local.md. docs/SORA_API.md describes these classes, and
docs/modules.md is the map of the package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mediaposter.ai.video_job import SourceVideo as SourceVideo
    from mediaposter.ai.video_job import VideoGenerationJob as VideoGenerationJob
    from mediaposter.ai.video_job import VideoGenerationRequest as VideoGenerationRequest
    from mediaposter.ai.video_job import VideoStatus as VideoStatus
    from mediaposter.ai.video_model_factory import create_video_model as create_video_model
    from mediaposter.ai.video_model_factory import list_providers as list_providers
    from mediaposter.ai.video_model_interface import VideoModelInterface as VideoModelInterface
    from mediaposter.ai.waiting import wait_for_all as wait_for_all
    from mediaposter.domain.errors import MediaPosterError as MediaPosterError
    from mediaposter.publishing.blotato_client import BlotatoClient as BlotatoClient

    __version__: str

# Imported when they are asked for: each Lambda imports this package, and none of these.
_MODULES = {
    "BlotatoClient": "publishing.blotato_client",
    "MediaPosterError": "domain.errors",
    "SourceVideo": "ai.video_job",
    "VideoGenerationJob": "ai.video_job",
    "VideoGenerationRequest": "ai.video_job",
    "VideoModelInterface": "ai.video_model_interface",
    "VideoStatus": "ai.video_job",
    "create_video_model": "ai.video_model_factory",
    "list_providers": "ai.video_model_factory",
    "wait_for_all": "ai.waiting",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("mediaposter")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*_MODULES, "__version__"]
