"""What clients send to Blotato's API v2, and how a wrong body or query is refused.

Written on 2026-11-23 from the vendor's documents (help.blotato.com: api/llm, rest-api-reference,
platform-publishing/platforms). Where they are silent the stricter reading is taken, so that a client passing here does
not lean on kindness.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from starlette.requests import Request

from sandbox.blotato_networks import Platform, Received, Target
from sandbox.engine import Body, Refusal


class Route(StrEnum):
    """What can be called, as the documents write it; storage is outside the API and takes no key."""

    SHOW_USER = "GET /users/me"
    LIST_ACCOUNTS = "GET /users/me/accounts"
    LIST_SUBACCOUNTS = "GET /users/me/accounts/{accountId}/subaccounts"
    LIST_BOARDS = "GET /social/pinterest/boards"
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


def refuse(status: int, message: str) -> Refusal:
    """Give the message as Blotato does."""
    return Refusal(status, {"message": message})


def _require_date_time(value: JsonValue) -> JsonValue:
    """Refuse Unix seconds, which pydantic would take for a time and JSON Schema's date-time does not."""
    if isinstance(value, str) and re.match(r"\d{4}-\d{2}-\d{2}[Tt]", value):
        return value
    raise PydanticCustomError("datetime_parsing", "not a date-time")


_Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_require_date_time)]
_MediaUrls = Annotated[tuple[str, ...], Field(max_length=20)]


class _AdditionalPost(Received):
    text: str
    media_urls: _MediaUrls


class _Content(Received):
    """What is posted; `mediaUrls` is required, empty for a text post."""

    text: str
    media_urls: _MediaUrls
    platform: Platform
    additional_posts: tuple[_AdditionalPost, ...] | None = Field(default=None, max_length=10)


class Post(Received):
    """One post to one account."""

    account_id: str
    content: _Content
    target: Target


class CreatePost(Received):
    """The body of POST /posts; the two ways to schedule are siblings of `post`."""

    post: Post
    scheduled_time: _Time | None = None
    use_next_free_slot: bool | None = None


class _DraftContent(Received):
    text: str = ""
    media_urls: _MediaUrls = ()


class _Draft(Received):
    """The draft of a patch, which replaces the old one whole: what is left out is gone, not kept."""

    content: _DraftContent = _DraftContent()
    target: Target | None = None


class _Patch(Received):
    scheduled_time: _Time | None = None
    draft: _Draft | None = None


class PatchSchedule(Received):
    """The body of PATCH /schedules/{id}."""

    patch: _Patch


class CreateUpload(Received):
    """The body of POST /media/uploads."""

    filename: str = Field(min_length=1)


class CreateMedia(Received):
    """The body of POST /media: a public URL or a base64 data URI."""

    url: str = Field(min_length=1)


class _Query(Received):
    """A query as clients send it, where numbers come as text."""

    model_config = ConfigDict(strict=False)


class AccountsQuery(_Query):
    """The query of GET /users/me/accounts."""

    platform: Platform | None = None


class SubaccountsQuery(_Query):
    """The query of the boards."""

    account_id: str


class PageQuery(_Query):
    """The query of GET /schedules."""

    limit: int = Field(default=20, ge=1, le=50)
    cursor: str | None = None


class PostsQuery(PageQuery):
    """The query of GET /posts; without a window the list reaches seven days back and seven ahead."""

    limit: int = Field(default=50, ge=1, le=250)
    since: _Time | None = None
    until: _Time | None = None
    status: Literal["published", "failed", "scheduled"] | None = None
    platform: Platform | None = None


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
        raise refuse(400, _describe_invalid(error, "body")) from error


def read_query(request: Request, model: type[ModelT]) -> ModelT:
    """Read a query; refuse the first thing wrong."""
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise refuse(400, _describe_invalid(error, "querystring")) from error


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


def read_claim(body: bytes) -> Body:
    """Read what a body says of its post, also when it will be refused."""
    try:
        document: JsonValue = json.loads(body)
    except ValueError:
        document = None
    post = _find(document, "post")
    content = _find(post, "content")
    return {
        "account_id": _find(post, "accountId"),
        "platform": _find(content, "platform"),
        "text": _find(content, "text"),
        "media_urls": _find(content, "mediaUrls"),
    }


def _find(document: JsonValue, key: str) -> JsonValue:
    return document.get(key) if isinstance(document, dict) else None
