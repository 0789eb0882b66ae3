"""The files that are dropped into the bucket, and the answers that are laid beside them.

Below `inbox/` others write and this stack reads; below `outbox/` it is the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from mediaposter.domain.errors import NotFound

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

INBOX = "inbox/"
OUTBOX = "outbox/"

_MISSING_CODES = frozenset({"404", "NoSuchKey", "NoSuchVersion"})


class InboxFile(NamedTuple):
    """A version of a file. The content of one that is larger than was asked for is None."""

    key: str
    version_id: str
    size_bytes: int
    content: bytes | None


class InboxStore:
    """The inbox and the outbox of one bucket, which is versioned.

    The role needs ListBucket on the bucket: without it S3 answers 403, not 404, for a key that is not there.
    """

    def __init__(self, s3_client: S3Client, bucket: str) -> None:
        self._s3 = s3_client
        self._bucket = bucket

    def read(self, key: str, *, max_bytes: int, version_id: str | None = None) -> InboxFile:
        """Read a version of a file, or its newest.

        Raises:
            NotFound: there is none, or no such version.
        """
        with self._named_errors():
            response = (
                self._s3.get_object(Bucket=self._bucket, Key=key)
                if version_id is None
                else self._s3.get_object(Bucket=self._bucket, Key=key, VersionId=version_id)
            )
        size_bytes = response["ContentLength"]
        with closing(response["Body"]) as body:
            content = body.read() if size_bytes <= max_bytes else None
        return InboxFile(key, response["VersionId"], size_bytes, content)

    def has(self, key: str) -> bool:
        """Tell whether a file is there."""
        try:
            with self._named_errors():
                self._s3.head_object(Bucket=self._bucket, Key=key)
        except NotFound:
            return False
        return True

    def read_answer(self, key: str) -> bytes | None:
        """Read an answer that was laid down before, if one was."""
        try:
            with self._named_errors():
                return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except NotFound:
            return None

    def put_answer(self, key: str, content: bytes) -> None:
        """Lay an answer down, in place of an earlier one."""
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType="application/json")

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _MISSING_CODES:
                raise NotFound("There is no such file in the inbox.", what="file") from error
            raise
