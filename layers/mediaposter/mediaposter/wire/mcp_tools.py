"""The tools that agents have over MCP: what each takes and answers.

`mcp_tools.json` has their JSON schemas, which `python -m checks.mcp --write` writes from these models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from mediaposter.publishing.targets import TARGETS_MAX, AnyTarget
from mediaposter.wire.accounts import AccountListObject
from mediaposter.wire.bodies import validate_fields
from mediaposter.wire.body_fields import parse_number, parse_targets, refuse_repeated_accounts
from mediaposter.wire.objects import EstimateObject, ListObject, UsageObject
from mediaposter.wire.post_requests import PublishAgainRequest
from mediaposter.wire.queries import ListQuery, Query, ScheduleQuery, UsageQuery, parse_query
from mediaposter.wire.requests import APPROVAL_MAX_HOURS, CreateVideoRequest, RequestBody, VideoId
from mediaposter.wire.video_object import PostObject, VideoObject

# An answer has its objects twice: as JSON text, for older clients, and as `structuredContent`.
PAGE_MAX = 20
SAME_CALL_MINUTES = 45

ApprovalHours = Annotated[int, Field(ge=1, le=APPROVAL_MAX_HOURS), BeforeValidator(parse_number)]
PageLimit = Annotated[int, Field(ge=1, le=PAGE_MAX)]


class CreateVideoArguments(CreateVideoRequest):
    """POST /videos, whose posts wait for an approval unless the request and its key say otherwise."""

    is_approval_default: ClassVar[bool] = True

    approval: Literal["none", "required"] = "required"


class PostVideoArguments(PublishAgainRequest):
    """POST /videos/{id}/posts, with targets; they wait for an approval unless the request and its key say otherwise."""

    video_id: VideoId
    publish: Annotated[
        list[AnyTarget],
        Field(min_length=1, max_length=TARGETS_MAX),
        AfterValidator(refuse_repeated_accounts),
        BeforeValidator(parse_targets),
    ]
    approval: Literal["none", "required"] = "required"
    approval_hours: ApprovalHours = 24


class VideoArguments(RequestBody):
    """Which video."""

    video_id: VideoId


class ListVideosArguments(ListQuery):
    """GET /videos, with smaller pages."""

    limit: PageLimit = 10


class ListSchedulesArguments(ScheduleQuery):
    """GET /schedules, with smaller pages."""

    limit: PageLimit = PAGE_MAX


class NoArguments(RequestBody):
    """A tool that needs to be told nothing."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class VideoAnswer(_Answer):
    """A video, and when to ask for it again; null is never.

    The thumbnail can be fetched without a key until `video.links.expires_at`.
    """

    video: VideoObject
    ask_again_after_seconds: int | None
    studio_url: str | None
    thumbnail_url: str | None


class CreatedVideoAnswer(VideoAnswer):
    """The video of a request. `is_repeated` if an earlier call had made it already.

    `price_usd` is the most that it may cost, `left_today_usd` what may still be spent today; null is no limit.
    """

    is_repeated: bool
    price_usd: str
    left_today_usd: str | None


class PostedVideoAnswer(VideoAnswer):
    """The video with its new posts."""

    warnings: list[str]


class VideoPageAnswer(_Answer):
    """A page of videos; the next one is asked for with `after` = `last_id`."""

    videos: list[VideoAnswer]
    has_more: bool
    last_id: str | None


class EstimateAnswer(_Answer):
    """What a request would become and cost; nothing was recorded."""

    estimate: EstimateObject
    price_usd: str
    left_today_usd: str | None
    fits_budget: bool


class Tool(NamedTuple):
    """A tool: its models, and what an agent is told of it.

    Attributes:
        title: for people.
        description: for the model that chooses it.
        arguments: the model of its arguments.
        answer: the model of its `structuredContent`.
        reads_only: it changes nothing.
        is_public: what it does may be seen by others than its owner.
    """

    title: str
    description: str
    arguments: type[RequestBody] | type[Query]
    answer: type[BaseModel]
    reads_only: bool = True
    is_public: bool = False

    @property
    def annotations(self) -> dict[str, bool | str]:
        """Give the hints by which a client decides whether it asks its user first."""
        return {
            "title": self.title,
            "readOnlyHint": self.reads_only,
            "destructiveHint": not self.reads_only,
            "idempotentHint": True,
            "openWorldHint": self.is_public,
        }


_APPROVAL = (
    "Posts wait until a person approves them in the studio; no tool approves. Only a key with the scope approve may "
    'say "approval": "none".'
)
TOOLS: Mapping[str, Tool] = MappingProxyType(
    {
        "estimate_video": Tool(
            "Estimate a video",
            "Tell what a request would become and cost, and what is left to spend today. Takes the arguments of "
            "create_video. Nothing is recorded or spent.",
            CreateVideoArguments,
            EstimateAnswer,
        ),
        "create_video": Tool(
            "Create a video",
            "Make a video, which costs money, and post it to the accounts in publish, if there are any. Answers at "
            f"once with an id; then ask get_video. Say max_cost_usd. {_APPROVAL} The same call within "
            f"{SAME_CALL_MINUTES} minutes is the same video: change metadata to make another one on purpose.",
            CreateVideoArguments,
            CreatedVideoAnswer,
            reads_only=False,
            is_public=True,
        ),
        "get_video": Tool(
            "Get a video",
            "Tell how a video and its posts stand, with links to its files, and when to ask again.",
            VideoArguments,
            VideoAnswer,
        ),
        "list_videos": Tool("List videos", "List videos, the newest first.", ListVideosArguments, VideoPageAnswer),
        "cancel_video": Tool(
            "Cancel a video",
            "Stop a video that is not stored yet; its record stays. What its provider has begun may still be charged.",
            VideoArguments,
            VideoAnswer,
            reads_only=False,
        ),
        "post_video": Tool(
            "Post a video",
            f"Post a stored video to the accounts in publish. Answers at once; then ask get_video. {_APPROVAL}",
            PostVideoArguments,
            PostedVideoAnswer,
            reads_only=False,
            is_public=True,
        ),
        "list_accounts": Tool(
            "List accounts",
            "List the connected accounts, each with the account_id, page_id, board_id and playlist_ids of targets.",
            NoArguments,
            AccountListObject,
        ),
        "list_schedules": Tool(
            "List scheduled posts",
            "List the posts that wait for their time, the soonest first.",
            ListSchedulesArguments,
            ListObject[PostObject],
        ),
        "get_usage": Tool(
            "Get usage", "Tell what was spent by day and model, and what is left today.", UsageQuery, UsageObject
        ),
    }
)


def parse_arguments(model: type[BaseModel], arguments: Mapping[str, Any]) -> Any:
    """Read the arguments of a call into the model of its tool.

    Raises:
        InvalidRequest: names the argument and the rule.
    """
    if issubclass(model, Query):
        return parse_query(model, {name: value for name, value in arguments.items() if value is not None})
    return validate_fields(model, dict(arguments))


@cache
def list_tools() -> list[dict[str, Any]]:
    """Read what clients are told of the tools."""
    text = resources.files(__package__).joinpath("mcp_tools.json").read_text(encoding="utf-8")
    tools: list[dict[str, Any]] = json.loads(text)
    return tools
