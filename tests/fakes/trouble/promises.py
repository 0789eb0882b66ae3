"""What the stack promises of every history whose trouble is finite. Each has a name, by which a failure tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from mediaposter.domain.errors import ErrorCode
from mediaposter.events import BatchEvent, PostEvent, VideoEvent
from mediaposter.stores.video_record import Video
from tests.fakes.trouble.history import History
from tests.fakes.trouble.life import Life
from tests.fakes.trouble.vendors import COPY_KEPT_FOR, Job, describe

# Longer than that, trouble may cost a video that nothing was paid for yet.
SHORT_SECONDS = 240
# A render that goes on so long after its video was deleted should have been stopped.
STOPS_WITHIN = timedelta(minutes=5)


class BrokenPromise(AssertionError):
    """A promise that was not kept, and of what."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name}: {what}")
        self.name = name


def list_broken(life: Life) -> Iterator[tuple[str, str]]:
    """List the promises that were not kept, and of what."""
    for name, find in PROMISES.items():
        for what in find(life):
            yield name, what


def check(life: Life) -> None:
    """See that every promise was kept.

    Raises:
        BrokenPromise: one was not.
    """
    for name, what in list_broken(life):
        raise BrokenPromise(name, what)


def _find_unmade(life: Life) -> Iterator[str]:
    stack = life.stack
    for video in stack.videos:
        if not stack.has_ended(video) and not stack.is_completed(video):
            yield f"{video.id} is left at {video.stage}"


def _find_open(life: Life) -> Iterator[str]:
    stack = life.stack
    for video in stack.videos:
        if not stack.has_ended(video) and stack.is_completed(video):
            yield f"{video.id} is left at {video.stage}"


def _find_open_posts(life: Life) -> Iterator[str]:
    known = {video.id for video in life.stack.videos}
    for post in life.stack.posts:
        if not life.stack.has_post_ended(post) and post.video_id in known:
            yield f"{post.key.sk} of {post.video_id} is left {post.state}"


def _find_open_posts_of_deleted(life: Life) -> Iterator[str]:
    known = {video.id for video in life.stack.videos}
    for post in life.stack.posts:
        if not life.stack.has_post_ended(post) and post.video_id not in known:
            yield f"{post.key.sk} of {post.video_id}, which is deleted, is left {post.state}"


def _find_open_batches(life: Life) -> Iterator[str]:
    for batch in life.stack.batches:
        if not life.stack.has_batch_ended(batch):
            yield f"{batch.id} is left at {batch.stage}"


def _find_unsettled(life: Life) -> Iterator[str]:
    stack = life.stack
    for video in stack.videos:
        if stack.has_ended(video) and not stack.is_settled(video):
            yield f"{video.id} is {video.status}, and its money is promised yet"
    days: Counter[str] = Counter()
    months: Counter[str] = Counter()
    for period, committed, spent in stack.read_money():
        if committed != spent:
            yield f"{period}: {committed} is committed, {spent} is spent"
        is_day = len(period.rpartition(" ")[2]) == len("2026-12-01")
        (days if is_day else months)[period.rpartition("-")[0] if is_day else period] += spent
    if +days != +months:
        yield f"the months {months} are not the sums of their days {days}"


def _find_untold(life: Life) -> Iterator[str]:
    """An event of the end of each record came at least once, and no two that say different things."""
    events = [event for _, event in life.stack.events]
    ends: dict[str, set[str]] = {}
    for event in events:
        if isinstance(event, BatchEvent):
            ends.setdefault(event.batch_id, set()).add(event.id)
        elif isinstance(event, VideoEvent) and event.type != "video.awaiting_approval":
            ends.setdefault(event.video_id, set()).add(event.id)
    for subject, ids in ends.items():
        if len(ids) > 1:
            yield f"of {subject} different ends were told"
    for video in life.stack.videos:
        if life.stack.has_ended(video):
            told = {event.type for event in events if isinstance(event, VideoEvent) and event.video_id == video.id}
            wanted = life.stack.name_final_event(video)
            if wanted not in told:
                yield f"{video.id} is {video.status}, and no event was sent"
    for batch in life.stack.batches:
        if life.stack.has_batch_ended(batch) and batch.id not in ends:
            yield f"{batch.id} has ended, and no event was sent"


def _find_untold_posts(life: Life) -> Iterator[str]:
    known = {video.id for video in life.stack.videos}
    for post in life.stack.posts:
        wanted = life.stack.name_final_event(post) if life.stack.has_post_ended(post) else None
        if wanted is None or post.video_id not in known or post.video_id in life.deleted:
            continue
        told = [
            event.type
            for _, event in life.stack.events
            if isinstance(event, PostEvent)
            and (event.video_id, f"{event.platform}#{event.account_id}") == (post.video_id, post.target.post_id)
        ]
        if wanted not in told:
            yield f"{post.key.sk} of {post.video_id} is {post.state}, and no event was sent"


def _find_due(life: Life) -> Iterator[str]:
    for key in life.stack.list_due():
        yield f"{key.pk} {key.sk} is due for ever"


def _find_slots(life: Life) -> Iterator[str]:
    for provider, taken, waiting in life.stack.read_slots():
        if (taken, waiting) != (0, 0):
            yield f"{provider}: {taken} taken, {waiting} waiting"


def _find_running(life: Life) -> Iterator[str]:
    for executions in (life.stack.executions, life.stack.batch_executions):
        for execution in executions.all.values():
            if execution.status == "RUNNING":
                yield f"{execution.name} runs for ever"


def _find_overdrawn(life: Life) -> Iterator[str]:
    yield from life.overdrawn


def _find_unreserved(life: Life) -> Iterator[str]:
    """What the jobs of a video cost is no more than what was promised for it."""
    for video in _list_last_seen(life):
        spent = sum(job.estimate_micros for job in _jobs_of(life, video.id) if _may_be_charged(job))
        if spent > life.stack.count_reserved(video):
            yield f"{video.id} spent {spent} of {life.stack.count_reserved(video)}"


def _may_be_charged(job: Job) -> bool:
    return job.is_charged()


def _find_made_twice(life: Life) -> Iterator[str]:
    """A submission is repeated only where its owner said so, and only after one was lost."""
    allowed = {video.id: 3 if video.resubmit else 1 for video in _list_last_seen(life)}
    jobs = Counter((job.video_id, job.provider) for job in life.jobs)
    for (video_id, provider), number in jobs.items():
        if number > allowed[video_id]:
            yield f"{video_id} was made {number} times at {provider}"


def _find_sent_again(life: Life) -> Iterator[str]:
    is_list_gone = any(outage.what == "list" for outage in life.history.outages)
    for provider in life.stack.providers.values():
        for video_id in () if is_list_gone else provider.sent_again:
            yield f"{video_id} was sent again to {provider.entry.provider}, whose list showed a job that may be it"


def _find_posted_twice(life: Life) -> Iterator[str]:
    for post in life.stack.posts:
        copies = life.stack.publisher.list_copies(post.video_id, post.target)
        allowed = 1 + life.sent_again[post.video_id, post.target.post_id]
        if len(copies) > allowed:
            yield f"{post.key.sk} of {post.video_id} is public {len(copies)} times"


def _find_wrong_files(life: Life) -> Iterator[str]:
    """What is kept of a video is what was asked of its provider for it."""
    asked = {
        job.video_id: {describe(job.request, f"{job.provider}-1") for job in _jobs_of(life, job.video_id)}
        for job in life.jobs
    }
    for video in life.stack.videos:
        kept = life.stack.media.show(video.id)
        if life.stack.is_completed(video) and kept is not None and kept not in asked.get(video.id, set()):
            yield f"{video.id} is another video: {kept}"
        if life.stack.is_completed(video) and kept is None:
            yield f"{video.id} is completed, and nothing is kept of it"


def _find_thrown_away(life: Life) -> Iterator[str]:
    """A render that its provider finished, and that the record knows, is kept: peace came before the copy was gone."""
    for video in life.stack.videos:
        if video.failure is None or life.stack.was_cancelled(video) or video.failure.code is ErrorCode.TIMEOUT:
            continue
        for job in life.jobs:
            is_known = job.job_id in {attempt.provider_job_id for attempt in video.attempts}
            is_rendered = job.end == "ok" and job.cancelled_at is None
            if is_known and is_rendered and life.peace_at <= job.ends_at + COPY_KEPT_FOR:
                yield f"{video.id} failed ({video.failure.message}), and {job.job_id} is rendered and paid"


def _find_failed_in_health(life: Life) -> Iterator[str]:
    """Without a long outage, or a crash in one, a video is made if its provider makes it."""
    if not _is_healthy(life.history):
        return
    for video in life.stack.videos:
        is_told = video.id in life.told and video.id not in life.deleted
        if video.failure is None or not is_told or life.stack.was_cancelled(video):
            continue
        is_refused = any(job.end != "ok" for job in _jobs_of(life, video.id)) or _is_denied(life.history)
        # No provider has longer than the stack's own limit, and no further try more than the day has left.
        is_late = video.failure.code is ErrorCode.TIMEOUT or video.failure.code.value == "budget_exceeded"
        if not is_refused and not is_late and not _may_be_lost(life, video):
            yield f"{video.id} failed: {video.failure.message}"


def _is_healthy(history: History) -> bool:
    """Tell whether outages are short without crashes, or there are crashes without outages."""
    ends = ("abort", "cancel batch", "cancel batch and what runs")
    seconds = sum(outage.seconds for outage in history.outages)
    return seconds <= (0 if history.accidents else SHORT_SECONDS) and not any(
        deed.what in ends for deed in history.deeds
    )


def _is_denied(history: History) -> bool:
    return any((outage.what, outage.how) == ("create", "denied") for outage in history.outages)


def _may_be_lost(life: Life, video: Video) -> bool:
    """Tell whether the outcome of a submission of a video cannot be known."""
    is_answer_lost = any(not job.is_answered for job in _jobs_of(life, video.id)) or any(
        (outage.what, outage.how) == ("create", "lost") for outage in life.history.outages
    )
    is_unknown = video.failure is not None and video.failure.code is ErrorCode.SUBMISSION_UNKNOWN
    can_repeat = life.stack.can_repeat(video)
    return is_unknown and not can_repeat and (is_answer_lost or video.id in life.broken_starts)


def _find_called_lost(life: Life) -> Iterator[str]:
    """A submission that was not made, without a crash, is not called lost."""
    for video in life.stack.videos:
        code = video.failure.code if video.failure else None
        calls = [
            call
            for provider in life.stack.providers.values()
            for call in provider.calls
            if call.startswith(f"{video.id}-")
        ]
        is_broken = video.id in life.broken_starts or _was_aborted(life.history)
        if code is ErrorCode.SUBMISSION_UNKNOWN and not calls and not is_broken:
            yield f"{video.id} failed ({video.failure and video.failure.message}), and its provider was not called"


def _was_aborted(history: History) -> bool:
    return any(deed.what == "abort" for deed in history.deeds)


def _find_posts_broken_off(life: Life) -> Iterator[str]:
    """A post of a kept video is not given up, unsent, for a fault of ours that is over."""
    kept = {video.id for video in life.stack.videos if life.stack.is_completed(video)}
    for post in life.stack.posts:
        if post.video_id in kept - life.deleted.keys() and life.stack.has_broken_off(post):
            yield f"{post.key.sk} of {post.video_id}: {post.error_message}"


def _find_leftovers(life: Life) -> Iterator[str]:
    for video_id in sorted(life.gone):
        if life.stack.media.show(video_id) is not None:
            yield f"{video_id} is deleted, and its MP4 is in the bucket"


def _find_renders_of_deleted(life: Life) -> Iterator[str]:
    """A job of a deleted video is stopped where it can be, unless the process that knew it crashed."""
    for job in life.jobs:
        deleted_at = life.deleted.get(job.video_id)
        if deleted_at is None or job.video_id not in life.gone or job.cancelled_at is not None:
            continue
        can = life.stack.providers[f"{job.provider}-1"].capabilities.cancel
        is_known = job.is_answered and job.video_id not in life.broken_starts
        if can and is_known and job.ends_at > max(deleted_at, job.accepted_at, life.peace_at) + STOPS_WITHIN:
            yield f"{job.job_id} goes on, and {job.video_id} is deleted"


def _find_repeated_requests(life: Life) -> Iterator[str]:
    """However often a request is sent under one key, it is rendered as one video."""
    videos: dict[str, set[str]] = {}
    jobs = {job.video_id for job in life.jobs}
    for video in _list_last_seen(life):
        if video.id in jobs:
            videos.setdefault(life.stack.find_wish(video), set()).add(video.id)
    for wish, ids in videos.items():
        if len(ids) > 1:
            yield f"request {wish} became {', '.join(sorted(ids))}"


def _find_answered_with_failed(life: Life) -> Iterator[str]:
    yield from life.answered_with_failed


def _find_in_doubt_unsent(life: Life) -> Iterator[str]:
    yield from life.in_doubt_unsent


def _find_made_after_cancel(life: Life) -> Iterator[str]:
    """Of a batch that was cancelled nothing more is begun once there is peace."""
    batches = {video.id: video.batch_id for video in _list_last_seen(life)}
    for job in life.jobs:
        stopped_at = life.batches_stopped_at.get(batches.get(job.video_id) or "")
        if stopped_at is not None and job.accepted_at > max(stopped_at, life.peace_at) + STOPS_WITHIN:
            yield f"{job.job_id} was begun, and the batch of {job.video_id} is cancelled"


def _find_wrong_results(life: Life) -> Iterator[str]:
    """Each row of a batch is counted once, for what became of it."""
    for batch in life.stack.batches:
        counted = batch.completed + batch.failed + batch.refused
        if life.stack.has_batch_ended(batch) and batch.failure is None and counted != batch.rows:
            yield f"{batch.id} has {batch.rows} rows, and {counted} are counted"


def _find_failed_while_carried(life: Life) -> Iterator[str]:
    yield from life.failed_while_carried


def _find_left_behind(life: Life) -> Iterator[str]:
    yield from life.left_behind


def _find_own_posts_gone(life: Life) -> Iterator[str]:
    for submission_id, video_id in life.own_posts.items():
        if submission_id not in life.stack.publisher.posts:
            yield f"a post that the owner made by hand with the media of {video_id} was cancelled"


def _jobs_of(life: Life, video_id: str) -> list[Job]:
    return [job for job in life.jobs if job.video_id == video_id]


def _list_last_seen(life: Life) -> list[Video]:
    """List all videos there ever were, as they were last."""
    return [Video.model_validate(item) for key, item in life.last_seen.items() if key.sk == "VIDEO"]


PROMISES: Mapping[str, Callable[[Life], Iterator[str]]] = {
    # At every moment
    "no day's limit is exceeded": _find_overdrawn,
    "no video costs more than was promised for it": _find_unreserved,
    "nothing is made twice": _find_made_twice,
    "what the list shows is not sent again": _find_sent_again,
    "a request is one video": _find_repeated_requests,
    "what was not started can be sent again": _find_answered_with_failed,
    "what was never sent is not in doubt": _find_in_doubt_unsent,
    "nothing is posted twice": _find_posted_twice,
    "the owner's own posts are left alone": _find_own_posts_gone,
    "no video is failed while an execution carries it": _find_failed_while_carried,
    "the sweep leaves nothing behind": _find_left_behind,
    # In the end
    "what is kept is what was asked for": _find_wrong_files,
    "a finished render is kept": _find_thrown_away,
    "a healthy video is made": _find_failed_in_health,
    "what was never sent is not called lost": _find_called_lost,
    "every video is kept or fails": _find_unmade,
    "every kept video ends": _find_open,
    "every post ends": _find_open_posts,
    "every post of a deleted video ends": _find_open_posts_of_deleted,
    "every batch ends": _find_open_batches,
    "a batch counts its rows": _find_wrong_results,
    "a cancelled batch begins nothing more": _find_made_after_cancel,
    "everything is settled": _find_unsettled,
    "every end is told": _find_untold,
    "every end of a post is told": _find_untold_posts,
    "nothing stays due": _find_due,
    "no slot stays taken": _find_slots,
    "no execution runs for ever": _find_running,
    "no post is given up unsent": _find_posts_broken_off,
    "nothing is left of a deleted video": _find_leftovers,
    "no render of a deleted video goes on": _find_renders_of_deleted,
}
