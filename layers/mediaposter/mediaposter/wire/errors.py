"""Errors as OpenAI writes them: `{"error": {message, type, param, code}}`.

The SDK raises its own class by the HTTP status and shows these four fields
(developers.openai.com, API reference, errors).
"""

from __future__ import annotations

from typing import TypeAlias, get_args

from pydantic import BaseModel, ConfigDict

from mediaposter.domain.errors import BudgetExceeded, IdempotencyKeyReused, InvalidRequest, VideoDeleted

# Errors of the request itself: a retry gets the same error. Nothing was recorded.
Refusal: TypeAlias = InvalidRequest | IdempotencyKeyReused | VideoDeleted | BudgetExceeded
REFUSALS: tuple[type[Refusal], ...] = get_args(Refusal)


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


def invalid_request(message: str, *, param: str | None, code: str | None) -> ErrorEnvelope:
    """Write the error for an invalid request."""
    return ErrorEnvelope(error=ErrorDetail(message=message, type="invalid_request_error", param=param, code=code))


def server_error(message: str, *, code: str) -> ErrorEnvelope:
    """Write the error for a fault on our side."""
    return ErrorEnvelope(error=ErrorDetail(message=message, type="server_error", param=None, code=code))


def limit_reached(message: str, *, code: str) -> ErrorEnvelope:
    """Write the error for an exceeded limit."""
    return ErrorEnvelope(error=ErrorDetail(message=message, type="rate_limit_error", param=None, code=code))


def present_refusal(refusal: Refusal) -> ErrorEnvelope:
    """Write the error for a refused request, whether it came by HTTP or not."""
    if isinstance(refusal, InvalidRequest):
        return invalid_request(refusal.message, param=refusal.param, code=refusal.code)
    if isinstance(refusal, IdempotencyKeyReused):
        return invalid_request(str(refusal), param=None, code="idempotency_key_reused")
    if isinstance(refusal, VideoDeleted):
        return invalid_request(str(refusal), param=None, code="video_deleted")
    return limit_reached(str(refusal), code="budget_exceeded")
