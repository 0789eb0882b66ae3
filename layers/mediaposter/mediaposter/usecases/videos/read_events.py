"""Read who did what to a video: its trail and those of its posts, in one order. Also for a while after its deletion."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from mediaposter.stores.posts import Post, PostStore
from mediaposter.stores.videos import VideoStore
from mediaposter.wire.caller import Caller
from mediaposter.wire.queries import EventsQuery
from mediaposter.wire.video_events import VideoEventObject, present_entry


class EventPage(NamedTuple):
    """A page of events, and whether there are more."""

    events: list[VideoEventObject]
    has_more: bool


class ReadEvents:
    """Read the events of a video for a caller that may see it."""

    def __init__(self, *, videos: VideoStore, posts: PostStore, clock: Callable[[], datetime]) -> None:
        self._videos = videos
        self._posts = posts
        self._clock = clock

    def __call__(self, video_id: str, query: EventsQuery, *, caller: Caller) -> EventPage:
        """Read a page: the oldest first, or the newest.

        Raises:
            NotFound: there is no such video, or another owner's; a caller cannot tell the two apart.
        """
        trail = self._videos.read_trail(video_id, caller=caller, now=self._clock())
        events = [present_entry(video_id, entry) for entry in trail]
        for post in self._posts.list_of_trail(video_id):
            events += _present_post(post)
        events.sort(key=lambda event: event.id, reverse=query.order == "desc")
        if query.after is not None:
            after = query.after
            events = [event for event in events if (event.id < after if query.order == "desc" else event.id > after)]
        return EventPage(events[: query.limit], has_more=len(events) > query.limit)


def _present_post(post: Post) -> list[VideoEventObject]:
    target = post.target
    return [present_entry(post.video_id, entry, (target.platform, target.account_id)) for entry in post.trail]
