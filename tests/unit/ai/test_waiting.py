from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mediaposter.ai.video_model_interface import (
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStatus,
    VideoStream,
)
from mediaposter.ai.waiting import wait_for_all
from mediaposter.domain.errors import ErrorCode, MediaError, VideoModelError
from tests.builders import CATALOG

Answer = VideoStatus | BaseException


class ScriptedModel(VideoModelInterface):
    """Answers each job's questions in turn, repeats its last answer, and breaks downloads off as told."""

    provider = "scripted"

    def __init__(self, content: bytes = b"", break_after_bytes: int | None = None, **answers: list[Answer]) -> None:
        super().__init__(entry=CATALOG.get("sora-2"))
        self.answers = answers
        self.content = content
        self.break_after_bytes = break_after_bytes
        self.asked: list[str] = []
        self.opened_at: list[int] = []

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        return a_job(request.prompt)

    def get_status(self, job_id: str) -> VideoGenerationJob:
        self.asked.append(job_id)
        script = self.answers[job_id]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, BaseException):
            raise answer
        return a_job(job_id, answer)

    @contextmanager
    def open_video(self, job_id: str, *, start_byte: int = 0, validator: str | None = None) -> Iterator[VideoStream]:
        self.opened_at.append(start_byte)
        yield VideoStream(self._give(start_byte), start_byte=start_byte, size_bytes=len(self.content), validator='"v1"')

    def _give(self, start_byte: int) -> Iterator[bytes]:
        if self.break_after_bytes is not None:
            yield self.content[start_byte : self.break_after_bytes]
            self.break_after_bytes = None
            raise VideoModelError(ErrorCode.PROVIDER_ERROR, "The connection broke.", transient=True)
        yield self.content[start_byte:]


class Clock:
    """Stands still but for sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def a_job(job_id: str, status: VideoStatus = VideoStatus.QUEUED, **fields: object) -> VideoGenerationJob:
    return VideoGenerationJob.model_validate({"job_id": job_id, "status": status, **fields})


RUNNING, DONE, FAILED = VideoStatus.IN_PROGRESS, VideoStatus.COMPLETED, VideoStatus.FAILED


def test_each_job_is_given_as_it_ends() -> None:
    model, clock = ScriptedModel(slow=[RUNNING, RUNNING, DONE], quick=[DONE], bad=[RUNNING, FAILED]), Clock()

    ended = wait_for_all(model, [a_job("slow"), a_job("quick"), a_job("bad")], sleep=clock.sleep, clock=clock)

    assert [(job.job_id, job.status) for job in ended] == [("quick", DONE), ("bad", FAILED), ("slow", DONE)]


def test_a_job_that_has_ended_is_not_asked_for() -> None:
    model, clock = ScriptedModel(), Clock()

    assert [job.job_id for job in wait_for_all(model, [a_job("a", DONE)], sleep=clock.sleep, clock=clock)] == ["a"]

    assert (model.asked, clock.slept) == ([], [])


def test_between_two_questions_lies_what_the_provider_asks_for() -> None:
    model, clock = ScriptedModel(a=[DONE]), Clock()

    list(wait_for_all(model, [a_job("a", retry_after_seconds=17)], sleep=clock.sleep, clock=clock))

    assert clock.slept == [17]


def test_a_passing_fault_of_a_question_is_not_the_end() -> None:
    fault = VideoModelError(ErrorCode.PROVIDER_ERROR, "busy", transient=True, retry_after_seconds=9)
    model, clock = ScriptedModel(a=[fault, DONE]), Clock()

    [job] = wait_for_all(model, [a_job("a")], sleep=clock.sleep, clock=clock)

    assert job.status is DONE
    assert clock.slept == [5, 9]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), VideoModelError(ErrorCode.AUTHENTICATION, "no")])
def test_an_interruption_names_the_jobs_that_go_on(interruption: BaseException) -> None:
    model, clock = ScriptedModel(a=[DONE], b=[interruption], c=[RUNNING]), Clock()
    ended = wait_for_all(model, [a_job("a"), a_job("b"), a_job("c")], sleep=clock.sleep, clock=clock)

    assert next(ended).job_id == "a"
    with pytest.raises(type(interruption)) as raised:
        next(ended)

    [note] = raised.value.__notes__
    assert note.endswith("get_status: b, c")


def test_the_time_for_all_of_them_is_bounded() -> None:
    model, clock = ScriptedModel(a=[RUNNING]), Clock()

    with pytest.raises(VideoModelError) as raised:
        list(wait_for_all(model, [a_job("a")], timeout_seconds=60, sleep=clock.sleep, clock=clock))

    assert raised.value.code is ErrorCode.TIMEOUT
    assert clock.now <= 60


def test_progress_is_told_from_the_first_answer_to_the_last() -> None:
    model, clock, told = ScriptedModel(A=[RUNNING, DONE]), Clock(), list[VideoStatus]()

    job = model.create_and_wait(
        VideoGenerationRequest(prompt="A"),
        on_progress=lambda job: told.append(job.status),
        sleep=clock.sleep,
        clock=clock,
    )

    assert job.status is DONE
    assert told == [VideoStatus.QUEUED, RUNNING, DONE]


def test_a_download_that_breaks_off_is_resumed_where_it_was(make_video: object, tmp_path: Path) -> None:
    assert callable(make_video)
    content = make_video().read_bytes()
    model, clock = ScriptedModel(content, break_after_bytes=1000), Clock()

    path = model.download_video("a", tmp_path / "clip.mp4", sleep=clock.sleep, clock=clock)

    assert path.read_bytes() == content
    assert model.opened_at == [0, 1000]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"<html>sorry</html>", b"\0\0\0\x10ftypisom\0\0\0\0"])
def test_a_download_that_is_not_a_whole_mp4_leaves_nothing(content: bytes, tmp_path: Path) -> None:
    model, clock = ScriptedModel(content), Clock()

    with pytest.raises(MediaError):
        model.download_video("a", tmp_path / "clip.mp4", sleep=clock.sleep, clock=clock)

    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"the old one")
    model, clock = ScriptedModel(b"<html>sorry</html>"), Clock()

    with pytest.raises(MediaError):
        model.download_video("a", tmp_path / "clip.mp4", sleep=clock.sleep, clock=clock)

    assert (tmp_path / "clip.mp4").read_bytes() == b"the old one"
