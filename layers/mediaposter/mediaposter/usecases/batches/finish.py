"""Finish a batch: monitor it until its videos ended, write the results, send its event; cancel its videos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import IO, Literal, Protocol, Unpack

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import NotFound
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.domain.problem import Problem
from mediaposter.events import BatchEvent
from mediaposter.stores.batch_files import outcomes_key, parts_key, results_key
from mediaposter.stores.batches import (
    Batch,
    BatchChanges,
    BatchStage,
    BatchStep,
    BatchStore,
    CancelScope,
)
from mediaposter.stores.posts import Post, PostStore
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.batches.create import LOOK_AGAIN_AFTER, BatchWorkflow
from mediaposter.usecases.scheduled.recorded_events import describe_batch
from mediaposter.usecases.videos.cancel import CancelVideo
from mediaposter.wire.batches import OutcomeLine, PartLine, read_outcomes, read_parts
from mediaposter.wire.results import ResultRow, write_csv, write_jsonl

Clock = Callable[[], datetime]

# How often a crashed execution is restarted; after that, time will not fix the fault.
RUNS_MAX = 3
# Longer than RunBatchStepFunction can still submit rows after its execution ended, 900 s, so that all its rows are
# counted.
TAKING_ENDS_AFTER = timedelta(minutes=16)
# The worker that writes the end also sends the event; if it crashed before that, the sweep sends it.
EVENT_GRACE = timedelta(minutes=5)

_STATUS_OF: Mapping[VideoStatus, Literal["queued", "in_progress", "failed"]] = {
    VideoStatus.QUEUED: "queued",
    VideoStatus.IN_PROGRESS: "in_progress",
    VideoStatus.FAILED: "failed",
}
_CONTENT_TYPES = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}


class EndBatch:
    """Record how a batch ended, and send the event."""

    def __init__(self, *, batches: BatchStore, send_event: Callable[[BatchEvent], object], clock: Clock) -> None:
        self._batches = batches
        self._send_event = send_event
        self._clock = clock

    def __call__(self, batch_id: str, **changes: Unpack[BatchChanges]) -> None:
        """End a batch.

        Raises:
            VersionConflict: its stage does not allow an end, or it has ended already.
        """
        now = self._clock()
        ending: BatchChanges = {**changes, "ended_at": now, "due_at": now + EVENT_GRACE}
        ended = self._batches.advance(batch_id, BatchStage.DONE, now=now, **ending)
        self.tell(ended)

    def fail(self, batch_id: str, message: str) -> None:
        """End a batch as failed because of an internal fault."""
        self(batch_id, failure=Problem(code="internal_error", message=message))

    def tell(self, batch: Batch) -> None:
        """Send the event of a batch's end; sent again, it has the same id."""
        self._send_event(describe_batch(batch))
        self._batches.note(batch, now=batch.updated_at, is_told=True, due_at=None)


class MonitorBatch:
    """Visit a batch every minute: start a missing execution, restart a crashed one, check whether all videos ended."""

    def __init__(
        self,
        *,
        batches: BatchStore,
        workflow: BatchWorkflow,
        end: EndBatch,
        clock: Clock,
    ) -> None:
        self._batches = batches
        self._workflow = workflow
        self._end = end
        self._clock = clock

    def __call__(self, batch_id: str) -> None:
        """Monitor a batch once.

        Raises:
            VersionConflict: another worker writes the record, and monitors the batch.
            NotStarted: the next visit tries again.
        """
        batch = self._batches.get_unchecked(batch_id)
        if batch.stage is BatchStage.DONE:
            if not batch.is_told:
                self._end.tell(batch)
        elif batch.stage is BatchStage.RUNNING:
            self._follow(batch)
        else:
            status = self._workflow.find_status(batch_id, batch.step, batch.run)
            if status is None:
                self._start(batch)
            elif not status.has_ended:
                self._check_again_later(batch)
            else:
                self._continue_with(batch)

    def _follow(self, batch: Batch) -> None:
        totals = self._batches.count(batch.id)
        if totals.settled < totals.videos:
            self._check_again_later(self._cancel_on(batch))
            return
        writing = self._batches.advance(
            batch.id,
            BatchStage.WRITING,
            now=self._clock(),
            step=BatchStep.RESULTS,
            run=1,
            due_at=self._clock() + LOOK_AGAIN_AFTER,
        )
        self._workflow.start(writing.id, writing.step, writing.run)

    def _cancel_on(self, batch: Batch) -> Batch:
        """Start the execution that cancels the videos, and restart it if it crashed."""
        if batch.cancel_run == 0:
            return batch
        status = self._workflow.find_status(batch.id, BatchStep.CANCEL, batch.cancel_run)
        if status is ExecutionStatus.SUCCEEDED:
            return batch
        if status is not None and status.has_ended:
            batch = self._batches.note(batch, now=self._clock(), cancel_run=batch.cancel_run + 1)
        self._workflow.start(batch.id, BatchStep.CANCEL, batch.cancel_run)
        return batch

    def _start(self, batch: Batch) -> None:
        batch = self._check_again_later(batch)
        self._workflow.start(batch.id, batch.step, batch.run)

    def _continue_with(self, batch: Batch) -> None:
        """Restart a crashed execution, a few times; a crashed submission of rows is only counted, not repeated."""
        if batch.step is BatchStep.TAKE:
            now = self._clock()
            self._batches.note(batch, now=now, step=BatchStep.CLOSE, run=1, due_at=now + TAKING_ENDS_AFTER)
        elif batch.run < RUNS_MAX:
            self._start(self._batches.note(batch, now=self._clock(), run=batch.run + 1))
        else:
            self._end.fail(
                batch.id,
                "The batch failed in this stack. Some of its rows may have become videos, which are kept and posted "
                f"as requested: GET /videos?batch_id={batch.id} lists them.",
            )

    def _check_again_later(self, batch: Batch) -> Batch:
        now = self._clock()
        return self._batches.note(batch, now=now, due_at=now + LOOK_AGAIN_AFTER)


class ResultFiles(Protocol):
    """Stores the files of batches."""

    def read(self, key: str) -> bytes:
        """Read a file. Raises NotFound."""

    def write(self, *keys: str, content_type: str) -> AbstractContextManager[IO[bytes]]:
        """Write a file under several keys when the block ends without an error."""


class WriteResults:
    """Write the outcome of each row, when all videos of the batch have ended."""

    def __init__(
        self,
        *,
        batches: BatchStore,
        videos: VideoStore,
        posts: PostStore,
        files: ResultFiles,
        end: EndBatch,
        public_url: Callable[[], str],
    ) -> None:
        self._batches = batches
        self._videos = videos
        self._posts = posts
        self._files = files
        self._end = end
        self._public_url = public_url

    def __call__(self, batch_id: str) -> None:
        """Write the results as JSONL and as CSV, and end the batch; existing results are overwritten.

        Links to MP4s point to the API, which requires a key: presigned links would expire within hours.
        """
        batch = self._batches.get_unchecked(batch_id)
        if batch.stage is not BatchStage.WRITING:
            return
        completed = failed = 0
        parts = read_parts(self._files.read(parts_key(batch_id)))
        with ExitStack() as writing:
            jsonl, csv = (writing.enter_context(self._open(batch, file_format)) for file_format in _CONTENT_TYPES)
            for number, part in enumerate(parts):
                rows = list(self._list_results(part))
                jsonl.writelines(write_jsonl(rows))
                # Only the first part writes the header.
                csv.writelines(islice(write_csv(rows), min(number, 1), None))
                completed += sum(row.status == "completed" for row in rows)
                failed += sum(row.status == "failed" for row in rows)
        self._end(batch_id, completed=completed, failed=failed)

    def _open(self, batch: Batch, file_format: str) -> AbstractContextManager[IO[bytes]]:
        stem = batch.source.answer_stem
        dropped = [f"{stem}.results.{file_format}"] if stem else []
        keys = [results_key(batch.id, file_format), *dropped]
        return self._files.write(*keys, content_type=_CONTENT_TYPES[file_format])

    def _list_results(self, part: PartLine) -> Iterator[ResultRow]:
        return map(self._describe, read_outcomes(self._files.read(outcomes_key(part.batch_id, part.part))))

    def _describe(self, outcome: OutcomeLine) -> ResultRow:
        """Describe the outcome of a row, and of its video if it became one."""
        describe = partial(ResultRow, row=outcome.row, line=outcome.line, id=outcome.row_id, video_id=outcome.video_id)
        if outcome.video_id is None:
            return describe(status="refused", error=outcome.error)
        try:
            video = self._videos.get_unchecked(outcome.video_id)
        except NotFound:
            return describe(
                status="failed", error=Problem(code="video_deleted", message="The video was deleted since.")
            )
        if video.status is not VideoStatus.COMPLETED:
            return describe(status=_STATUS_OF[video.status], error=video.failure)
        posts = self._posts.list(video)
        return describe(
            status="completed",
            mp4_url=f"{self._public_url()}/videos/{video.id}/content",
            post_urls=tuple(post.public_url for post in posts if post.public_url),
            error=_explain_posts(posts),
        )


def _explain_posts(posts: Sequence[Post]) -> Problem | None:
    """Say which posts of a stored video were not published, and why."""
    faulty = [(post.target, problem) for post in posts if (problem := post.problem) and problem.message]
    if not faulty:
        return None
    sentences = [f"{target.platform} account {target.account_id}: {problem.message}" for target, problem in faulty]
    return Problem(code=faulty[0][1].code, message=" ".join(sentences), param="publish")


class CancelPart:
    """Cancel the videos of some rows."""

    def __init__(self, *, batches: BatchStore, files: ResultFiles, cancel_video: CancelVideo) -> None:
        self._batches = batches
        self._files = files
        self._cancel_video = cancel_video

    def __call__(self, part: PartLine) -> None:
        """Cancel waiting videos, and running ones if requested; calling again continues where it stopped."""
        batch = self._batches.get_unchecked(part.batch_id)
        if batch.cancel is None:
            return
        for outcome in read_outcomes(self._files.read(outcomes_key(part.batch_id, part.part))):
            if outcome.video_id is not None:
                self._cancel_video(
                    outcome.video_id,
                    also_running=batch.cancel is CancelScope.RUNNING,
                    reason="The batch of this video was cancelled. Nothing was posted.",
                )
