"""POST /uploads: a place for a picture that is too large for a request, or for a file of requests."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from mediaposter.api.records import FILE_MAX_BYTES
from mediaposter.errors import InvalidRequest

UPLOAD_MAX_BYTES = 20 * 1024 * 1024


class UploadRequest(BaseModel):
    """What is to be put, which the URL is then bound to: a picture has 20 MiB at most, a file of requests 100."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    content_type: Literal["image/png", "image/jpeg", "image/webp", "text/csv", "application/jsonl"]
    size_bytes: int = Field(gt=0, le=FILE_MAX_BYTES)

    @field_validator("size_bytes", mode="after")
    @classmethod
    def _fit_pictures(cls, size_bytes: int, info: ValidationInfo) -> int:
        if size_bytes > UPLOAD_MAX_BYTES and str(info.data.get("content_type")).startswith("image/"):
            raise ValueError(f"a picture has {UPLOAD_MAX_BYTES} bytes at most")
        return size_bytes


def parse_upload(body: bytes, content_type: str) -> UploadRequest:
    """Read the body of POST /uploads, which is JSON.

    Raises:
        InvalidRequest: naming the field and what is wrong with it.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise InvalidRequest("Send application/json: content_type and size_bytes.", code="unsupported_content_type")
    try:
        return UploadRequest.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        if problem["type"] == "json_invalid":
            raise InvalidRequest("The body is not valid JSON.", code="invalid_json") from error
        param = str(problem["loc"][0])[:80] if problem["loc"] else None
        reason = str(problem["msg"]).removeprefix("Value error, ")
        raise InvalidRequest(f"{param or 'The body'}: {reason}.", param=param, code="invalid_value") from error
