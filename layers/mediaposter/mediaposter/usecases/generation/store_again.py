"""Download a finished render again after a failure: it is paid for, and its provider may still have it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from mediaposter.domain.errors import ErrorCode, NotAllowedInState, NotStarted, VersionConflict
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import Post, PostState, PostStore
from mediaposter.stores.table import Replace
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.posting.repost import begin_anew
from mediaposter.usecases.videos.resume import Workflow
from mediaposter.wire.caller import Caller

Clock = Callable[[], datetime]
# A person asked for it, so it is tried for a while even if the provider should have removed its copy.
TRIED_FOR = timedelta(hours=1)


class StoreAgain:
    """Resume the failed download of a video, without another render."""

    def __init__(self, *, videos: VideoStore, posts: PostStore, workflow: Workflow, clock: Clock) -> None:
        self._videos = videos
        self._posts = posts
        self._workflow = workflow
        self._clock = clock

    def __call__(self, video_id: str, *, caller: Caller) -> tuple[Video, list[Post]]:
        """Download the video and make its posts; a stored video, or one being downloaded, is left as it is.

        Raises:
            Forbidden: the caller may not create, or may not publish its posts.
            NotFound: there is no such video of this caller.
            NotAllowedInState: it has no finished render.
        """
        caller.require(Scope.CREATE)
        video = self._videos.get(video_id, caller=caller)
        posts = self._posts.list(video)
        is_being_fetched = video.failure is None and video.stage is Stage.STORING
        if video.stored is not None or is_being_fetched:
            return video, posts
        if not _is_rendered(video):
            raise NotAllowedInState(
                f"{video_id} is {video.status} at {video.stage}: only a rendered video whose download failed can be "
                "downloaded again. Nothing was changed."
            )
        again = [post for post in posts if post.state is PostState.FAILED and post.called_at is None]  # guard: unsent
        if again:
            caller.require(Scope.PUBLISH)
            caller.require_accounts([post.target for post in again])
        now = self._clock()
        changes = [
            Replace(begin_anew(post, now=now, version=post.version + 1), post.version, {"state": [PostState.FAILED]})
            for post in again
        ]
        until = max(now + TRIED_FOR, video.store_until or now)
        try:
            video = self._videos.store_again(video, now=now, store_until=until, together=changes, by=caller.actor)
        except VersionConflict as error:
            raise NotAllowedInState(
                f"Another request is changing {video_id}. Nothing was changed; send this one again."
            ) from error
        with suppress(NotStarted):  # the sweep starts it
            self._workflow.start(video.id, video.launch)
        return video, self._posts.list(video)


def _is_rendered(video: Video) -> bool:
    is_cancelled = video.failure is not None and video.failure.code is ErrorCode.CANCELLED
    return video.stage is Stage.STORING and video.provider_job_id is not None and not is_cancelled  # guard: uncancelled
