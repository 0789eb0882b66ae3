"""The files of batches, against moto's S3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from mediaposter.domain.errors import NotFound
from mediaposter.stores.batch_files import BatchFileStore
from mediaposter.stores.media import upload_key
from mediaposter.stores.s3_bucket import S3Bucket
from tests.fakes.aws import connect_s3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "media"
KEY = "inbox/Drachen über 100%25 Meer+1.csv"


@pytest.fixture
def s3() -> Iterator[S3Client]:
    with mock_aws():
        client = connect_s3()
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture
def files(s3: S3Client) -> BatchFileStore:
    return BatchFileStore(S3Bucket(s3, BUCKET))


def test_a_version_comes_in_bounded_chunks(files: BatchFileStore) -> None:
    put = files.put(KEY, b"a" * 200_000)

    with files.open_version(put.key, put.version_id) as chunks:
        assert [len(chunk) for chunk in chunks] == [65_536, 65_536, 65_536, 3_392]


def test_a_version_is_read_though_there_is_a_newer_one_or_the_file_was_removed(
    s3: S3Client, files: BatchFileStore
) -> None:
    put = files.put(KEY, b"first\nsecond\n")
    files.put(KEY, b"third")
    assert files.read_range(KEY, 1, 3) == b"hir"
    s3.delete_object(Bucket=BUCKET, Key=KEY)

    with files.open_version(put.key, put.version_id) as chunks:
        assert b"".join(chunks) == b"first\nsecond\n"


def test_what_is_not_there_is_not_found(files: BatchFileStore) -> None:
    put = files.put(KEY, b"first")
    with pytest.raises(NotFound), files.open_version("inbox/other.csv", put.version_id):
        pass
    with pytest.raises(NotFound):
        files.read("batches/1/rows.jsonl")
    with pytest.raises(NotFound):
        files.read_range("batches/1/rows.jsonl", 0, 1)
    with pytest.raises(NotFound):
        files.find_upload("somebody", f"upload_{'a' * 32}")


def test_an_upload_is_found_with_the_type_that_it_was_put_with(s3: S3Client, files: BatchFileStore) -> None:
    key = upload_key("somebody", "upload_1")
    version_id = s3.put_object(Bucket=BUCKET, Key=key, Body=b"prompt\n", ContentType="text/csv")["VersionId"]

    assert files.find_upload("somebody", "upload_1") == (key, version_id, "text/csv")


@pytest.mark.parametrize("size_bytes", [10, 9 * 1024**2], ids=["in memory", "on disk"])
def test_a_file_is_written_under_each_of_its_keys(s3: S3Client, files: BatchFileStore, size_bytes: int) -> None:
    with files.write("batches/1/results.csv", "outbox/kites.results.csv", content_type="text/csv") as file:
        file.write(b"a" * size_bytes)

    for key in ("batches/1/results.csv", "outbox/kites.results.csv"):
        found = s3.get_object(Bucket=BUCKET, Key=key)
        assert (len(found["Body"].read()), found["ContentType"]) == (size_bytes, "text/csv")


def test_a_file_whose_writing_breaks_off_is_not_there(files: BatchFileStore) -> None:
    def write() -> None:
        with files.write("batches/1/results.csv") as file:
            file.write(b"first\n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()

    with pytest.raises(NotFound):
        files.read("batches/1/results.csv")


def test_a_fault_of_the_service_stays_one(s3: S3Client) -> None:
    with pytest.raises(ClientError):
        BatchFileStore(S3Bucket(s3, "no-such-bucket")).put("key", b"")
