"""The sheets of series, in the bucket: each under a key of its own, which is never written again."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from mediaposter.domain.errors import ConfigurationError
from mediaposter.stores.series import Sheet, SheetFormat

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

SHEETS = "series/"

_CONTENT_TYPES = {SheetFormat.CSV: "text/csv", SheetFormat.JSONL: "application/jsonl"}
_MISSING_CODES = frozenset({"404", "NoSuchKey"})


class SheetStore:
    """The sheets in one bucket."""

    def __init__(self, s3_client: S3Client, bucket: str) -> None:
        self._s3 = s3_client
        self._bucket = bucket

    def put(self, name: str, content: bytes, sheet_format: SheetFormat, *, now: datetime) -> str:
        """Keep a sheet of a series, and give its key.

        It replaces no other: the bucket forgets old versions, and a turn may still be about one.
        """
        key = f"{SHEETS}{name}/{now:%Y-%m-%d}-{uuid.uuid4().hex[:12]}.{sheet_format}"
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=_CONTENT_TYPES[sheet_format])
        return key

    def read(self, sheet: Sheet) -> bytes:
        """Read a sheet.

        Raises:
            ConfigurationError: somebody removed it.
        """
        try:
            return self._s3.get_object(Bucket=self._bucket, Key=sheet.key)["Body"].read()
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _MISSING_CODES:
                raise ConfigurationError(
                    f"The sheet {sheet.key} is not in the bucket {self._bucket} any more. Give the series another: "
                    "mediaposter schedule replace-sheet."
                ) from error
            raise

    def remove_all(self, name: str) -> None:
        """Remove the sheets of a series; their old versions go when the bucket forgets them."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{SHEETS}{name}/")
        for page in pages:
            for found in page.get("Contents", []):
                self._s3.delete_object(Bucket=self._bucket, Key=found["Key"])
