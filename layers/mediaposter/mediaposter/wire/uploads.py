"""POST /uploads: upload a picture that is too large for a request, or a file of requests."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from mediaposter.domain.errors import InvalidRequest
from mediaposter.wire.bodies import parse_body, validate_fields
from mediaposter.wire.records import FILE_MAX_BYTES
from mediaposter.wire.requests import RequestBody

UPLOAD_MAX_BYTES = 20 * 1024 * 1024


class UploadRequest(RequestBody):
    """What is to be put, which the URL is then bound to: a picture has 20 MiB at most, a file of requests 100."""

    content_type: Literal["image/png", "image/jpeg", "image/webp", "text/csv", "application/jsonl"]
    size_bytes: int = Field(gt=0, le=FILE_MAX_BYTES)

    @field_validator("size_bytes", mode="after")
    @classmethod
    def _fit_pictures(cls, size_bytes: int, info: ValidationInfo) -> int:
        if size_bytes > UPLOAD_MAX_BYTES and str(info.data.get("content_type")).startswith("image/"):
            raise ValueError(f"a picture may have at most {UPLOAD_MAX_BYTES} bytes, got {size_bytes}")
        return size_bytes


def parse_upload(body: bytes, content_type: str) -> UploadRequest:
    """Read the body of POST /uploads, which is JSON.

    Raises:
        InvalidRequest: names the field and the error.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise InvalidRequest("Send application/json: content_type and size_bytes.", code="unsupported_content_type")
    return validate_fields(UploadRequest, parse_body(body, content_type, allow_form=False).fields)
