"""What callers ask for in the query of a GET, and what is refused in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic import model_validator as validate_model

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.errors import InvalidRequest

LIST_LIMIT_MAX = 100
USAGE_DAYS_MAX = 366

Variant = Literal["video", "thumbnail", "spritesheet"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class ListQuery(BaseModel):
    """GET /videos: OpenAI's `after`, `limit` and `order`, and ours."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    after: Name | None = None
    limit: int = Field(default=20, ge=1, le=LIST_LIMIT_MAX)
    order: Literal["asc", "desc"] = "desc"
    status: VideoStatus | None = None
    model: Name | None = None
    batch_id: Name | None = None
    prompt: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = None
    owner: Name | None = None


class ScheduleQuery(BaseModel):
    """GET /schedules: the soonest first, `after` the `last_id` of the page before."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    after: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,256}$")] | None = None
    limit: int = Field(default=20, ge=1, le=LIST_LIMIT_MAX)
    owner: Name | None = None


class UsageQuery(BaseModel):
    """GET /usage: which days, both included, and of whom."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    since: date | None = None
    until: date | None = None
    owner: Name | None = None

    @validate_model(mode="after")
    def _in_order(self) -> UsageQuery:
        if self.since is not None and self.until is not None:
            if self.since > self.until:
                raise ValueError("since lies after until")
            if (self.until - self.since).days > USAGE_DAYS_MAX:
                raise ValueError(f"there are at most {USAGE_DAYS_MAX} days in an answer")
        return self


class ContentQuery(BaseModel):
    """GET /videos/{id}/content: which of the three."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    variant: Variant = "video"


class CreateQuery(BaseModel):
    """POST /videos: whether to answer what it would cost, and do nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    dry_run: bool = False


Query = TypeVar("Query", bound=BaseModel)


def parse_query(model: type[Query], parameters: Mapping[str, str] | None) -> Query:
    """Read the query of a request.

    Raises:
        InvalidRequest: naming the parameter and what is wrong with it.
    """
    try:
        return model.model_validate(dict(parameters or {}))
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        param = str(problem["loc"][0])[:80] if problem["loc"] else None
        code = "unknown_parameter" if problem["type"] == "extra_forbidden" else "invalid_value"
        reason = str(problem["msg"]).removeprefix("Value error, ")
        raise InvalidRequest(f"{param or 'The query'}: {reason}.", param=param, code=code) from error
