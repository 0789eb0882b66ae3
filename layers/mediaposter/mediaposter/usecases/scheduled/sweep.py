"""Visit due records: every record that is not over has a due time, so no record depends on one process surviving."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.stores.due import DueStore
from mediaposter.stores.posts import Post, PostState, PostStore
from mediaposter.stores.table import IndexEntry
from mediaposter.stores.video_leftovers import CANCEL_AGAIN_AFTER
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import STAGES_OF_POSTING
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.generation.cancel_render import RenderCanceller
from mediaposter.usecases.steps import PostStepInput, RenderToCancel
from mediaposter.usecases.videos.delete import cancel_post

Clock = Callable[[], datetime]

# When to visit a record again if the visit crashed, or if the record sets no due time of its own.
VISITED_AGAIN_AFTER = timedelta(minutes=2)
# SweepFunction may run 300 s, and a call that hangs takes up to 60 s.
BUDGET_SECONDS = 200.0
_NOTHING_POSTED = "The video was deleted, so nothing was posted."


class Swept(NamedTuple):
    """The number of records visited, and of those left for the next sweep."""

    visited: int
    left: int


class SweepDue:
    """Visits every due record.

    The due time is moved before the visit. So two sweeps share the work, a record that cannot be handled now does not
    block others, and a visit that crashes is repeated.
    """

    def __init__(
        self,
        *,
        due: DueStore,
        videos: VideoStore,
        posts: PostStore,
        resume_video: Callable[[str], datetime | None],
        expire_approval: Callable[[str], None],
        monitor_batch: Callable[[str], None],
        clear_up: Callable[[str], datetime | None],
        dispatch_waiting: Callable[[], int],
        create_post: Callable[[PostStepInput], object],
        check_post: Callable[[PostStepInput], object],
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._due = due
        self._videos = videos
        self._posts = posts
        self._resume_video = resume_video
        self._expire_approval = expire_approval
        self._look_after_batch = monitor_batch
        self._clear_up = clear_up
        self._dispatch_waiting = dispatch_waiting
        self._create_post = create_post
        self._check_post = check_post
        self._clock = clock
        self._monotonic = monotonic

    def __call__(self) -> Swept:
        """Sweep once: first the records that need no publisher, then posts, because the publisher may hang.

        Raises:
            ExceptionGroup: the errors; every record that there was time for was visited.
        """
        deadline = self._monotonic() + BUDGET_SECONDS
        entries = list(self._due.list(now=self._clock()))
        ours = [entry for entry in entries if not entry.key.sk.startswith("POST#")]  # guard: ours first
        posts = [entry for entry in entries if entry.key.sk.startswith("POST#")]
        faults: dict[str, Exception] = {}
        visited = self._visit_each(ours, deadline, faults)
        try:
            self._dispatch_waiting()
        except Exception as error:
            faults["waiting videos"] = error
        visited += self._visit_each(posts, deadline, faults)
        if faults:
            # The service shows only this line of it, and an error's own text may hold what must not be logged.
            which = ", ".join(f"{name} ({type(error).__name__})" for name, error in faults.items())
            raise ExceptionGroup(
                f"{len(faults)} of {len(entries)} due records could not be handled: {which}",
                list(faults.values()),
            )
        return Swept(visited, len(entries) - visited)

    def _visit_each(self, entries: Iterable[IndexEntry], deadline: float, faults: dict[str, Exception]) -> int:
        visited = 0
        for entry in entries:
            if self._monotonic() >= deadline:  # guard: in time
                break
            visited += 1
            try:
                self._visit(entry)
            except (VersionConflict, NotFound):
                continue  # another worker handled or deleted it meanwhile
            except Exception as error:
                faults[f"{entry.key.pk} {entry.key.sk}"] = error
        return visited

    def _visit(self, entry: IndexEntry) -> None:
        claimed = self._due.postpone(entry, self._clock() + VISITED_AGAIN_AFTER)
        if claimed is None:  # guard: swept by one
            return
        kind, _, record_id = entry.key.pk.partition("#")
        if kind == "BATCH":
            self._look_after_batch(record_id)
        elif entry.key.sk == "VIDEO":
            ask_again_at = self._resume_video(record_id)
            if ask_again_at is not None:
                self._due.postpone(claimed, ask_again_at)
        elif entry.key.sk == "APPROVAL":
            self._expire_approval(record_id)
        elif entry.key.sk == "LEFTOVERS":
            come_back_at = self._clear_up(record_id)
            if come_back_at is not None:
                self._due.postpone(claimed, come_back_at)
        else:
            self._follow_post(record_id, entry.key.sk.removeprefix("POST#"))

    def _follow_post(self, video_id: str, post_id: str) -> None:
        post = self._posts.get_unchecked(video_id, post_id)
        step = PostStepInput(video_id=video_id, post_id=post.target.post_id)
        if post.state is PostState.PENDING:
            self._send(post, step)
        elif post.state in (PostState.CALLING, PostState.IN_DOUBT):
            self._create_post(step)
        else:
            self._check_post(step)

    def _send(self, post: Post, step: PostStepInput) -> None:
        """Send a post that its execution left, cancel it if its video is deleted, or wait for its approval."""
        video = self._find(post.video_id)
        if video is None:
            cancel_post(self._posts, post, reason=_NOTHING_POSTED, now=self._clock())  # guard: deleted cancelled
        elif video.stage in STAGES_OF_POSTING:  # guard: word awaited
            self._create_post(step)

    def _find(self, video_id: str) -> Video | None:
        try:
            return self._videos.get_unchecked(video_id)
        except NotFound:
            return None


class ClearUp:
    """Stops the render of a deleted video until the provider must have heard of it, then removes what is left."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        remove_media: Callable[[str], int],
        forget_approval: Callable[[str], None],
        cancel_render: RenderCanceller,
        clock: Clock,
    ) -> None:
        self._videos = videos
        self._remove_media = remove_media
        self._forget_approval = forget_approval
        self._cancel_render = cancel_render
        self._clock = clock

    def __call__(self, video_id: str) -> datetime | None:
        """Cancel the render, and when it is time remove the files and the record; calling again is safe.

        Returns:
            When to call again; None if nothing is left.
        """
        leftovers = self._videos.find_leftovers(video_id)
        if leftovers.render is not None:  # guard: cancelled again
            self._cancel_render(RenderToCancel(video_id=video_id, **leftovers.render.model_dump()))
        now = self._clock()
        if leftovers.remove_at is not None and now < leftovers.remove_at:
            return min(now + CANCEL_AGAIN_AFTER, leftovers.remove_at)
        self._remove_media(video_id)
        self._forget_approval(video_id)
        self._videos.forget_leftovers(video_id)
        return None
