"""Read videos, downloads and usage, for callers that may see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Protocol

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import InvalidRequest, NotFound
from mediaposter.stores.budget import STACK_OWNER, BudgetPeriod, BudgetStore, PeriodUsage, StackLimits, Usage
from mediaposter.stores.media import PRESIGNED_SECONDS
from mediaposter.stores.posts import Post, PostStore
from mediaposter.stores.stage_lists import StageLists, StageQuery
from mediaposter.stores.video_lists import VideoPage, VideoQuery
from mediaposter.stores.video_record import Video
from mediaposter.stores.videos import VideoStore
from mediaposter.wire.caller import Caller
from mediaposter.wire.queries import LIST_LIMIT_MAX, ListQuery, UsageQuery, Variant, check_days
from mediaposter.wire.video_object import LinksObject

Clock = Callable[[], datetime]
USAGE_DAYS = 30
PROMPT_PAGES_MAX = 10


class Presigner(Protocol):
    """Signs download URLs."""

    def presign_download(self, key: str, *, filename: str) -> str:
        """Give a short-lived URL of an object."""


def choose_owner(asked: str | None, caller: Caller) -> str:
    """Choose the owner of a list: the requested owner, else the caller.

    Raises:
        NotFound: the caller may not see that owner's records.
    """
    owner = asked or caller.owner
    if not caller.may_see(owner):  # guard: owner of list
        raise NotFound(f"There is no owner {owner}.", what="owner")
    return owner


class ReadVideos:
    """Read videos for a caller."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        stages: StageLists,
        posts: PostStore,
        budget: BudgetStore,
        media: Presigner,
        stack_limits: StackLimits,
        clock: Clock,
    ) -> None:
        self._videos = videos
        self._stages = stages
        self._posts = posts
        self._budget = budget
        self._media = media
        self._stack_limits = stack_limits
        self._clock = clock

    def retrieve(self, video_id: str, *, caller: Caller) -> tuple[Video, list[Post]]:
        """Read a video and its posts.

        Raises:
            NotFound: there is none, or another owner's; a caller cannot tell the two apart.
        """
        video = self._videos.get(video_id, caller=caller)
        return video, self._posts.list(video)

    def list_videos(self, query: ListQuery, *, caller: Caller) -> VideoPage:
        """List a page of the caller's videos, those of some ids, or those that are made from one; without their posts.

        Raises:
            NotFound: the caller may not see the requested owner.
        """
        if query.ids:
            return VideoPage(self._videos.list_ids(query.ids, caller=caller), has_more=False)
        owner = choose_owner(query.owner, caller)
        if query.stage:
            return self._stages.list_page(
                StageQuery(owner, frozenset(query.stage), query.limit, query.after, query.order == "desc")
            )
        wanted = VideoQuery(
            owner=owner,
            limit=query.limit,
            after=query.after,
            newest_first=query.order == "desc",
            status=query.status,
            resolved_model=query.model,
            batch_id=query.batch_id,
            created_after=query.created_after,
            created_before=query.created_before,
        )
        if query.remixed_from is not None:
            return self._videos.list_derived(query.remixed_from, wanted, caller=caller)
        if query.prompt is None:
            return self._videos.list_page(wanted)
        return self._find_prompt(query.prompt.casefold(), replace(wanted, limit=query.limit or LIST_LIMIT_MAX), query)

    def _find_prompt(self, words: str, wanted: VideoQuery, query: ListQuery) -> VideoPage:
        """List the videos whose prompts contain some words, starting at the first page with a match."""
        page = VideoPage(videos=[], has_more=True)
        for _ in range(PROMPT_PAGES_MAX):
            page = self._videos.list_page(wanted)
            found = [video for video in page.videos if words in video.prompt.casefold()]
            if found or not (page.has_more and page.videos):
                shown = found[: query.limit]
                return VideoPage(shown, has_more=page.has_more or len(shown) < len(found))
            # An empty page would end the SDK's paging.
            wanted = replace(wanted, limit=LIST_LIMIT_MAX, after=page.videos[-1].id)
        return page._replace(videos=[])

    def locate(self, video_id: str, *, caller: Caller, variant: Variant) -> str:
        """Give a short-lived URL of a variant of a stored video.

        Raises:
            NotFound: there is no such video of this caller.
            InvalidRequest: the video is not stored (yet).
        """
        video, _ = self.retrieve(video_id, caller=caller)
        if video.stored is None:
            reason = "has failed" if video.status is VideoStatus.FAILED else "is not completed yet"
            raise InvalidRequest(f"The video {reason}: there is no content to download.", code="video_not_ready")
        keys = {
            "video": video.stored.key,
            "thumbnail": video.stored.thumbnail_key,
            "spritesheet": video.stored.spritesheet_key,
        }
        suffix = keys[variant].rpartition(".")[2]
        return self._media.presign_download(keys[variant], filename=f"{video_id}.{suffix}")

    def link(self, video: Video) -> LinksObject | None:
        """Sign links to a stored video and its pictures, which need no key; None while there is nothing to download."""
        if video.stored is None:
            return None
        # The links are signed after this moment, and to the second: they stay valid at least as long as they say.
        expires_at = int(self._clock().timestamp()) + PRESIGNED_SECONDS
        video_url, thumbnail_url, spritesheet_url = (
            self._media.presign_download(key, filename=f"{video.id}.{key.rpartition('.')[2]}")
            for key in (video.stored.key, video.stored.thumbnail_key, video.stored.spritesheet_key)
        )
        return LinksObject(video=video_url, thumbnail=thumbnail_url, spritesheet=spritesheet_url, expires_at=expires_at)

    def sum_usage(self, query: UsageQuery, *, caller: Caller) -> Usage:
        """Sum up what the caller spent, and what is reserved today and in this month.

        Raises:
            NotFound: the caller may not see the requested owner.
        """
        owner = choose_owner(query.owner, caller)
        today = self._clock().date()
        until = query.until or today
        since = query.since or until - timedelta(days=USAGE_DAYS)
        try:
            check_days(since, until)
        except ValueError as error:
            raise InvalidRequest(
                f"since: the last day, {until}, {error}.", param="since", code="invalid_value"
            ) from error
        return Usage(
            today=today,
            day=self._sum_period(
                owner,
                today,
                BudgetPeriod.DAY,
                caller.daily_budget_micros if owner == caller.owner else None,
                self._stack_limits.daily_micros,
            ),
            month=self._sum_period(
                owner,
                today,
                BudgetPeriod.MONTH,
                caller.monthly_budget_micros if owner == caller.owner else None,
                self._stack_limits.monthly_micros,
            ),
            days=self._budget.list_usage(owner, since=since, until=until),
        )

    def _sum_period(
        self,
        owner: str,
        today: date,
        period: BudgetPeriod,
        key_limit_micros: int | None,
        stack_limit_micros: int | None,
    ) -> PeriodUsage:
        """Sum up a day or month; without a limit for another owner, whose keys may differ in it."""
        return PeriodUsage(
            budget=self._budget.get(owner, today, period),
            limit_micros=stack_limit_micros if owner == STACK_OWNER else key_limit_micros,
            stack_limit_micros=stack_limit_micros,
            stack_budget=None if stack_limit_micros is None else self._budget.get(STACK_OWNER, today, period),
        )
