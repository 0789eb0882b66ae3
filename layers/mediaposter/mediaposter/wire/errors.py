"""Errors as OpenAI writes them: `{"error": {message, type, param, code}}`.

The SDK raises its own class by the HTTP status and shows these four fields
(developers.openai.com, API reference, errors).
"""

from __future__ import annotations

import math
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict

from mediaposter.domain.errors import ApiError, ErrorType
from mediaposter.domain.problem import Problem

# OpenAI's SDKs send a request again after these and after any 5xx (openai-python, `_base_client._should_retry`).
_RETRIED_BY_SDKS = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})


class ErrorDetail(BaseModel):
    """The inner object of the envelope."""

    model_config = ConfigDict(frozen=True)

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorEnvelope(BaseModel):
    """The body of every reply that is not a success."""

    model_config = ConfigDict(frozen=True)

    error: ErrorDetail


def present_error(error: ApiError) -> ErrorEnvelope:
    """Write an error for its caller, who sent a request by HTTP, as a file or as an event."""
    return ErrorEnvelope(error=present_problem(error.problem, error.type))


def present_problem(problem: Problem, error_type: ErrorType = ErrorType.INVALID_REQUEST) -> ErrorDetail:
    """Write a problem, such as a recorded one, as the inner object of the envelope."""
    return ErrorDetail(message=problem.message, type=error_type, param=problem.param, code=problem.code)


def list_retry_headers(error: ApiError) -> dict[str, str]:
    """Return the headers that tell a client when to send its request again, or an SDK not to."""
    if error.retry.after_seconds is not None:
        return {"Retry-After": str(math.ceil(error.retry.after_seconds))}
    is_retried_by_sdks = error.status in _RETRIED_BY_SDKS or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return {"x-should-retry": "false"} if is_retried_by_sdks and not error.retry.may_succeed else {}
