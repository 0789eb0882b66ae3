"""The sandbox model within the host: what the provider contract asks of it, its files, and its own webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mediaposter.ai.video_model_interface import VideoGenerationRequest, VideoStatus
from mediaposter.host.pretend.sandbox_model import InProcessSandboxModel
from mediaposter.host.pretend.sandbox_provider import SandboxProvider
from tests.fakes.clock import Clock
from tests.fakes.provider import row

MOVIE = b"movie"


def draw(prompt: str, *, width: int, height: int, seconds: int, path: Path) -> None:
    path.write_bytes(MOVIE)


class Sandbox:
    """A provider over a folder, and its model; `restart` is a process that was killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.ended: list[str] = []
        self.restart()

    def restart(self) -> None:
        self.provider = SandboxProvider(self.folder, draw, clock=self.clock)
        self.model = InProcessSandboxModel(entry=row("sandbox-1"), provider=self.provider)

    def create(self, prompt: str = "A lake", key: str | None = None) -> str:
        request = VideoGenerationRequest(prompt=prompt, width=720, height=1280, duration_seconds=4, idempotency_key=key)
        return self.model.create_video(request).job_id


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path)
    yield sandbox
    sandbox.provider.close()


def test_a_job_is_queued_runs_and_is_completed(sandbox: Sandbox) -> None:
    sandbox.provider.start(sandbox.ended.append)
    job_id = sandbox.create()
    assert sandbox.model.get_status(job_id).status is VideoStatus.QUEUED
    sandbox.clock.advance(2)
    job = sandbox.model.get_status(job_id)
    assert (job.status, job.progress) == (VideoStatus.IN_PROGRESS, 50)
