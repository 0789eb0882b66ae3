"""The sandbox model within the host: what the provider contract asks of it, its files, and its webhooks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import pytest

from mediaposter.ai.catalog import Capabilities, CatalogEntry
from mediaposter.ai.video_model_interface import (
    SourceVideo,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStatus,
)
from mediaposter.domain.errors import (
    ErrorCode,
    InvalidRequest,
    MediaError,
    SubmissionUnknown,
    UnknownJob,
    UnsupportedOperation,
    VideoModelError,
    WebhookRejected,
)
from mediaposter.host.children import ChildFault
from mediaposter.host.pretend.faults import VideoFault
from mediaposter.host.pretend.sandbox_model import InProcessSandboxModel
from mediaposter.host.pretend.sandbox_provider import KEPT_FOR, Draw, SandboxProvider
from mediaposter.stores.job_callbacks import JobCallbackStore, name_job
from mediaposter.usecases.generation.provider_webhooks import ReceiveProviderWebhook, WebhookOutcome
from tests.builders import NOW, a_video
from tests.fakes.clock import Clock
from tests.fakes.effects import Effects
from tests.fakes.provider import row
from tests.fakes.table import InMemoryTable
from tests.unit.ai.test_provider_contract import OPERATIONS, PICTURE, SITUATIONS, UNLISTED

MOVIE = b"movie"
SHAPE = {"width": 720, "height": 1280, "duration_seconds": 4}
NO_JOB = f"video_{'0' * 32}"


def draw(prompt: str, *, width: int, height: int, seconds: int, path: Path) -> None:
    path.write_bytes(MOVIE)


def draw_after(may_draw: threading.Event) -> Draw:
    """Give a way to draw that waits until it may."""

    def wait_and_draw(prompt: str, *, width: int, height: int, seconds: int, path: Path) -> None:
        may_draw.wait(10)
        path.write_bytes(MOVIE)

    return wait_and_draw


class Sandbox:
    """A provider over a folder, and its model. `restart` stands for a process that was killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.ended: list[str] = []
        self.draw: Draw = draw
        self.restart()

    def restart(self) -> None:
        self.provider = SandboxProvider(self.folder, self._draw, clock=self.clock)
        self.model = self.build(row("sandbox-1"))

    def _draw(self, prompt: str, *, width: int, height: int, seconds: int, path: Path) -> None:
        self.draw(prompt, width=width, height=height, seconds=seconds, path=path)

    def build(self, entry: CatalogEntry) -> VideoModelInterface:
        return InProcessSandboxModel(entry=entry, provider=self.provider)

    def create(self, prompt: str = "A lake", **fields: object) -> str:
        request = VideoGenerationRequest.model_validate({"prompt": prompt, **SHAPE, **fields})
        return self.model.create_video(request).job_id

    def refuse(self, prompt: str = "A lake", **fields: object) -> VideoModelError:
        with pytest.raises(VideoModelError) as raised:
            self.create(prompt, **fields)
        return raised.value

    def finish(self, prompt: str = "A lake", **fields: object) -> VideoGenerationJob:
        job_id = self.create(prompt, **fields)
        self.wait_for_clips()
        self.clock.advance(4)
        return self.model.get_status(job_id)

    def wait_for_clips(self) -> None:
        """Wait for what is being drawn."""
        self.provider.wait_until_drawn()

    def download(self, job_id: str, **fields: object) -> bytes:
        with self.model.open_video(job_id, **fields) as stream:  # type: ignore[arg-type]
            return b"".join(stream.chunks)

    def refuse_download(self, job_id: str) -> VideoModelError:
        with pytest.raises(VideoModelError) as raised:
            self.download(job_id)
        return raised.value


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path / "sandbox")
    yield sandbox
    sandbox.provider.close()


# The provider contract, where there is no wire: each situation is a prompt, or cannot be.
PROMPTS = {
    "started": "A lake",
    "running": "A lake",
    "done": "A lake",
    "failed": "A lake [video: break_down]",
    "blocked": "A lake [video: fail]",
    "cancelled": "A lake",
    "video": "A lake",
    "job_gone": "A lake",
}
WITHOUT_A_WIRE = {
    "unknown_status": "it says no other words",
    "video_expired": "its clips have no addresses",
    "unauthorized": "it takes no key",
    "no_credit": "it costs nothing",
    "model_gone": "it draws for any name",
    "rate_limited": "it has no limit",
    "broken": "no call of it can be lost in a server",
}


def test_every_situation_of_the_contract_is_played_or_cannot_be() -> None:
    assert {*PROMPTS, *WITHOUT_A_WIRE} == set(SITUATIONS)
    assert not PROMPTS.keys() & WITHOUT_A_WIRE.keys()


def test_a_job_is_queued_then_runs_and_is_then_completed(sandbox: Sandbox) -> None:
    job_id = sandbox.create()
    sandbox.wait_for_clips()
    seen = []
    for seconds in (0, 2, 1.9, 0.1):
        sandbox.clock.advance(seconds)
        job = sandbox.model.get_status(job_id)
        seen.append((job.status, job.progress))
    assert seen == [
        (VideoStatus.QUEUED, 0),
        (VideoStatus.IN_PROGRESS, 50),
        (VideoStatus.IN_PROGRESS, 97),
        (VideoStatus.COMPLETED, 100),
    ]
    assert sandbox.download(job_id) == MOVIE


def test_a_job_whose_clip_is_not_drawn_yet_still_runs(sandbox: Sandbox) -> None:
    may_draw = threading.Event()
    sandbox.draw = draw_after(may_draw)
    job_id = sandbox.create()
    sandbox.clock.advance(60)
    job = sandbox.model.get_status(job_id)
    assert (job.status, job.progress) == (VideoStatus.IN_PROGRESS, 99)
    error = sandbox.refuse_download(job_id)
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, True)
    may_draw.set()
    sandbox.wait_for_clips()
    assert sandbox.model.get_status(job_id).status is VideoStatus.COMPLETED


def test_a_download_goes_on_where_it_broke_off(sandbox: Sandbox) -> None:
    job_id = sandbox.finish().job_id
    with sandbox.model.open_video(job_id, start_byte=3) as stream:
        assert (stream.start_byte, stream.size_bytes, b"".join(stream.chunks)) == (3, 5, MOVIE[3:])
    with sandbox.model.open_video(job_id) as first:
        assert first.validator == stream.validator is not None


@pytest.mark.parametrize(
    ("prompt", "code"),
    [(PROMPTS["failed"], ErrorCode.PROVIDER_ERROR), (PROMPTS["blocked"], ErrorCode.CONTENT_POLICY)],
)
def test_a_prompt_that_asks_for_a_failure_fails_at_its_end(sandbox: Sandbox, prompt: str, code: ErrorCode) -> None:
    job_id = sandbox.create(prompt)
    sandbox.clock.advance(2)
    assert sandbox.model.get_status(job_id).status is VideoStatus.IN_PROGRESS
    sandbox.clock.advance(2)
    job = sandbox.model.get_status(job_id)
    assert (job.status, job.error_code) == (VideoStatus.FAILED, code)
    assert job.error_message
    error = sandbox.refuse_download(job_id)
    assert (error.code, error.transient) == (code, False)


def test_a_clip_that_cannot_be_drawn_fails_its_job_and_says_why(sandbox: Sandbox) -> None:
    def break_down(prompt: str, *, width: int, height: int, seconds: int, path: Path) -> None:
        raise ChildFault("used up its memory.")

    sandbox.draw = break_down
    job = sandbox.finish()
    assert (job.status, job.error_code) == (VideoStatus.FAILED, ErrorCode.PROVIDER_ERROR)
    assert "used up its memory" in (job.error_message or "")


def test_a_prompt_can_ask_to_be_refused_or_never_finished(sandbox: Sandbox) -> None:
    assert sandbox.refuse("A lake [video: refuse]").code is ErrorCode.INVALID_REQUEST
    assert sandbox.model.list_jobs() == []
    sandbox.create("A lake [video: never_finish]")
    sandbox.clock.advance(100_000)
    assert sandbox.model.list_jobs()[0].status is VideoStatus.IN_PROGRESS


@pytest.mark.parametrize("fault", [VideoFault.NOT_MP4, VideoFault.TRUNCATE_SILENTLY])
def test_a_prompt_can_ask_for_a_file_that_is_no_whole_video(
    sandbox: Sandbox, tmp_path: Path, fault: VideoFault
) -> None:
    job = sandbox.finish(f"A lake [video: {fault}]")
    assert job.status is VideoStatus.COMPLETED
    with pytest.raises(MediaError):
        sandbox.model.download_video(job.job_id, tmp_path / "video.mp4")


def test_an_unknown_failure_is_refused_with_those_that_there_are(sandbox: Sandbox) -> None:
    error = sandbox.refuse("A lake [video: explode]")
    assert error.code is ErrorCode.INVALID_REQUEST
    assert all(f"[video: {fault}]" in error.message for fault in VideoFault)


def test_a_lost_answer_is_unknown_and_its_repetition_gets_the_same_job(sandbox: Sandbox) -> None:
    error = sandbox.refuse("A lake [video: accept_then_drop]", idempotency_key="video_1-1")
    assert isinstance(error, SubmissionUnknown)
    job_id = sandbox.create("A lake [video: accept_then_drop]", idempotency_key="video_1-1")
    assert [job.job_id for job in sandbox.model.list_jobs()] == [job_id]


def test_a_request_is_a_job_of_its_own_without_a_key_or_with_another(sandbox: Sandbox) -> None:
    ids = {sandbox.create(idempotency_key=key) for key in (None, None, "a", "b", "a")}
    assert len(ids) == 4


def test_a_lost_job_is_found_in_the_list(sandbox: Sandbox) -> None:
    job_id = sandbox.create()
    sandbox.create("A dog")
    request = VideoGenerationRequest.model_validate({"prompt": "A lake", **SHAPE})
    found = sandbox.model.find_submitted(request, submitted_after=NOW)
    assert found.is_certain
    assert found.matching[0].job_id == job_id


def test_the_list_has_the_latest_first(sandbox: Sandbox) -> None:
    ids = []
    for number in range(3):
        ids.append(sandbox.create(f"Lake {number}"))
        sandbox.clock.advance(1)
    assert [job.job_id for job in sandbox.model.list_jobs(limit=2)] == [ids[2], ids[1]]
    with pytest.raises(InvalidRequest):
        sandbox.model.list_jobs(limit=101)


def test_what_a_request_may_not_have_is_refused_and_nothing_is_drawn(sandbox: Sandbox) -> None:
    for name in chain(*UNLISTED.values()):
        assert name in sandbox.refuse(provider_options={name: "http://169.254.169.254/"}).message
    assert "takes no picture" in sandbox.refuse(last_frame_image=PICTURE).message
    assert "PNG, JPEG or WebP" in sandbox.refuse(input_image="data:text/plain,hello").message
    assert sandbox.model.list_jobs() == []
    assert sandbox.create(input_image=PICTURE)


def test_what_its_row_does_not_offer_is_refused(sandbox: Sandbox) -> None:
    job_id = sandbox.finish().job_id
    model = sandbox.build(row("sandbox-1", Capabilities()))
    for name, operate in OPERATIONS.items():
        if not getattr(model.capabilities, name):
            with pytest.raises(UnsupportedOperation):
                operate(model, job_id)


def test_an_id_names_no_other_file(sandbox: Sandbox) -> None:
    sandbox.folder.with_name("secret.json").write_text("{}", encoding="utf-8")
    calls = (sandbox.model.get_status, sandbox.model.cancel_video, sandbox.model.delete_video, sandbox.download)
    for job_id in ("", ".", "..", "../secret", "../a?b#c"):
        for call in calls:
            with pytest.raises(VideoModelError) as raised:
                call(job_id)
            assert raised.value.code is ErrorCode.INVALID_REQUEST
    for call in calls:
        with pytest.raises(VideoModelError) as raised:
            call(NO_JOB)
        assert (raised.value.code, raised.value.transient) == (ErrorCode.EXPIRED, False)


DERIVATIONS: dict[str, tuple[Callable[[VideoModelInterface, str, SourceVideo | None], VideoGenerationJob], int]] = {
    "remix": (lambda model, job_id, source: model.remix_video(job_id, "Warmer", source=source), 4),
    "edit": (lambda model, job_id, source: model.edit_video(job_id, "Warmer", source=source), 4),
    "extend": (lambda model, job_id, source: model.extend_video(job_id, "On", 8, source=source), 12),
}


@pytest.mark.parametrize("kind", DERIVATIONS)
def test_a_derived_clip_has_its_sources_size_and_length(sandbox: Sandbox, kind: str) -> None:
    derive, seconds = DERIVATIONS[kind]
    model = sandbox.build(row("sandbox-1", Capabilities(remix=True, edit=True, extend=True)))
    job_id = sandbox.finish().job_id
    for source in (None, SourceVideo(720, 1280, 4)):
        derived = derive(model, job_id, source)
        assert (derived.size, derived.seconds) == ("720x1280", seconds)
    with pytest.raises(VideoModelError) as raised:
        derive(model, derived.job_id, None)
    assert raised.value.transient  # it is not finished
    with pytest.raises(VideoModelError, match="no job"):
        derive(model, NO_JOB, None)


def test_a_cancelled_job_has_ended_and_its_clip_is_not_kept(sandbox: Sandbox) -> None:
    may_draw = threading.Event()
    sandbox.draw = draw_after(may_draw)
    job_id = sandbox.create()
    sandbox.model.cancel_video(job_id)
    job = sandbox.model.get_status(job_id)
    assert (job.status, job.error_code) == (VideoStatus.FAILED, ErrorCode.CANCELLED)
    may_draw.set()
    sandbox.wait_for_clips()
    assert list(sandbox.folder.glob("*.mp4")) == []
    assert sandbox.refuse_download(job_id).code is ErrorCode.CANCELLED


def test_a_cancellation_does_not_change_what_has_ended(sandbox: Sandbox) -> None:
    job_id = sandbox.finish().job_id
    sandbox.model.cancel_video(job_id)
    assert sandbox.model.get_status(job_id).status is VideoStatus.COMPLETED


def test_a_deleted_job_leaves_nothing(sandbox: Sandbox) -> None:
    job_id = sandbox.create()
    with pytest.raises(VideoModelError, match="before it has ended"):
        sandbox.model.delete_video(job_id)
    sandbox.wait_for_clips()
    sandbox.clock.advance(4)
    sandbox.model.delete_video(job_id)
    assert list(sandbox.folder.iterdir()) == []
    with pytest.raises(VideoModelError, match="no job"):
        sandbox.model.get_status(job_id)


# After kill -9


def test_jobs_go_on_after_a_restart_and_ended_ones_are_still_there(sandbox: Sandbox) -> None:
    ended = sandbox.finish("A lake").job_id

    def draw_half(prompt: str, *, width: int, height: int, seconds: int, path: Path) -> None:
        path.with_name(f"{path.name}.part").write_bytes(MOVIE[:2])

    sandbox.draw = draw_half
    under_way = sandbox.create("A dog", idempotency_key="video_1-1")
    sandbox.wait_for_clips()
    sandbox.draw = draw
    sandbox.restart()
    sandbox.provider.start(sandbox.ended.append)
    sandbox.wait_for_clips()
    assert list(sandbox.folder.glob("*.part")) == []
    assert sandbox.create("A dog", idempotency_key="video_1-1") == under_way
    sandbox.clock.advance(4)
    sandbox.provider.report_ends()
    assert sandbox.ended == [under_way]
    assert sandbox.download(under_way) == sandbox.download(ended) == MOVIE


def test_a_file_that_is_no_job_is_left_and_old_jobs_are_removed(sandbox: Sandbox) -> None:
    sandbox.finish()
    strange = sandbox.folder / "video_strange.json"
    strange.write_text("{}", encoding="utf-8")
    sandbox.clock.advance(KEPT_FOR.total_seconds() + 1)
    sandbox.restart()
    assert sandbox.model.list_jobs() == []
    assert list(sandbox.folder.iterdir()) == [strange]


# Its webhooks


def test_the_end_of_a_job_is_reported_once(sandbox: Sandbox) -> None:
    sandbox.provider.start(sandbox.ended.append)
    done, failed = sandbox.create(), sandbox.create("A lake [video: fail]")
    sandbox.wait_for_clips()
    sandbox.clock.advance(3.9)
    sandbox.provider.report_ends()
    assert sandbox.ended == []
    sandbox.clock.advance(0.1)
    sandbox.provider.report_ends()
    sandbox.provider.report_ends()
    assert sandbox.ended == [done, failed]


def test_a_report_that_broke_down_is_made_again_but_not_for_ever(sandbox: Sandbox) -> None:
    def break_down(job_id: str) -> None:
        sandbox.ended.append(job_id)
        raise UnknownJob("not yet")

    sandbox.provider.start(break_down)
    sandbox.finish()
    for _ in range(10):
        sandbox.provider.report_ends()
    assert len(sandbox.ended) == 4


def test_a_job_that_is_deleted_while_its_end_is_reported_is_forgotten(sandbox: Sandbox) -> None:
    def delete_and_break_down(job_id: str) -> None:
        sandbox.ended.append(job_id)
        sandbox.model.delete_video(job_id)
        raise UnknownJob("not yet")

    # The watcher begins afterwards: it reports as soon as it may, and the job is gone then.
    sandbox.finish()
    sandbox.provider.start(delete_and_break_down)
    sandbox.provider.report_ends()
    sandbox.provider.report_ends()
    assert len(sandbox.ended) == 1


def test_the_watcher_reports_an_end_when_it_comes(tmp_path: Path) -> None:
    ended = threading.Event()
    provider = SandboxProvider(tmp_path, draw, clock=_read_clock, render_seconds=0.1)
    provider.start(lambda _: ended.set())
    model = InProcessSandboxModel(entry=row("sandbox-1"), provider=provider)
    model.create_video(VideoGenerationRequest.model_validate({"prompt": "A lake", **SHAPE}))
    assert ended.wait(5)
    provider.close()


class OneVideo:
    """A library with the video of one job, or none."""

    def __init__(self) -> None:
        self.job: str | None = None

    def find_video_of_job(self, provider: str, job: str) -> object:
        return a_video() if job == self.job else None


def test_its_webhook_ends_the_wait_for_its_job_and_no_other_may(sandbox: Sandbox) -> None:
    waits, video_store, heard = JobCallbackStore(InMemoryTable(Effects())), OneVideo(), []
    receive = ReceiveProviderWebhook(
        providers=("sandbox",),
        parse_webhook=lambda _, headers, body, at: sandbox.model.parse_webhook(headers, body, now=at),
        videos=video_store,  # type: ignore[arg-type]
        waits=waits,
        signaller=None,  # type: ignore[arg-type]  # nothing waits in this test
        report=lambda _, outcome: heard.append(outcome),
        clock=sandbox.clock,
    )
    sandbox.provider.start(lambda job_id: receive("sandbox", *sandbox.provider.write_webhook(job_id)))
    with pytest.raises(WebhookRejected):
        receive("sandbox", {"webhook-token": "guessed"}, b"video_1")
    job_id = sandbox.create()
    sandbox.wait_for_clips()
    sandbox.clock.advance(4)
    sandbox.provider.report_ends()  # the record of the video is not written yet
    video_store.job = job_id
    sandbox.provider.report_ends()
    # Its own clock reports beside us, as often as the machine has time for.
    assert [*dict.fromkeys(heard)] == [WebhookOutcome.REFUSED, WebhookOutcome.UNKNOWN, WebhookOutcome.REPEATED]
    assert waits.apply_hint(name_job("sandbox", job_id), now=sandbox.clock()) == sandbox.clock()


def _read_clock() -> datetime:
    return datetime.now(UTC)
