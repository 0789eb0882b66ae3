"""Requests about the posts of a stored video: bodies, and the paths that name a post."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mediaposter.domain.errors import NotFound
from mediaposter.publishing.targets import TARGETS_MAX, AccountId, ScheduledTime, Text
from mediaposter.wire.bodies import parse_body, refuse_files, validate_fields
from mediaposter.wire.requests import PostsRequest, RequestBody, VideoId
from mediaposter.wire.urls import HttpsUrl

Platform: TypeAlias = Literal[
    "twitter", "instagram", "facebook", "linkedin", "tiktok", "youtube", "pinterest", "threads", "bluesky"
]


COMMENT_MAX_CHARACTERS = 500


class PublishAgainRequest(PostsRequest):
    """POST /videos/{id}/posts: the targets to post it to; without any, those that failed, as they were."""

    @field_validator("text", "title", mode="after")
    @classmethod
    def _refuse_words_of_what_failed(cls, words: str | None, info: ValidationInfo) -> str | None:
        if words is not None and info.data.get("publish") == []:
            raise ValueError("needs publish: without targets the posts that failed are sent as they were")
        return words


class CaptionEdit(RequestBody):
    """The caption of one post that waits, as it will be sent: nothing is filled in, and no disclosure is added."""

    platform: Platform
    account_id: AccountId
    text: Text

    @property
    def post_id(self) -> str:
        """Name the post within its video."""
        return f"{self.platform}#{self.account_id}"


class PostEdits(PostsRequest):
    """What a person changes before a video is posted: the targets, the words of those there are, or single captions."""

    captions: list[CaptionEdit] = Field(default=[], max_length=TARGETS_MAX)

    @property
    def kind(self) -> Literal["targets", "text", "captions"]:
        """Tell what is changed."""
        return "captions" if self.captions else "targets" if self.publish else "text"

    @field_validator("captions", mode="after")
    @classmethod
    def _refuse_repeated_posts(cls, captions: list[CaptionEdit]) -> list[CaptionEdit]:
        if len({caption.post_id for caption in captions}) < len(captions):
            raise ValueError("must name each post once")
        return captions

    @model_validator(mode="after")
    def _require_change(self) -> PostEdits:
        if self.captions and self.model_fields_set != {"captions"}:
            raise ValueError("captions changes posts that are planned; send it without other fields")
        if not self.publish and not self.captions and self.text is None:
            raise ValueError("needs publish, text or captions; to post it as it is, leave the edits out")
        return self


class ApprovalRequest(RequestBody):
    """POST /videos/{id}/approval: what a person decided; `edits` change what is posted, or only its words.

    `comment` is kept with the decision.
    """

    decision: Literal["approve", "reject"]
    edits: PostEdits | None = None
    comment: Annotated[str, StringConstraints(min_length=1, max_length=COMMENT_MAX_CHARACTERS)] | None = None

    @field_validator("edits", mode="after")
    @classmethod
    def _refuse_edits_of_what_is_rejected(cls, edits: PostEdits | None, info: ValidationInfo) -> PostEdits | None:
        if edits is not None and info.data.get("decision") == "reject":
            raise ValueError("a rejected video is not posted, so nothing of it can be changed")
        return edits


class ResolveRequest(RequestBody):
    """POST …/resolve: what a person saw at the network; a post that is there has a `url`."""

    outcome: Literal["posted", "send_again"]
    url: Annotated[HttpsUrl | None, Field(validate_default=True)] = None

    @field_validator("url", mode="after")
    @classmethod
    def _match_outcome(cls, url: str | None, info: ValidationInfo) -> str | None:
        # An invalid outcome is missing here, and was reported already.
        outcome = info.data.get("outcome")
        if outcome == "posted" and url is None:
            raise ValueError('must be the URL of the post, where the outcome is "posted"')
        if outcome == "send_again" and url is not None:
            raise ValueError('there is none of a post that is to be sent again; the outcome with a url is "posted"')
        return url


class MoveRequest(RequestBody):
    """PATCH …/posts/{platform}/{account_id}: when a scheduled post shall go out."""

    scheduled_time: ScheduledTime


class PostPath(BaseModel):
    """The path of a post: its video, its network, and the account there."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    video_id: VideoId
    platform: Platform
    account_id: AccountId

    @property
    def post_id(self) -> str:
        """Name the post within its video."""
        return f"{self.platform}#{self.account_id}"


def parse_publish_again(body: bytes, content_type: str) -> PublishAgainRequest:
    """Read the body of POST /videos/{video_id}/posts, which may be left out.

    Raises:
        InvalidRequest: names the field and the rule.
    """
    if not body:
        return PublishAgainRequest()
    fields, files = parse_body(body, content_type)
    refuse_files(files)
    return validate_fields(PublishAgainRequest, fields)


def parse_approval(body: bytes, content_type: str) -> ApprovalRequest:
    """Read the body of POST /videos/{video_id}/approval, which is JSON.

    Raises:
        InvalidRequest: names the field and the rule.
    """
    return validate_fields(ApprovalRequest, parse_body(body, content_type, allow_form=False).fields)


def parse_resolve(body: bytes, content_type: str) -> ResolveRequest:
    """Read the body of POST …/resolve, which is JSON.

    Raises:
        InvalidRequest: names the field and the rule.
    """
    return validate_fields(ResolveRequest, parse_body(body, content_type, allow_form=False).fields)


def parse_move(body: bytes, content_type: str) -> MoveRequest:
    """Read the body of PATCH …/posts/{platform}/{account_id}, which is JSON.

    Raises:
        InvalidRequest: names the field and the rule.
    """
    return validate_fields(MoveRequest, parse_body(body, content_type, allow_form=False).fields)


def parse_post_path(video_id: str, platform: str, account_id: str) -> PostPath:
    """Read the path of a post.

    Raises:
        NotFound: no post can have this path.
    """
    try:
        return PostPath.model_validate({"video_id": video_id, "platform": platform, "account_id": account_id})
    except ValidationError as error:
        raise NotFound("There is no post with this name.", what="post") from error
