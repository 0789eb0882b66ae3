"""Submit a request: check it, record it with its reservation, start its execution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from mediaposter.ai.catalog import Catalog
from mediaposter.domain.errors import (
    Contention,
    ErrorCode,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    NotStarted,
    RateExceeded,
    VersionConflict,
    VideoDeleted,
)
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stores.budget import BudgetStore, StackLimits, count_call, reserve
from mediaposter.stores.capacity import CapacityStore, count_change
from mediaposter.stores.idempotency import IdempotencyRecord, IdempotencyStore, identify_request
from mediaposter.stores.posts import Post, PostStore
from mediaposter.stores.table import Change, Create, Put
from mediaposter.stores.trail import Trail, TrailEntry, TrailType
from mediaposter.stores.video_money import list_budgets
from mediaposter.stores.video_record import Candidate, Estimate, MonthLimits, Reservation, Video, VideoFailure
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.posting.create_post import settle_orphaned
from mediaposter.usecases.posting.default_disclosure import (
    RequestT,
    add_default_disclosure,
    warn_of_undisclosed,
)
from mediaposter.usecases.posting.plan_posts import plan_posts
from mediaposter.usecases.requests.budget_refusal import refuse_budget
from mediaposter.usecases.requests.caption_templates import TakenRequest, choose_templates
from mediaposter.usecases.requests.choose_models import choose_models
from mediaposter.usecases.requests.default_approval import choose_approval
from mediaposter.usecases.requests.max_cost import refuse_price
from mediaposter.usecases.requests.new_video import DERIVATIONS, describe_derived_video, describe_video
from mediaposter.usecases.requests.pictures import PictureStore, keep_picture
from mediaposter.usecases.videos.resume import Workflow
from mediaposter.wire.caller import Caller
from mediaposter.wire.pictures import InputReference
from mediaposter.wire.request_context import NEW_REQUEST, RequestContext
from mediaposter.wire.requests import CreateVideoRequest, DeriveVideoRequest

if TYPE_CHECKING:
    from mediaposter.usecases.requests.request_captions import RequestCaptions

Clock = Callable[[], datetime]
AnyVideoRequest = CreateVideoRequest | DeriveVideoRequest


class Submission(NamedTuple):
    """An accepted video, and its planned posts. `is_repeated` if an earlier request became it."""

    video: Video
    posts: list[Post]
    is_repeated: bool = False


class SubmitVideo:
    """Record a video and start its execution."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        requests: IdempotencyStore,
        budget: BudgetStore,
        pictures: Callable[[], PictureStore],
        captions: Callable[[], RequestCaptions],
        catalogs: Callable[[], Catalog],
        default_fallbacks: Sequence[str],
        stack_limits: StackLimits,
        is_approval_default: bool,
        validate_accounts: Callable[[Sequence[PublishTarget]], list[str]],
        slots: CapacityStore,
        workflow: Workflow,
        count_metric: Callable[[str], None],
        clock: Clock,
        new_id: Callable[[], str],
        takes_local_webhooks: bool = False,
        default_disclosure: str = "",
    ) -> None:
        self._takes_local_webhooks = takes_local_webhooks
        self._default_disclosure = default_disclosure
        self._videos = videos
        self._posts = posts
        self._requests = requests
        self._budget = budget
        self._pictures = pictures
        self._captions = captions
        self._count_metric = count_metric
        self._catalogs = catalogs
        self._default_fallbacks = default_fallbacks
        self._stack_limits = stack_limits
        self._is_approval_default = is_approval_default
        self._preflight = validate_accounts
        self._slots = slots
        self._workflow = workflow
        self._clock = clock
        self._new_id = new_id

    def __call__(
        self,
        request: CreateVideoRequest,
        *,
        caller: Caller,
        request_context: RequestContext = NEW_REQUEST,
        batch_id: str | None = None,
    ) -> Submission:
        """Submit a request, or the row of a batch, once for each Idempotency-Key.

        Raises:
            InvalidRequest: it cannot be done; nothing was recorded or spent. The same holds for the errors of `_take`.
            NotStarted: its execution did not start; it is recorded as failed, and sending again is safe.
        """
        now = self._clock()
        video = describe_video(
            request,
            self._choose_models(request, now),
            video_id=self._new_id(),
            owner=caller.owner,
            webhook_url=request.webhook_url or caller.webhook_url,
            batch_id=batch_id,
            approval=choose_approval(request, caller, is_default=self._is_approval_default),
            now=now,
        )
        order = _Order(video, self._disclose(request), request.input_reference, request.fingerprint())
        return self._take(order, caller, request_context)

    def estimate(self, request: CreateVideoRequest, *, caller: Caller) -> Estimate:
        """Estimate the video and the cost of a request, without spending anything.

        Raises:
            Forbidden: there are posts, and the caller may not publish, or not to their accounts.
            InvalidRequest: it cannot be done.
        """
        caller.require_publishing(request.publish)  # guard: accounts estimated
        request = self._disclose(request)
        self._check_receiver(request.webhook_url)
        now = self._clock()
        first, *others = self._choose_models(request, now)
        approval = choose_approval(request, caller, is_default=self._is_approval_default)
        video = describe_video(request, [first, *others], video_id="estimate", approval=approval, now=now)
        templates = choose_templates(request, video.prompt)
        plan = plan_posts(request, video, candidates=others, now=now, texts=templates)
        warnings = self._check_accounts(request.publish)
        if request.captions is not None:
            warnings += self._captions().estimate(request, video.prompt, caller=caller, now=now)
        first = first.copy_with(warnings=(*video.warnings, *plan.warnings, *warnings))
        candidates = [first, *plan.fallbacks]
        reservation = self._plan_reservation(candidates, now)
        refuse_price(request, reservation.micros)
        return Estimate(candidates, reservation.micros)

    def derive(
        self, request: DeriveVideoRequest, *, caller: Caller, request_context: RequestContext = NEW_REQUEST
    ) -> Submission:
        """Submit a request for a video that is made from another.

        Raises:
            NotFound: there is no such video of this caller.
            InvalidRequest: it is not finished, or its model does not offer this.
        """
        now = self._clock()
        source = self._videos.get(request.video_id, caller=caller)
        approval = choose_approval(request, caller, is_default=self._is_approval_default)
        video = describe_derived_video(
            request, source, self._catalogs(), video_id=self._new_id(), caller=caller, approval=approval, now=now
        )
        kind = DERIVATIONS[type(request)]
        order = _Order(video, self._disclose(request), None, f"{kind} {request.fingerprint()}")
        return self._take(order, caller, request_context)

    def _take(self, order: _Order, caller: Caller, request_context: RequestContext) -> Submission:
        """Submit a request, also if its idempotency record points to a try that never started."""
        try:
            return self._take_once(order, caller, request_context)
        except _Forgotten:
            return self._take_once(order, caller, request_context)

    def _check_receiver(self, url: str | None) -> None:
        """Refuse a receiver over http: only a host reaches the programs on its own machine."""
        if url is not None and not url.startswith("https:") and not self._takes_local_webhooks:
            raise InvalidRequest("webhook_url: must be an https URL.", param="webhook_url", code="invalid_value")

    def _take_once(self, order: _Order, caller: Caller, request_context: RequestContext) -> Submission:
        """Record a video with its posts, reservation and idempotency record, all or nothing; then start it.

        It starts if its provider has a free slot. Otherwise it waits in the queue. While too many others write the
        counters of the provider, it starts without a slot, and its execution takes one or queues it.

        Raises:
            Forbidden: there are posts, and the caller may not publish, or not to their accounts.
            InvalidRequest: a post would not fit, or its account is not connected.
            IdempotencyKeyReused: the caller's key names another request.
            VideoDeleted: the request was accepted before, and its video was deleted.
            BudgetExceeded: a limit of the caller or of the stack, for the day or the month, has no room.
            RateExceeded: the caller's rate limit has no room.
            Contention: other writers hold the same records; sending again is safe.
        """
        caller.require_publishing(order.request.publish)  # guard: accounts submitted
        self._check_receiver(order.video.webhook_url)
        video = order.video
        name = identify_request(
            caller.owner,
            request_context.idempotency_key,
            order.fingerprint,
            video.id,
            now=video.created_at,
            kept_for=request_context.kept_for,
        )
        if request_context.idempotency_key is None and request_context.retry_count:
            # The SDK retries a call: if the first try was accepted, its answer was lost.
            earlier = self._requests.find(name, now=video.created_at)
            if earlier is not None:
                return self._repeat(earlier, caller)
        try:
            templates = choose_templates(order.request, video.prompt)
            plan = plan_posts(order.request, video, candidates=video.fallbacks, now=video.created_at, texts=templates)
            reservation = self._plan_reservation([video, *plan.fallbacks], video.created_at, caller)
            reservation = reservation.copy_with(max_micros=refuse_price(order.request, reservation.micros))
            warnings = self._check_accounts(order.request.publish)
        except InvalidRequest:
            # An accepted request gets the same answer again, even if the time of a post has passed since, or its
            # account is gone.
            known = None if request_context.idempotency_key is None else self._requests.find(name, now=video.created_at)
            if known is None or known.fingerprint != name.fingerprint:
                raise
            return self._repeat(known, caller)
        video = video.copy_with(
            fallbacks=plan.fallbacks,
            warnings=(*video.warnings, *plan.warnings, *warnings),
            reservation=reservation,
            month_limits=MonthLimits(
                limit_micros=caller.monthly_budget_micros, stack_limit_micros=self._stack_limits.monthly_micros
            ),
            key_webhook_url=caller.webhook_url,
            request_id=request_context.request_id,
            correlation_id=request_context.correlation_id,
            trail=_begin_trail(video, caller, request_context),
        )
        if order.picture is not None:
            picture = keep_picture(order.picture, caller, size=video.size, pictures=self._pictures)
            video = video.copy_with(input_image=picture.place, warnings=(*video.warnings, *picture.warnings))
        posts = plan.posts
        if order.request.captions is not None:
            # An accepted request gets the same answer again; no model is asked for it.
            if request_context.idempotency_key is not None and self._requests.find(name, now=video.created_at):
                return self._take_repeated(name, video, caller)
            taken = TakenRequest(order.request, video, reservation, name, request_context, caller)
            video, posts = self._write_captions(taken)
        conditions = self._list_conditions(video, name, caller, request_context)
        started = video.copy_with(slot=video.provider)
        slot = count_change(None, started.held, self._slots.bound(video.provider, may_overtake=False))
        counts = [_Condition(change, lambda: self._queue(video, posts, conditions)) for change in slot]
        try:
            answered = self._record(started, posts, [*conditions, *counts])
        except Contention:
            # Many requests write the counters of one provider. Without them it is recorded all the same: its execution
            # takes a slot, or puts it into the queue, as after a fallback.
            started = video
            answered = self._record(video, posts, conditions)
        return answered or Submission(self._start(started, posts, name), posts)

    def _write_captions(self, taken: TakenRequest) -> tuple[Video, list[Post]]:
        """Have captions written, and plan the posts with them; what they cost is taken from `max_cost_usd`."""
        video, texts = taken.video, self._captions()(taken)
        most_micros = taken.reservation.max_micros
        left_micros = None if most_micros is None else most_micros - texts.spent_micros
        plan = plan_posts(taken.request, video, candidates=(), now=video.created_at, texts=texts.texts)
        reservation = taken.reservation.copy_with(max_micros=left_micros)
        return video.copy_with(reservation=reservation, warnings=(*video.warnings, *texts.warnings)), plan.posts

    def _queue(self, video: Video, posts: list[Post], conditions: list[_Condition]) -> Submission:
        """Record a video that waits for a slot of its provider; its execution starts when it gets one."""
        place = self._slots.choose_place(video, now=video.created_at)
        waiting = video.copy_with(place=place, is_accepted=True)
        counts = [_Condition(change, _never) for change in count_change(None, waiting.held, {})]
        return self._record(waiting, posts, [*conditions, *counts]) or Submission(waiting, posts)

    def _record(self, video: Video, posts: list[Post], conditions: list[_Condition]) -> Submission | None:
        """Write the record; if a condition fails, raise its error or give the earlier submission of the request."""
        try:
            self._videos.create(video, posts, conditions=[condition.change for condition in conditions])
        except VersionConflict as conflict:
            if not conflict.changes:
                raise
            return conditions[conflict.changes[0]].take_refusal()
        return None

    def _check_accounts(self, targets: Sequence[PublishTarget]) -> list[str]:
        """Refuse accounts that are not connected, and give warnings; without posts the publisher is not called."""
        if not targets:
            return []
        return [*warn_of_undisclosed(targets, self._default_disclosure), *self._preflight(targets)]

    def _disclose(self, request: RequestT) -> RequestT:
        """Add the stack's disclosure; what a request is known by is its own words."""
        return add_default_disclosure(request, self._default_disclosure)

    def _list_conditions(
        self, video: Video, name: IdempotencyRecord, caller: Caller, request_context: RequestContext
    ) -> list[_Condition]:
        """List the changes that must succeed together with the record.

        The idempotency record comes first: a repeated request gets its earlier answer, whatever the budget is now.
        """
        conditions = []
        if request_context.idempotency_key is not None:
            create = Create(name, now=int(video.created_at.timestamp()))
            conditions.append(_Condition(create, lambda: self._take_repeated(name, video, caller)))
        elif request_context.retry_count is not None:
            conditions.append(_Condition(Put(name), _never))
        if video.reservation is not None:
            for limit in list_budgets(video, video.reservation):
                change = reserve(limit, video.reservation.on, video.reservation.micros)
                conditions.append(_Condition(change, partial(refuse_budget, self._budget, limit, video.reservation)))
        if caller.rate_per_minute is not None:
            call = count_call(caller.owner, video.created_at, per_minute=caller.rate_per_minute)
            conditions.append(_Condition(call, partial(_refuse_rate, caller.rate_per_minute)))
        return conditions

    def _plan_reservation(
        self, candidates: Sequence[Video | Candidate], now: datetime, caller: Caller | None = None
    ) -> Reservation:
        """Reserve the cost of the most expensive of the models: any of them may deliver the video."""
        return Reservation(
            on=now.date(),
            micros=max(candidate.cost_estimate_micros for candidate in candidates),
            of_stack=self._stack_limits.exist,
            limit_micros=None if caller is None else caller.daily_budget_micros,
            stack_limit_micros=self._stack_limits.daily_micros,
        )

    def _take_repeated(self, wanted: IdempotencyRecord, video: Video, caller: Caller) -> Submission:
        known = self._requests.find(wanted, now=video.created_at)
        if known is None:
            raise Contention("The record of this Idempotency-Key is just being removed; send the request again.")
        if known.fingerprint != wanted.fingerprint:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used for another request in the last 24 hours. Nothing was recorded; use a "
                "new key for a new video."
            )
        return self._repeat(known, caller)

    def _repeat(self, known: IdempotencyRecord, caller: Caller) -> Submission:
        try:
            video = self._videos.get(known.video_id, caller=caller)
        except NotFound as error:
            raise VideoDeleted(
                f"This request became the video {known.video_id}, which was deleted since. Nothing was recorded; for "
                "a new video send a new request, under a new Idempotency-Key if it has one."
            ) from error
        if _was_never_started(video):
            # Its caller got an error saying that sending again is safe, so this is a new request.
            self._requests.forget(known)
            raise _Forgotten
        posts = self._posts.list(video)
        if not video.was_taken_up and video.place is None and video.failure is None:
            video = self._acknowledge(video)
            if video.failure is None:
                # The worker that recorded it is starting it now, or crashed; a second start changes nothing.
                video = self._start(video, posts, known)
        return Submission(video, posts, is_repeated=True)

    def _acknowledge(self, video: Video) -> Video:
        """Record that the caller gets 200 for a video, or the sweep might fail it as never started."""
        if video.is_accepted:
            return video
        try:
            return self._videos.note(video, now=self._clock(), is_accepted=True)  # guard: caller acknowledged
        except VersionConflict:
            return self._videos.reload(video)

    def _choose_models(self, request: CreateVideoRequest, now: datetime) -> list[Candidate]:
        fallbacks = self._default_fallbacks
        return choose_models(request, self._catalogs(), default_fallbacks=fallbacks, today=now.date())

    def _start(self, video: Video, posts: Sequence[Post], name: IdempotencyRecord) -> Video:
        try:
            self._workflow.start(video.id, video.launch)
        except NotStarted as error:
            failure = VideoFailure(
                code=ErrorCode.INTERNAL_ERROR,
                message="The execution could not be started. Nothing was generated or spent; send the request again.",
            )
            try:
                failed = self._videos.fail(video, failure, now=self._clock())
            except VersionConflict:
                # Only a running execution changes a new record, so it did start after all.
                return self._videos.reload(video)
            self._videos.settle(failed, 0, now=self._clock())
            # Sending again is safe, so the same key must not lead to this one.
            self._requests.forget(name)
            for post in posts:
                settle_orphaned(
                    self._posts,
                    post,
                    reason="The video was not started, so nothing was posted.",
                    code=failure.code,
                    now=self._clock(),
                    count_metric=self._count_metric,
                )
            raise NotStarted(f"{video.id}: {failure.message}") from error
        return video


class _Order(NamedTuple):
    """A new record, with its posts request, its picture and the fingerprint of its request."""

    video: Video
    request: AnyVideoRequest
    picture: InputReference | None
    fingerprint: str


class _Condition(NamedTuple):
    """A change that must succeed with a new record, and the refusal if it does not."""

    change: Change
    take_refusal: Callable[[], Submission]


class _Forgotten(Exception):
    """The idempotency record pointed to a video that never started, and is removed now."""


def _begin_trail(video: Video, caller: Caller, request_context: RequestContext) -> Trail:
    by = caller.actor if caller.key else None
    created = TrailEntry(number=1, at=video.created_at, type=TrailType.CREATED, by=by, door=request_context.door)
    return (created,)


def _was_never_started(video: Video) -> bool:
    has_failed = video.failure is not None and video.failure.code is ErrorCode.INTERNAL_ERROR
    return has_failed and not video.was_taken_up  # guard: never started


def _never() -> Submission:
    raise AssertionError("A record that is put over whatever there is is never refused.")


def _refuse_rate(per_minute: int) -> NoReturn:
    raise RateExceeded(f"This key may create {per_minute} videos a minute. Nothing was recorded; wait for the next.")
