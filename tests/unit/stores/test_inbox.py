"""The inbox, against moto's S3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from mediaposter.domain.errors import NotFound
from mediaposter.stores.inbox import InboxStore
from mediaposter.stores.s3_bucket import S3Bucket
from tests.fakes.aws import connect_s3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "media"
KEY = "inbox/Drachen über 100%25 Meer+1.json"


@pytest.fixture
def s3() -> Iterator[S3Client]:
    with mock_aws():
        client = connect_s3()
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture
def inbox(s3: S3Client) -> InboxStore:
    return InboxStore(S3Bucket(s3, BUCKET))


def drop(s3: S3Client, content: bytes) -> str:
    return s3.put_object(Bucket=BUCKET, Key=KEY, Body=content)["VersionId"]


def test_a_file_is_read_in_its_newest_version_or_the_one_that_is_named(s3: S3Client, inbox: InboxStore) -> None:
    first, second = drop(s3, b"first"), drop(s3, b"second")

    assert inbox.read(KEY, max_bytes=6) == (KEY, second, 6, b"second")
    assert inbox.read(KEY, max_bytes=6, version_id=first) == (KEY, first, 5, b"first")
    assert inbox.read(KEY, max_bytes=5) == (KEY, second, 6, None)


def test_a_file_that_is_not_there_or_was_removed_is_not_found(s3: S3Client, inbox: InboxStore) -> None:
    version_id = drop(s3, b"first")
    s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=version_id)

    for wanted in (None, version_id):
        with pytest.raises(NotFound):
            inbox.read(KEY, max_bytes=6, version_id=wanted)


def test_a_file_is_there_or_is_not(s3: S3Client, inbox: InboxStore) -> None:
    before = inbox.has(KEY)
    drop(s3, b"first")

    assert (before, inbox.has(KEY)) == (False, True)


def test_an_answer_is_read_as_it_was_laid_down_last(s3: S3Client, inbox: InboxStore) -> None:
    before = inbox.read_answer("outbox/kite.result.json")
    inbox.put_answer("outbox/kite.result.json", b'{"error": 1}')
    inbox.put_answer("outbox/kite.result.json", b"{}")

    assert (before, inbox.read_answer("outbox/kite.result.json")) == (None, b"{}")
    assert s3.head_object(Bucket=BUCKET, Key="outbox/kite.result.json")["ContentType"] == "application/json"


def test_a_fault_is_not_taken_for_a_file_that_is_not_there(s3: S3Client) -> None:
    elsewhere = InboxStore(S3Bucket(s3, "no-such-bucket"))

    with pytest.raises(ClientError):
        elsewhere.read(KEY, max_bytes=6)
    with pytest.raises(ClientError):
        elsewhere.read_answer(KEY)
