"""Do what an agent asks for by a tool of MCP, by the same rules as the routes; and a few that are stricter.

Every tool answers at once: what takes time is told by an id, and by when to ask again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import BaseModel

from mediaposter.domain.errors import NotAllowedInState
from mediaposter.stores.budget import BudgetStore, StackLimits
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import STATES_TO_CARRY, Post, PostState
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import STAGES_OF_A_KEPT_VIDEO, Stage
from mediaposter.usecases.posting.list_accounts import ListAccounts
from mediaposter.usecases.posting.post_with_approval import PostWithApproval
from mediaposter.usecases.posting.read_posts import ReadPosts
from mediaposter.usecases.posting.repost import RepeatPosts
from mediaposter.usecases.requests.left_today import find_left_micros
from mediaposter.usecases.requests.submit import SubmitVideo
from mediaposter.usecases.videos.cancel import CancelVideo
from mediaposter.usecases.videos.details import FindDetails
from mediaposter.usecases.videos.read import ReadVideos
from mediaposter.wire.accounts import present_accounts
from mediaposter.wire.caller import Caller
from mediaposter.wire.mcp_tools import (
    SAME_CALL_MINUTES,
    TOOLS,
    CreatedVideoAnswer,
    CreateVideoArguments,
    EstimateAnswer,
    ListSchedulesArguments,
    ListVideosArguments,
    NoArguments,
    PostedVideoAnswer,
    PostVideoArguments,
    VideoAnswer,
    VideoArguments,
    VideoPageAnswer,
    parse_arguments,
)
from mediaposter.wire.objects import present_estimate, present_schedules, present_usage
from mediaposter.wire.queries import UsageQuery
from mediaposter.wire.request_context import RequestContext
from mediaposter.wire.video_object import VideoDetails, present_details, to_dollars

_ASK_AGAIN_LEAST_SECONDS = 5
_ASK_AGAIN_MOST_SECONDS = 60
_ASK_AGAIN_IN_APPROVAL_SECONDS = 300
_UNFINISHED = (*STATES_TO_CARRY, PostState.IN_DOUBT)
_NOT_THIS_KEY = 'approval: only a key with the scope approve may say "none", so these posts wait for a person.'


class ToolAnswer(NamedTuple):
    """The answer of a tool, and a sentence about it that has no word of a vendor, a network or a prompt."""

    summary: str
    content: BaseModel


class CallTool:
    """Calls a tool for a caller."""

    def __init__(
        self,
        *,
        submit: SubmitVideo,
        read_videos: ReadVideos,
        read_posts: ReadPosts,
        find_details: FindDetails,
        list_accounts: ListAccounts,
        repeat_posts: RepeatPosts,
        post_with_approval: PostWithApproval,
        cancel_video: CancelVideo,
        budget: BudgetStore,
        stack_limits: StackLimits,
        posts_notice: Callable[[], str],
        studio_url: Callable[[], str | None],
        clock: Callable[[], datetime],
    ) -> None:
        self._submit = submit
        self._read_videos = read_videos
        self._read_posts = read_posts
        self._find_details = find_details
        self._list_accounts = list_accounts
        self._repeat_posts = repeat_posts
        self._post_with_approval = post_with_approval
        self._cancel_video = cancel_video
        self._budget = budget
        self._stack_limits = stack_limits
        self._posts_notice = posts_notice
        self._studio_url = studio_url
        self._clock = clock
        self._methods: Mapping[str, Callable[[Any, Caller], ToolAnswer]] = {
            "estimate_video": self._estimate,
            "create_video": self._create,
            "get_video": self._get,
            "list_videos": self._list,
            "cancel_video": self._cancel,
            "post_video": self._post,
            "list_accounts": self._accounts,
            "list_schedules": self._schedules,
            "get_usage": self._usage,
        }

    def __call__(self, name: str, arguments: Mapping[str, Any], *, caller: Caller) -> ToolAnswer:
        """Call the tool of this name, which is one of `TOOLS`.

        Raises:
            ApiError: as its route raises it; nothing was done, unless the error says what was.
        """
        return self._methods[name](parse_arguments(TOOLS[name].arguments, arguments), caller)

    def _estimate(self, arguments: CreateVideoArguments, caller: Caller) -> ToolAnswer:
        caller.require(Scope.CREATE)
        estimate = self._submit.estimate(arguments, caller=caller)
        left_micros = self._find_left(caller)
        answer = EstimateAnswer(
            estimate=present_estimate(estimate),
            price_usd=to_dollars(estimate.reserved_micros),
            left_today_usd=None if left_micros is None else to_dollars(left_micros),
            fits_budget=left_micros is None or estimate.reserved_micros <= left_micros,
        )
        return ToolAnswer(
            f"The video may cost ${answer.price_usd}. {_tell_left(left_micros)} Nothing was made.", answer
        )

    def _create(self, arguments: CreateVideoArguments, caller: Caller) -> ToolAnswer:
        """Make a video once: the first of equal calls begins the time in which the others are the same.

        The record of the first one expires by its own time, in the transaction that would make a second video. So equal
        calls can never fall on two sides of the edge of a common interval.
        """
        caller.require(Scope.CREATE)
        context = RequestContext(
            idempotency_key=f"mcp {arguments.fingerprint()}",  # guard: same call
            kept_for=timedelta(minutes=SAME_CALL_MINUTES),
            door="mcp",
        )
        submission = self._submit(arguments, caller=caller, request_context=context)
        video = submission.video
        price_micros = video.cost_estimate_micros if video.reservation is None else video.reservation.micros
        left_micros = self._find_left(caller)
        answer = CreatedVideoAnswer(
            **self._describe(video, submission.posts),
            is_repeated=submission.is_repeated,
            price_usd=to_dollars(price_micros),
            left_today_usd=None if left_micros is None else to_dollars(left_micros),
        )
        made = "An equal call had made this video already." if submission.is_repeated else "The video is recorded."
        price = f"It may cost ${answer.price_usd}. {_tell_left(left_micros)}"
        return ToolAnswer(f"{made} {price} {_tell_video(answer)}", answer)

    def _get(self, arguments: VideoArguments, caller: Caller) -> ToolAnswer:
        caller.require(Scope.READ)
        return self._show(*self._read_videos.retrieve(arguments.video_id, caller=caller))

    def _list(self, query: ListVideosArguments, caller: Caller) -> ToolAnswer:
        caller.require(Scope.READ)
        page = self._read_videos.list_videos(query, caller=caller)
        details = self._find_details(page.videos, has_posts="posts" in query.include)
        videos = [VideoAnswer(**self._present(video, details[video.id])) for video in page.videos]
        last_id = page.videos[-1].id if page.videos else None
        answer = VideoPageAnswer(videos=videos, has_more=page.has_more, last_id=last_id)
        return ToolAnswer(f"{len(videos)} videos{', and there are more' if page.has_more else ''}.", answer)

    def _cancel(self, arguments: VideoArguments, caller: Caller) -> ToolAnswer:
        caller.require(Scope.CREATE)
        video, posts = self._read_videos.retrieve(arguments.video_id, caller=caller)
        if video.failure is not None:
            return self._show(video, posts)
        if video.stage in STAGES_OF_A_KEPT_VIDEO:
            raise NotAllowedInState(
                f"{video.id} is stored, at {video.stage}, so there is nothing to stop. Nothing was changed. A person "
                "can reject or move its posts in the studio."
            )
        self._cancel_video(
            video.id,
            also_running=True,
            reason="It was cancelled by its owner, with the tool of agents.",
            by=caller.actor,
        )
        return self._show(*self._read_videos.retrieve(video.id, caller=caller))

    def _post(self, arguments: PostVideoArguments, caller: Caller) -> ToolAnswer:
        caller.require(Scope.PUBLISH)
        is_approver = caller.may(Scope.APPROVE)
        if arguments.approval == "none" and is_approver:  # guard: agents wait
            video, posts = self._repeat_posts(arguments.video_id, arguments, caller=caller)
        else:
            video, posts = self._post_with_approval(
                arguments.video_id, arguments, hours=arguments.approval_hours, caller=caller
            )
        warnings = [_NOT_THIS_KEY] if arguments.approval == "none" and not is_approver else []
        answer = PostedVideoAnswer(**self._describe(video, posts), warnings=warnings)
        return ToolAnswer(" ".join([*warnings, _tell_video(answer)]), answer)

    def _accounts(self, arguments: NoArguments, caller: Caller) -> ToolAnswer:
        del arguments
        caller.require(Scope.PUBLISH)
        answer = present_accounts(self._list_accounts(caller=caller), notice=self._posts_notice())
        return ToolAnswer(f"{len(answer.data)} accounts.", answer)

    def _schedules(self, query: ListSchedulesArguments, caller: Caller) -> ToolAnswer:
        caller.require(Scope.READ)
        answer = present_schedules(self._read_posts.list_schedules(query, caller=caller))
        return ToolAnswer(
            f"{len(answer.data)} scheduled posts{', and there are more' if answer.has_more else ''}.", answer
        )

    def _usage(self, query: UsageQuery, caller: Caller) -> ToolAnswer:
        caller.require(Scope.READ)
        answer = present_usage(self._read_videos.sum_usage(query, caller=caller))
        return ToolAnswer(f"${answer.spent_usd} was spent today, and ${answer.promised_usd} is reserved.", answer)

    def _show(self, video: Video, posts: Iterable[Post]) -> ToolAnswer:
        answer = VideoAnswer(**self._describe(video, posts))
        return ToolAnswer(_tell_video(answer), answer)

    def _describe(self, video: Video, posts: Iterable[Post]) -> dict[str, Any]:
        details = self._find_details([video])[video.id]
        approval = self._read_posts.find_approval(video)
        return self._present(video, details._replace(posts=list(posts), approval=approval))

    def _present(self, video: Video, details: VideoDetails) -> dict[str, Any]:
        """Give the fields of a `VideoAnswer`."""
        studio_url = self._studio_url()
        return {
            "video": present_details(video, details),
            "ask_again_after_seconds": self._choose_wait(video, details),
            "studio_url": studio_url and f"{studio_url}#/videos/{video.id}",
            "thumbnail_url": details.links.thumbnail if details.links else None,
        }

    def _choose_wait(self, video: Video, details: VideoDetails) -> int | None:
        """Choose when to ask again: soon, but not before the render is likely to end; None if nothing is to come."""
        if video.failure is not None:
            return None
        if video.stage is Stage.AWAITING_APPROVAL:
            return _ASK_AGAIN_IN_APPROVAL_SECONDS
        if video.stage in STAGES_OF_A_KEPT_VIDEO:
            is_posting = any(post.state in _UNFINISHED for post in details.posts)
            return _ASK_AGAIN_LEAST_SECONDS if is_posting or video.stage is not Stage.DONE else None
        left = (details.outlook.eta_at or 0) - self._clock().timestamp()
        return int(min(max(left, _ASK_AGAIN_LEAST_SECONDS), _ASK_AGAIN_MOST_SECONDS))

    def _find_left(self, caller: Caller) -> int | None:
        return find_left_micros(
            self._budget,
            caller,
            stack_limits=self._stack_limits,
            today=self._clock().date(),
        )


def _tell_left(left_micros: int | None) -> str:
    return "There is no limit." if left_micros is None else f"${to_dollars(left_micros)} is left today."


def _tell_video(answer: VideoAnswer) -> str:
    video = answer.video
    sentences = [f"{video.id} is {video.status}, at {video.stage}."]
    if answer.ask_again_after_seconds is not None:
        sentences.append(f"Ask get_video again in {answer.ask_again_after_seconds} seconds.")
    if answer.studio_url is not None:
        sentences.append(f"People see and approve it at {answer.studio_url}")
    return " ".join(sentences)
