"""Presign an upload for a picture, and read the picture when its video starts."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from mediaposter.domain.errors import ErrorCode, InvalidRequest, NotFound, VideoModelError
from mediaposter.stores.media import PresignedUpload
from mediaposter.stores.video_record import Video
from mediaposter.wire.caller import Caller
from mediaposter.wire.pictures import UploadedPicture
from mediaposter.wire.uploads import UploadRequest


class UploadStore(Protocol):
    """Stores pictures until their videos are made."""

    def presign_upload(self, owner: str, upload_id: str, *, content_type: str, size_bytes: int) -> PresignedUpload:
        """Give a short-lived URL that takes one object of this type and size."""

    def read_upload(self, owner: str, upload_id: str) -> bytes:
        """Read a picture. Raises NotFound."""


class UploadCounter(Protocol):
    """Limits the uploads of an owner."""

    def count(self, owner: str, size_bytes: int, *, now: datetime) -> None:
        """Count an upload of a size. Raises RateExceeded."""


class OpenedUpload(NamedTuple):
    """A presigned upload, and its id."""

    upload_id: str
    presigned: PresignedUpload


class OpenUpload:
    """Give a caller an upload URL for a picture."""

    def __init__(self, *, media: UploadStore, uploads: UploadCounter, clock: Callable[[], datetime]) -> None:
        self._media = media
        self._uploads = uploads
        self._clock = clock

    def __call__(self, request: UploadRequest, *, caller: Caller) -> OpenedUpload:
        """Presign an upload under a new id; only the owner's daily count of uploads is recorded.

        Raises:
            RateExceeded: the owner has reached the daily limit of uploads.
        """
        self._uploads.count(caller.owner, request.size_bytes, now=self._clock())
        upload_id = f"upload_{uuid.uuid4().hex}"
        presigned = self._media.presign_upload(
            caller.owner, upload_id, content_type=request.content_type, size_bytes=request.size_bytes
        )
        return OpenedUpload(upload_id, presigned)


class ReadPicture:
    """Read the reference picture of a video in the form that adapters accept."""

    def __init__(self, *, media: Callable[[], UploadStore]) -> None:
        self._media = media

    def __call__(self, video: Video) -> str:
        """Give a URL as it is, and an upload as a data URI.

        Raises:
            VideoModelError: with code `invalid_request`: it is gone, or is not a picture.
        """
        source = video.input_image or ""
        if not source.startswith("upload_"):
            return source
        try:
            content = self._media().read_upload(video.owner, source)
            picture = UploadedPicture.read(content)
        except (NotFound, InvalidRequest) as error:
            raise VideoModelError(
                ErrorCode.INVALID_REQUEST, f"The picture {source} cannot be used, and nothing was submitted: {error}"
            ) from error
        return f"data:{picture.content_type};base64,{base64.b64encode(picture.content).decode('ascii')}"
