"""Keep the reference picture that came with a request."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import NamedTuple, Protocol

from mediaposter.domain.errors import InvalidRequest, NotFound
from mediaposter.wire.caller import Caller
from mediaposter.wire.pictures import InputReference, PictureUrl, UploadedPicture


class PictureStore(Protocol):
    """Stores the pictures of requests until their videos are made."""

    def keep_upload(self, owner: str, upload_id: str, content: bytes, content_type: str) -> None: ...

    def read_upload(self, owner: str, upload_id: str) -> bytes:
        """Read a picture that the caller uploaded. Raises NotFound."""


class KeptPicture(NamedTuple):
    """The location of a request's picture, and the warnings about it."""

    place: str
    warnings: list[str]


def keep_picture(
    picture: InputReference, caller: Caller, *, size: str, pictures: Callable[[], PictureStore]
) -> KeptPicture:
    """Store a picture that came with the request; one behind a URL is fetched when the video starts.

    Raises:
        InvalidRequest: it is an upload that does not exist, or is no picture.
    """
    if isinstance(picture, PictureUrl):
        return KeptPicture(picture.url, [])
    if isinstance(picture, UploadedPicture):
        upload_id = f"upload_{uuid.uuid4().hex}"
        pictures().keep_upload(caller.owner, upload_id, picture.content, picture.content_type)
        return KeptPicture(upload_id, picture.list_warnings(size=size))
    try:
        read = UploadedPicture.read(pictures().read_upload(caller.owner, picture.upload_id))
    except NotFound as error:
        raise InvalidRequest(
            f"There is no upload {picture.upload_id}: first PUT the picture to the URL that POST /uploads returned.",
            param="input_reference",
            code="invalid_value",
        ) from error
    return KeptPicture(picture.upload_id, read.list_warnings(size=size))
