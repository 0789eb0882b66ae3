"""Errors as OpenAI writes them: `{"error": {message, type, param, code}}`.

The SDK raises its own class by the HTTP status and shows these four fields
(developers.openai.com, API reference, errors).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


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
    """Say what is wrong with a request."""
    return ErrorEnvelope(error=ErrorDetail(message=message, type="invalid_request_error", param=param, code=code))


def server_error(message: str, *, code: str) -> ErrorEnvelope:
    """Say what went wrong on our side."""
    return ErrorEnvelope(error=ErrorDetail(message=message, type="server_error", param=None, code=code))


def limit_reached(message: str, *, code: str) -> ErrorEnvelope:
    """Say which limit has no room."""
    return ErrorEnvelope(error=ErrorDetail(message=message, type="rate_limit_error", param=None, code=code))
