"""Take a request: check it, record it, start its execution. And sweep up what a crash left between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple, Protocol

from mediaposter.ai.catalog import Catalog, CatalogEntry
from mediaposter.api.requests import CreateVideoRequest
from mediaposter.errors import Conflict, ErrorCode, InvalidRequest, NotStarted
from mediaposter.library.posts import Post, PostLedger
from mediaposter.library.videos import Candidate, Stage, Video, VideoFailure, VideoLibrary
from mediaposter.pipeline.publish import settle_left_over
from mediaposter.pipeline.steps import CloseInput
from mediaposter.publishing.targets import AnyTarget

Clock = Callable[[], datetime]

# Longer than any submit can run, so that the sweep never meets one at work.
NEVER_STARTED_AFTER = timedelta(minutes=5)


class Workflow(Protocol):
    """Whatever carries a video through its steps."""

    def start(self, video_id: str) -> None:
        """Start the execution of a video; repeating it changes nothing. Raises NotStarted."""

    def exists(self, video_id: str) -> bool:
        """Tell whether a video ever had an execution."""


class Submission(NamedTuple):
    """A video that was taken, and the posts it is to become."""

    video: Video
    posts: list[Post]


class SubmitVideo:
    """Record a video and start its execution."""

    def __init__(
        self,
        *,
        library: VideoLibrary,
        ledger: PostLedger,
        catalogs: Callable[[], Catalog],
        default_fallbacks: Sequence[str],
        workflow: Workflow,
        count_metric: Callable[[str], None],
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._library = library
        self._ledger = ledger
        self._count_metric = count_metric
        self._catalogs = catalogs
        self._default_fallbacks = default_fallbacks
        self._workflow = workflow
        self._clock = clock
        self._new_id = new_id

    def __call__(self, request: CreateVideoRequest, *, owner: str) -> Submission:
        """Take a request.

        Raises:
            InvalidRequest: it cannot be done; nothing was recorded or spent.
            NotStarted: its execution did not start; it is recorded as failed, and sending again is safe.
        """
        now = self._clock()
        first, *fallbacks = self._choose_models(request, now)
        video = Video(
            id=self._new_id(),
            owner=owner,
            created_at=now,
            updated_at=now,
            prompt=request.prompt,
            model=request.model,
            resolved_model=first.model,
            provider=first.provider,
            seconds=first.seconds,
            size=first.size,
            metadata=request.metadata,
            provider_options=request.provider_options,
            resubmit=request.resubmit,
            fallbacks=tuple(fallbacks),
            warnings=first.warnings,
            cost_estimate_micros=first.cost_estimate_micros,
            expected_render_seconds=first.expected_render_seconds,
        )
        posts = [_plan_post(video, target, index) for index, target in enumerate(request.publish)]
        self._library.create(video, posts)
        return Submission(self._start(video, posts), posts)

    def _choose_models(self, request: CreateVideoRequest, now: datetime) -> list[Candidate]:
        """Find the model that was asked for, and those that take over when it refuses.

        Behind an alias, and after a fallback, a video is made as near to what was asked for as the model can; a model
        named outright makes what was asked for, or nothing.
        """
        catalog = self._catalogs()
        today = now.date()
        asked = catalog.resolve(request.model, today=today)
        if not asked.is_alias:
            asked.entry.check(seconds=request.seconds, size=request.size)
        candidates = [_fit(asked.entry, request)]
        for name in self._list_fallbacks(request, catalog, today):
            candidate = _fit(catalog.resolve(name, today=today).entry, request)
            if candidate.model not in [chosen.model for chosen in candidates]:
                candidates.append(candidate)
        return candidates

    def _list_fallbacks(self, request: CreateVideoRequest, catalog: Catalog, today: date) -> list[str]:
        if request.fallback_models is None:
            # The stack's own chain outlives its models.
            return [name for name in self._default_fallbacks if catalog.has_living(name, today=today)]
        for index, name in enumerate(request.fallback_models):
            if not catalog.has_living(name, today=today):
                raise InvalidRequest(
                    f"There is no model {name[:80]!r} here to fall back to; GET /models lists those there are.",
                    param=f"fallback_models[{index}]",
                    code="model_not_found",
                )
        return request.fallback_models

    def _start(self, video: Video, posts: Sequence[Post]) -> Video:
        try:
            self._workflow.start(video.id)
        except NotStarted as error:
            failure = VideoFailure(
                code=ErrorCode.INTERNAL_ERROR,
                message="The execution could not be started. Nothing was generated or spent; send the request again.",
            )
            try:
                self._library.fail(video, failure, now=self._clock())
            except Conflict:
                # Only a running execution takes up a new record: it did start after all.
                return self._library.get(video.id)
            for post in posts:
                settle_left_over(
                    self._ledger,
                    post,
                    reason="The video was not started, so nothing was posted.",
                    code=failure.code,
                    now=self._clock(),
                    count_metric=self._count_metric,
                )
            raise NotStarted(f"{video.id}: {failure.message}") from error
        return video


def _fit(entry: CatalogEntry, request: CreateVideoRequest) -> Candidate:
    """Fit a request to what a model can do, and price it."""
    fitted = entry.fit(seconds=request.seconds, size=request.size)
    return Candidate(
        model=entry.name,
        provider=entry.provider,
        seconds=fitted.seconds,
        size=fitted.size,
        cost_estimate_micros=entry.estimate_cost_micros(seconds=fitted.seconds, size=fitted.size),
        expected_render_seconds=entry.expected_render_seconds,
        warnings=fitted.warnings,
    )


def _plan_post(video: Video, target: AnyTarget, index: int) -> Post:
    """Write down a post before anything is spent, with the caption it will have."""
    text = video.prompt if target.text is None else target.text
    try:
        target.check_caption(text)
    except ValueError as error:
        raise InvalidRequest(
            f"Without a text of its own, the post on {target.platform} takes the prompt, which does not fit: {error}.",
            param=f"publish[{index}].text",
            code="invalid_value",
        ) from error
    return Post(video_id=video.id, target=target, text=text, created_at=video.created_at, updated_at=video.created_at)


class SweepVideos:
    """Fail what a crash left between the record and its execution.

    It is not started late: its caller had an error and was told that sending again is safe, so a late
    start would render, pay for and post the same thing twice.
    """

    def __init__(
        self,
        *,
        library: VideoLibrary,
        workflow: Workflow,
        close: Callable[[CloseInput], object],
        clock: Clock,
    ) -> None:
        self._library = library
        self._workflow = workflow
        self._close = close
        self._clock = clock

    def __call__(self) -> int:
        """Fail the videos that never had an execution, and count them."""
        swept = 0
        for video_id in self._library.list_never_started(older_than=NEVER_STARTED_AFTER, now=self._clock()):
            if self._workflow.exists(video_id):
                continue
            video = self._library.get(video_id)
            if video.failure is not None or video.stage is not Stage.QUEUED:
                continue
            try:
                self._close(CloseInput(video_id=video_id, fault="a crash before its execution was started"))
            except Conflict:
                continue  # someone closed it meanwhile
            swept += 1
        return swept
