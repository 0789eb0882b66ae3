"""What goes over the wire of Blotato's API v2, and how a wrong body or query is refused.

Written from the vendor's documents (help.blotato.com: api/llm, rest-api-reference, platform-publishing/platforms).
Where they are silent the stricter reading is taken, so that a client passing here does not lean on kindness.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)
from pydantic_core import ErrorDetails, PydanticCustomError
from starlette.requests import Request

from sandbox.blotato_networks import Account, Closed, Platform, Received, Sent, Target


class ApiError(Exception):
    """A refusal, as Blotato words it: `{"message": …}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Route(StrEnum):
    """What can be called, as the documents write it; storage is outside the API and takes no key."""

    SHOW_USER = "GET /users/me"
    LIST_ACCOUNTS = "GET /users/me/accounts"
    LIST_SUBACCOUNTS = "GET /users/me/accounts/{accountId}/subaccounts"
    LIST_BOARDS = "GET /social/pinterest/boards"
    LIST_LINKEDIN_PAGES = "GET /integrations/oauth2/linkedin/pages"
    CREATE_UPLOAD = "POST /media/uploads"
    STORE_UPLOAD = "PUT /storage/uploads/{token}"
    CREATE_MEDIA = "POST /media"
    CREATE_POST = "POST /posts"
    SHOW_POST = "GET /posts/{postSubmissionId}"
    LIST_POSTS = "GET /posts"
    LIST_SCHEDULES = "GET /schedules"
    SHOW_SCHEDULE = "GET /schedules/{id}"
    PATCH_SCHEDULE = "PATCH /schedules/{id}"
    CANCEL_SCHEDULE = "DELETE /schedules/{id}"


# Per route and user (api-and-mcp-concepts/rate-limits); routes not named there have no stated limit. The pages give
# 10 and 30 for POST /media: the lower one is safe to plan with.
LIMITS_PER_MINUTE: Final[Mapping[str, int]] = MappingProxyType(
    {
        Route.CREATE_POST: 30,
        Route.SHOW_POST: 60,
        Route.LIST_POSTS: 60,
        Route.CREATE_UPLOAD: 120,
        Route.CREATE_MEDIA: 10,
        Route.LIST_BOARDS: 45,
    }
)


class PostStatus(StrEnum):
    """Where a post stands, in Blotato's words."""

    IN_PROGRESS = "in-progress"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    FAILED = "failed"


def _require_date_time(value: JsonValue) -> JsonValue:
    """Refuse Unix seconds, which pydantic would take for a time and JSON Schema's date-time does not."""
    if isinstance(value, str) and re.match(r"\d{4}-\d{2}-\d{2}[Tt]", value):
        return value
    raise PydanticCustomError("datetime_parsing", "not a date-time")


Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_require_date_time)]
MediaUrls = Annotated[tuple[str, ...], Field(max_length=20)]


class Query(Received):
    """A query as clients send it, where numbers come as text."""

    model_config = ConfigDict(strict=False)


class AdditionalPost(Received):
    """A further post of a thread."""

    text: str
    media_urls: MediaUrls


class Content(Received):
    """What is posted; `mediaUrls` is required, empty for a text post."""

    text: str
    media_urls: MediaUrls
    platform: Platform
    additional_posts: tuple[AdditionalPost, ...] | None = Field(default=None, max_length=10)


class Post(Received):
    """One post to one account."""

    account_id: str
    content: Content
    target: Target


class CreatePost(Received):
    """The body of POST /posts; the two ways to schedule are siblings of `post`."""

    post: Post
    scheduled_time: Time | None = None
    use_next_free_slot: bool | None = None


class DraftContent(Received):
    """The content of a patched draft: what is left out is gone, not kept."""

    text: str = ""
    media_urls: MediaUrls = ()


class DraftPatch(Received):
    """The draft of a patch, which replaces the old one whole."""

    content: DraftContent = DraftContent()
    target: Target | None = None


class SchedulePatch(Received):
    """What a patch may change."""

    scheduled_time: Time | None = None
    draft: DraftPatch | None = None


class PatchSchedule(Received):
    """The body of PATCH /schedules/{id}."""

    patch: SchedulePatch


class CreateUpload(Received):
    """The body of POST /media/uploads."""

    filename: str = Field(min_length=1)


class CreateMedia(Received):
    """The body of POST /media: a public URL or a base64 data URI."""

    url: str = Field(min_length=1)


class AccountsQuery(Query):
    """The query of GET /users/me/accounts."""

    platform: Platform | None = None


class SubaccountsQuery(Query):
    """The query of the two routes that list what lies below an account."""

    account_id: str


class PostsQuery(Query):
    """The query of GET /posts; without a window the list reaches seven days back and seven ahead."""

    since: Time | None = None
    until: Time | None = None
    limit: int = Field(default=50, ge=1, le=250)
    cursor: str | None = None
    status: Literal["published", "failed", "scheduled"] | None = None
    platform: Platform | None = None


class SchedulesQuery(Query):
    """The query of GET /schedules."""

    limit: int = Field(default=20, ge=1, le=50)
    cursor: str | None = None


class User(Sent):
    """The answer to GET /users/me, which echoes the key: a client must not log it."""

    id: str
    subscription_status: str
    api_key: str


class UploadPlace(Sent):
    """The answer to POST /media/uploads: where to put the bytes, and where they will be read."""

    presigned_url: str
    public_url: str


class MirroredMedia(Sent):
    """The answer to POST /media."""

    id: str
    url: str


class AcceptedPost(Sent):
    """The answer to POST /posts: queued, or scheduled when there is a time."""

    post_submission_id: str
    scheduled_time: AwareDatetime | None


class PostAnswer(Sent):
    """How a post stands; the body of GET /posts/{postSubmissionId}."""

    post_submission_id: str
    status: PostStatus
    public_url: str | None = None
    error_message: str | None = None
    scheduled_time: AwareDatetime | None = None


class ListedState(Sent):
    """The state of a listed post."""

    type: PostStatus
    post_url: str | None
    error_message: str | None


class ListedPost(Sent):
    """An item of GET /posts; its id belongs to the state and is not the submission's."""

    id: str
    post_time: AwareDatetime
    platform: Platform
    text: str
    media_urls: tuple[str, ...]
    state: ListedState


class ScheduledContent(Sent):
    """The content of a scheduled draft."""

    text: str
    media_urls: tuple[str, ...]
    platform: Platform


class ScheduledDraft(Sent):
    """What a schedule will post."""

    account_id: str
    content: ScheduledContent
    target: Target | None


class Schedule(Sent):
    """An item of GET /schedules; its account is null, and told so, once it is disconnected."""

    id: str
    scheduled_at: AwareDatetime
    account: Account | None
    draft: ScheduledDraft

    @model_serializer(mode="wrap")
    def _tell_no_account(self, serialize: SerializerFunctionWrapHandler) -> dict[str, JsonValue]:
        return {"account": None, **serialize(self)}


class ScheduleAnswer(Sent):
    """The answer to GET /schedules/{id}, which wraps the schedule."""

    schedule: Schedule


class Page(Sent):
    """One page of a list; the next one starts at `cursor`. The count of schedules is a string."""

    items: tuple[SerializeAsAny[Sent], ...]
    cursor: str | None = None
    count: str | None = None


class PostClaim(Closed):
    """What a body says of its post, well-formed or not."""

    account_id: str | None = None
    platform: str | None = None
    text: str | None = None
    media_urls: tuple[str, ...] = ()


ModelT = TypeVar("ModelT", bound=BaseModel)

# pydantic's error types in AJV's words; the places are pydantic's context.
_AJV_SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "string_type": "must be string",
        "bool_type": "must be boolean",
        "int_type": "must be integer",
        "int_parsing": "must be integer",
        "tuple_type": "must be array",
        "model_type": "must be object",
        "dict_type": "must be object",
        "literal_error": "must be equal to one of the allowed values",
        "enum": "must be equal to one of the allowed values",
        "union_tag_invalid": "must be equal to one of the allowed values",
        "string_too_short": "must NOT have fewer than {min_length} characters",
        "string_too_long": "must NOT have more than {max_length} characters",
        "too_long": "must NOT have more than {max_length} items",
        "greater_than_equal": "must be >= {ge}",
        "less_than_equal": "must be <= {le}",
        "timezone_aware": 'must match format "date-time"',
        "datetime_parsing": 'must match format "date-time"',
        "datetime_from_date_parsing": 'must match format "date-time"',
    }
)


async def read_body(request: Request, model: type[ModelT]) -> ModelT:
    """Read a JSON body; refuse the first thing wrong."""
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise ApiError(400, _describe_invalid(error, "body")) from error


def read_query(request: Request, model: type[ModelT]) -> ModelT:
    """Read a query; refuse the first thing wrong."""
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise ApiError(400, _describe_invalid(error, "querystring")) from error


def _describe_invalid(error: ValidationError, part: Literal["body", "querystring"]) -> str:
    """Say the first thing wrong as the live service does: `body.post.target must have required property 'pageId'`."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "Body is not valid JSON"
    path = [part, *_path_on_the_wire(first)]
    if first["type"] == "missing":
        return f"{'.'.join(path[:-1])} must have required property '{path[-1]}'"
    if first["type"] == "union_tag_not_found":
        return f"{'.'.join(path)} must have required property 'targetType'"
    if first["type"] == "union_tag_invalid":
        path.append("targetType")
    sentence = _AJV_SENTENCES.get(first["type"])
    return f"{'.'.join(path)} {sentence.format(**first.get('ctx', {})) if sentence else first['msg']}"


def _path_on_the_wire(error: ErrorDetails) -> list[str]:
    path = [str(step) for step in error["loc"]]
    # Below a tagged union pydantic puts the tag into the path: post.target.tiktok.title.
    if "target" in path[:-1]:
        del path[path.index("target") + 1]
    return path


def find_dropped_fields(body: JsonValue, model: BaseModel, path: str = "") -> tuple[str, ...]:
    """List the fields of a body that its model did not take, as dotted paths: Blotato drops them without a word."""
    if not isinstance(body, dict):
        return ()
    fields = {field.alias or name: name for name, field in type(model).model_fields.items()}
    dropped: list[str] = []
    for key, value in body.items():
        if key not in fields:
            dropped.append(f"{path}{key}")
            continue
        taken = getattr(model, fields[key])
        if isinstance(taken, BaseModel):
            dropped += find_dropped_fields(value, taken, f"{path}{key}.")
        elif isinstance(taken, tuple) and isinstance(value, list):
            for index, (part, item) in enumerate(zip(value, taken, strict=True)):
                if isinstance(item, BaseModel):
                    dropped += find_dropped_fields(part, item, f"{path}{key}.{index}.")
    return tuple(dropped)


def read_claim(body: bytes) -> PostClaim:
    """Read what a body says of its post, also when it will be refused."""
    try:
        document: JsonValue = json.loads(body)
    except ValueError:
        return PostClaim()
    post = _find(document, "post")
    content = _find(post, "content")
    media_urls = _find(content, "mediaUrls")
    return PostClaim(
        account_id=_find_text(post, "accountId"),
        platform=_find_text(content, "platform"),
        text=_find_text(content, "text"),
        media_urls=tuple(url for url in media_urls if isinstance(url, str)) if isinstance(media_urls, list) else (),
    )


def _find(document: JsonValue, key: str) -> JsonValue:
    return document.get(key) if isinstance(document, dict) else None


def _find_text(document: JsonValue, key: str) -> str | None:
    found = _find(document, key)
    return found if isinstance(found, str) else None
