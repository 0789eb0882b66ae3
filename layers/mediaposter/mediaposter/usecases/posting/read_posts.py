"""Read posts, schedules and approvals, for callers that may see them."""

from __future__ import annotations

from mediaposter.domain.errors import NotFound
from mediaposter.stores.approvals import Approval, ApprovalStore
from mediaposter.stores.posts import Post, PostStore, SchedulePage
from mediaposter.stores.video_record import Video
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.videos.read import choose_owner
from mediaposter.wire.caller import Caller
from mediaposter.wire.objects import name_post
from mediaposter.wire.queries import PostsQuery, ScheduleQuery

# How many pages to search for a caller that may see only some accounts, before returning an empty page.
_PAGES_MAX = 10
ALL_POSTS = PostsQuery()


class ReadPosts:
    """Read posts for a caller."""

    def __init__(self, *, videos: VideoStore, posts: PostStore, approvals: ApprovalStore) -> None:
        self._videos = videos
        self._posts = posts
        self._approvals = approvals

    def list_posts(self, video_id: str, query: PostsQuery = ALL_POSTS, *, caller: Caller) -> list[Post]:
        """List the posts of a video by network and account, after the one that the query names.

        Raises:
            NotFound: there is no such video of this caller.
        """
        posts = self._posts.list(self._videos.get(video_id, caller=caller))
        return [post for post in posts if query.after is None or name_post(post) > query.after]

    def list_schedules(self, query: ScheduleQuery, *, caller: Caller) -> SchedulePage:
        """List a page of the caller's scheduled posts, on the accounts that the caller may post to.

        Raises:
            NotFound: the caller may not see the requested owner.
        """
        owner = choose_owner(query.owner, caller)
        after = query.after
        for _ in range(_PAGES_MAX):
            page = self._posts.list_schedules(owner, limit=query.limit, after=after)
            allowed = [post for post in page.posts if caller.may_post_to(post.target.platform, post.target.account_id)]
            if len(allowed) == len(page.posts):
                return page
            if allowed:
                # The sort keys of a page contain post ids, so only those of visible posts are returned.
                return page._replace(posts=allowed, first=allowed[0].place, last=allowed[-1].place)
            if not page.has_more:
                return page._replace(posts=[], first=None, last=None)
            after = page.last
        return page._replace(posts=[])

    def find_approval(self, video: Video) -> Approval | None:
        """Read the approval of a video; without one to give, the table is not read."""
        if video.approval_hours is None:
            return None
        try:
            return self._approvals.get(video.id)
        except NotFound:
            return None  # it is not stored yet
