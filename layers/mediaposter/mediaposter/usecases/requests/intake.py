"""Accept requests from files in the bucket and events on the bus, and answer in the outbox or on the bus.

One version of an inbox file, or one event, becomes at most one video, however often it is delivered.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from mediaposter.domain.errors import IdempotencyKeyReused, InvalidRequest, NotFound, RequestRefused
from mediaposter.events import SOURCE, AnyAnswer, VideoRejected
from mediaposter.stores.batches import BatchSource
from mediaposter.stores.inbox import InboxFile
from mediaposter.stores.keys import Scope
from mediaposter.usecases.batches.create import OpenBatch
from mediaposter.usecases.requests.submit import SubmitVideo
from mediaposter.wire.caller import Caller
from mediaposter.wire.errors import present_error
from mediaposter.wire.intake import (
    DROPPED_REQUEST_MAX_BYTES,
    PICTURE_EXTENSIONS,
    AnsweredFile,
    AnyNotice,
    FileDropped,
    FileKind,
    FileName,
    InboxAnswer,
    ScheduleDue,
    VideoRequested,
    find_taken,
    read_correlation_id,
    read_dropped_picture,
    read_dropped_request,
    read_file_name,
    read_requested,
)
from mediaposter.wire.pictures import PICTURE_MAX_BYTES, UploadedPicture
from mediaposter.wire.request_context import RequestContext
from mediaposter.wire.requests import CreateVideoRequest
from mediaposter.wire.video_object import VideoObject, present_video

# A principal that may write into the bucket or onto the bus may do what such requests ask for.
_SCOPES = frozenset({Scope.CREATE, Scope.PUBLISH, Scope.READ})


class FileStore(Protocol):
    """Reads the inbox, and writes the results."""

    def read(self, key: str, *, max_bytes: int, version_id: str | None = None) -> InboxFile:
        """Read a version of a file, by default the newest. Raises NotFound."""

    def has(self, key: str) -> bool: ...

    def read_answer(self, key: str) -> bytes | None:
        """Read a result that was written before; None if there is none."""

    def put_answer(self, key: str, content: bytes) -> None:
        """Write a result; it replaces an earlier one."""


class IntakeOutcome(StrEnum):
    """The outcome of a notice."""

    TAKEN = "taken"
    REFUSED = "refused"  # the result names the error
    REPEATED = "repeated"  # it was answered before
    WAITING = "waiting"  # either the request or its picture is still missing
    IGNORED = "ignored"  # it is no request
    EXHAUSTED = "exhausted"  # the sheet of the series has no row left


class IntakeResult(BaseModel):
    """The outcome of a notice; all of it may be logged."""

    model_config = ConfigDict(frozen=True)

    outcome: IntakeOutcome
    video_id: str | None = None
    batch_id: str | None = None
    code: str | None = None


class TakeRequest:
    """Process a notice, and answer it."""

    def __init__(
        self,
        *,
        submit: SubmitVideo,
        open_batch: OpenBatch,
        run_schedule: Callable[[ScheduleDue], IntakeResult],
        files: FileStore,
        send_event: Callable[[AnyAnswer], object],
        inbox_owner: str,
        events_owner: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._submit = submit
        self._open_batch = open_batch
        self._run_schedule = run_schedule
        self._files = files
        self._send_event = send_event
        self._inbox_caller = Caller(owner=inbox_owner, scopes=_SCOPES)
        self._events_caller = Caller(owner=events_owner, scopes=_SCOPES)
        self._clock = clock

    def __call__(self, notice: AnyNotice) -> IntakeResult:
        """Process a request once; a repeated notice gets the same answer, or none.

        Raises:
            Contention: other writers hold the same records; calling again with the same notice is safe.
            NotStarted: the execution of the video did not start; calling again is safe, too.
        """
        if isinstance(notice, FileDropped):
            return self._take_file(notice)
        if isinstance(notice, ScheduleDue):
            return self._run_schedule(notice)
        return self._take_event(notice)

    def _take_file(self, notice: FileDropped) -> IntakeResult:
        dropped = notice.detail.object
        name = read_file_name(dropped.key)
        if name is None:
            return IntakeResult(outcome=IntakeOutcome.IGNORED)
        if name.kind is FileKind.OTHER:
            return self._refuse_file(name, AnsweredFile(key=dropped.key, version_id=None), _refuse_kind())
        if name.kind is FileKind.BATCH:
            return self._take_batch(name, dropped.key, dropped.version_id)
        # A picture starts the newest request with its name.
        version_id = dropped.version_id if name.kind is FileKind.REQUEST else None
        try:
            file = self._files.read(name.request_key, max_bytes=DROPPED_REQUEST_MAX_BYTES, version_id=version_id)
        except NotFound:
            return IntakeResult(outcome=IntakeOutcome.WAITING)
        # An idempotency record is kept for a day, but the result for as long as the file exists.
        answer = self._files.read_answer(name.answer_key)
        taken_id = find_taken(answer, file.version_id) if answer else None
        if taken_id:
            return IntakeResult(outcome=IntakeOutcome.REPEATED, video_id=taken_id)
        return self._take_request(name, file)

    def _take_batch(self, name: FileName, key: str, version_id: str | None) -> IntakeResult:
        """Create a batch from a file of requests; its result is written when all rows were tried."""
        try:
            file = self._files.read(key, max_bytes=0, version_id=version_id)  # only to learn its version
        except NotFound:
            return IntakeResult(outcome=IntakeOutcome.IGNORED)  # it was removed
        answer = self._files.read_answer(name.answer_key)
        taken_id = find_taken(answer, file.version_id) if answer else None
        if taken_id:
            return IntakeResult(outcome=IntakeOutcome.REPEATED, batch_id=taken_id)
        source = BatchSource(
            key=key,
            version_id=file.version_id,
            format="jsonl" if key.endswith(".jsonl") else "csv",
            answer_stem=name.answer_stem,
        )
        request_context = RequestContext(idempotency_key=f"inbox:{key}:{file.version_id}")
        batch = self._open_batch.take_file(source, caller=self._inbox_caller, request_context=request_context)
        return IntakeResult(outcome=IntakeOutcome.TAKEN, batch_id=batch.id)

    def _take_request(self, name: FileName, file: InboxFile) -> IntakeResult:
        answered = AnsweredFile(key=file.key, version_id=file.version_id)
        try:
            request = self._complete(name, file)
            if request is None:
                return IntakeResult(outcome=IntakeOutcome.WAITING)
            video = self._submit_file(request, file)
        except RequestRefused as refusal:
            return self._refuse_file(name, answered, refusal)
        answer = InboxAnswer(request=answered, video=video)
        self._files.put_answer(name.answer_key, answer.model_dump_json().encode())
        return IntakeResult(outcome=IntakeOutcome.TAKEN, video_id=video.id)

    def _complete(self, name: FileName, file: InboxFile) -> CreateVideoRequest | None:
        """Read a request with the picture beside it; None if one of them is still missing.

        A request that does not announce a picture is processed by its own notice, not by its picture's.
        """
        request, awaits_picture = read_dropped_request(file)
        if name.kind is FileKind.PICTURE and not awaits_picture:
            return None
        if request.input_reference is not None:
            return request
        picture = self._find_picture(name)
        if picture is None:
            return None if awaits_picture else request
        return request.model_copy(update={"input_reference": picture})

    def _find_picture(self, name: FileName) -> UploadedPicture | None:
        keys = [key for key in name.picture_keys if self._files.has(key)]
        if not keys:
            return None
        if len(keys) > 1:
            raise InvalidRequest(
                f"There is more than one picture for the request: {', '.join(keys)}. Remove all but one, and put the "
                "request again.",
                param="input_reference",
                code="ambiguous_picture",
            )
        return read_dropped_picture(self._files.read(keys[0], max_bytes=PICTURE_MAX_BYTES))

    def _submit_file(self, request: CreateVideoRequest, file: InboxFile) -> VideoObject:
        request_context = RequestContext(idempotency_key=f"inbox:{file.key}:{file.version_id}", door="file")
        try:
            submission = self._submit(request, caller=self._inbox_caller, request_context=request_context)
        except IdempotencyKeyReused as error:
            # The request has the same version, so only its picture can have changed.
            raise InvalidRequest(
                "This version of the request became a video before, with another picture or with none. Nothing was "
                "recorded; put the request again for another video.",
                param="input_reference",
                code="already_taken",
            ) from error
        return present_video(submission.video, submission.posts)

    def _refuse_file(self, name: FileName, answered: AnsweredFile, refusal: RequestRefused) -> IntakeResult:
        answer = InboxAnswer(request=answered, error=present_error(refusal).error)
        self._files.put_answer(name.answer_key, answer.model_dump_json().encode())
        return IntakeResult(outcome=IntakeOutcome.REFUSED, code=refusal.problem.code)

    def _take_event(self, requested: VideoRequested) -> IntakeResult:
        if requested.source == SOURCE:
            return IntakeResult(outcome=IntakeOutcome.IGNORED)
        correlation_id = None
        try:
            correlation_id = read_correlation_id(requested.detail)
            submission = self._submit(
                read_requested(requested.detail),
                caller=self._events_caller,
                request_context=RequestContext(
                    idempotency_key=f"event:{requested.id}",
                    request_id=requested.id,
                    correlation_id=correlation_id,
                    door="event",
                ),
            )
        except RequestRefused as refusal:
            problem = refusal.problem
            self._send_event(
                VideoRejected(
                    request_id=requested.id,
                    correlation_id=correlation_id,
                    owner=self._events_caller.owner,
                    occurred_at=self._clock(),
                    error_code=problem.code,
                    error_message=problem.message,
                    error_param=problem.param,
                )
            )
            return IntakeResult(outcome=IntakeOutcome.REFUSED, code=problem.code)
        # The function behind the table's stream sends the queued event of every video.
        return IntakeResult(outcome=IntakeOutcome.TAKEN, video_id=submission.video.id)


def _refuse_kind() -> InvalidRequest:
    pictures = ", ".join(f".{extension}" for extension in PICTURE_EXTENSIONS)
    return InvalidRequest(
        f"The name of a request ends in .json, and that of its picture in {pictures}. A file of many requests ends in "
        ".jsonl, .csv or .tsv. Use lower case. Nothing was recorded; rename the file and put it again.",
        code="unsupported_file",
    )
