"""Find what a list shows of its videos beside their records, with as few reads as there can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mediaposter.stores.approvals import ApprovalStore
from mediaposter.stores.posts import PostStore
from mediaposter.stores.video_record import Video
from mediaposter.wire.video_object import NO_OUTLOOK, LinksObject, Outlook, VideoDetails


class FindDetails:
    """Find links, outlook and, on request, posts and approvals of videos that the caller may see."""

    def __init__(
        self,
        *,
        posts: PostStore,
        approvals: ApprovalStore,
        link: Callable[[Video], LinksObject | None],
        tell_outlook: Callable[[Iterable[Video]], dict[str, Outlook]],
    ) -> None:
        self._posts = posts
        self._approvals = approvals
        self._link = link
        self._tell_outlook = tell_outlook

    def __call__(self, videos: Sequence[Video], *, has_posts: bool = False) -> dict[str, VideoDetails]:
        """Find the details, by the videos' ids; `has_posts` costs a query for each video and a read of approvals."""
        outlooks = self._tell_outlook(videos)
        asked = [video.id for video in videos if video.approval_hours is not None] if has_posts else []
        approvals = self._approvals.find_each(asked)
        return {
            video.id: VideoDetails(
                posts=self._posts.list(video) if has_posts else [],
                approval=approvals.get(video.id),
                links=self._link(video),
                outlook=outlooks.get(video.id, NO_OUTLOOK),
            )
            for video in videos
        }
