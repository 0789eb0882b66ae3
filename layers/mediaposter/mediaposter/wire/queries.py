"""The query parameters of the GET routes, and their validation."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import InvalidRequest
from mediaposter.domain.text import UnwritableTextError, refuse_unwritable_within
from mediaposter.domain.validation_errors import find_problem, tell_rule
from mediaposter.stores.video_stages import Stage

LIST_LIMIT = 20
LIST_LIMIT_MAX = 100
USAGE_DAYS_MAX = 366

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# No stack has usage before the first day, or needs it after the last.
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)


def _require_date(value: object) -> object:
    # Pydantic takes a number for seconds since 1970.
    if isinstance(value, str) and not _DATE.fullmatch(value):
        raise ValueError("must be a date, as 2026-12-24")
    return value


def _require_calendar(day: date) -> date:
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise ValueError(f"must lie between {_FIRST_DAY} and {_LAST_DAY}, got {day}")
    return day


Variant = Literal["video", "thumbnail", "spritesheet"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
# OpenAI's lists take 0, too: an empty page, which tells whether there is anything.
Limit = Annotated[int, Field(ge=0, le=LIST_LIMIT_MAX)]
Day = Annotated[
    date,
    BeforeValidator(_require_date),
    AfterValidator(_require_calendar),
    Field(json_schema_extra={"pattern": "^2[0-9]{3}-[0-9]{2}-[0-9]{2}$"}),
]


# As `created_at` of a video; the last is the end of the year 2999.
Moment = Annotated[int, Field(ge=0, lt=32_503_680_000)]


class Query(BaseModel):
    """The query of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # The parameters that may come several times, or have several values with commas between them.
    repeatable: ClassVar[frozenset[str]] = frozenset()


def _split(value: object) -> object:
    """Read values that are separated by commas."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class ListQuery(Query):
    """GET /videos: OpenAI's `after`, `limit` and `order`, and ours.

    `stage`, `include` and `ids` may be repeated, or have several values with commas between them. `stage` lists the
    videos that are at one of these stages; it goes with `after`, `limit`, `order` and `owner` alone, and ten times a
    hundred videos are looked at for `done`, `submitting`, `rendering` or `storing`. `include=posts` adds the posts and
    the approval of each video. `ids` lists these videos and no others, in this order; unknown ones are left out.
    `created_after` (included) and `created_before` (not included) are seconds since 1970. `remixed_from` lists the
    remixes, edits and extensions of a video; it goes with `after`, `limit`, `order` and `include` alone.
    """

    repeatable = frozenset({"stage", "include", "ids"})

    after: Name | None = None
    limit: Limit = LIST_LIMIT
    order: Literal["asc", "desc"] = "desc"
    status: VideoStatus | None = None
    model: Name | None = None
    batch_id: Name | None = None
    prompt: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = None
    owner: Name | None = None
    created_after: Moment | None = None
    created_before: Moment | None = None
    remixed_from: Name | None = None
    stage: Annotated[tuple[Stage, ...], BeforeValidator(_split)] = ()
    include: Annotated[tuple[Literal["posts"], ...], BeforeValidator(_split)] = ()
    ids: Annotated[tuple[Name, ...], BeforeValidator(_split), Field(max_length=LIST_LIMIT_MAX)] = ()

    @field_validator("remixed_from", mode="after")
    @classmethod
    def _be_of_one_video(cls, source: str | None, info: ValidationInfo) -> str | None:
        if source is not None:
            _refuse_others(cls, info, set(cls.model_fields) - {"after", "limit", "order", "remixed_from"})
        return source

    @field_validator("stage", mode="after")
    @classmethod
    def _stand_alone(cls, stages: tuple[Stage, ...], info: ValidationInfo) -> tuple[Stage, ...]:
        if stages:
            _refuse_others(cls, info, set(cls.model_fields) - {"after", "limit", "order", "owner", "stage"})
        return stages

    @field_validator("ids", mode="after")
    @classmethod
    def _name_all(cls, ids: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if ids:
            _refuse_others(cls, info, set(cls.model_fields) - {"ids", "include"})
        return ids


def _refuse_others(model: type[BaseModel], info: ValidationInfo, names: Collection[str]) -> None:
    """Refuse a filter beside other parameters.

    Raises:
        ValueError: names the first of them.
    """
    for name in model.model_fields:
        if name in names and info.data.get(name, model.model_fields[name].default) != model.model_fields[name].default:
            raise ValueError(f"cannot be combined with {name}")


class PostsQuery(Query):
    """GET /videos/{id}/posts: `after` is the `last_id` of the page before, where one answer has no room for all."""

    after: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")] | None = None


class EventsQuery(Query):
    """GET /videos/{id}/events: the oldest first, `after` the `last_id` of the page before."""

    after: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,256}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=LIST_LIMIT_MAX)] = LIST_LIMIT_MAX
    order: Literal["asc", "desc"] = "asc"


class ScheduleQuery(Query):
    """GET /schedules: the soonest first, `after` the `last_id` of the page before."""

    after: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,256}$")] | None = None
    limit: Limit = LIST_LIMIT
    owner: Name | None = None


class UsageQuery(Query):
    """GET /usage: the first and the last day, both included, and the owner."""

    since: Day | None = None
    until: Day | None = None
    owner: Name | None = None

    @field_validator("until", mode="after")
    @classmethod
    def _come_after_since(cls, until: date | None, info: ValidationInfo) -> date | None:
        since = info.data.get("since")
        if until is not None and since is not None:
            check_days(since, until)
        return until


def check_days(since: date, until: date) -> None:
    """Refuse days in the wrong order, or more days than a response can hold.

    Raises:
        ValueError: names the rule, and the number of days.
    """
    if since > until:
        raise ValueError(f"must not lie before since, which is {since}")
    days = (until - since).days
    if days > USAGE_DAYS_MAX:
        raise ValueError(f"must lie at most {USAGE_DAYS_MAX} days after since, got {days}")


class ModelsQuery(Query):
    """GET /models: `after` is the `last_id` of the page before, where one answer has no room for all."""

    after: Name | None = None


class ContentQuery(Query):
    """GET /videos/{id}/content: which of the three files."""

    variant: Variant = "video"


class CreateQuery(Query):
    """POST /videos and /batches: whether to only check the request and tell its price, and do nothing."""

    dry_run: bool = False


AnyQuery = TypeVar("AnyQuery", bound=Query)


def parse_query(model: type[AnyQuery], parameters: Mapping[str, object] | None) -> AnyQuery:
    """Read the query of a request.

    Raises:
        InvalidRequest: names the parameter and the error.
    """
    try:
        refuse_unwritable_within(parameters or {})
        return model.model_validate(dict(parameters or {}))
    except UnwritableTextError as error:
        param = str(error.path[0]) if error.path else None
        raise InvalidRequest(f"{param or 'The query'}: {error.reason}.", param=param, code="invalid_value") from error
    except ValidationError as error:
        problem = find_problem(error)
        param = str(problem["loc"][0])[:80] if problem["loc"] else None
        code = "unknown_parameter" if problem["type"] == "extra_forbidden" else "invalid_value"
        raise InvalidRequest(f"{param or 'The query'}: {tell_rule(problem)}.", param=param, code=code) from error
