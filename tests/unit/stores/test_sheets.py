"""The sheets of series in a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from mediaposter.domain.errors import ConfigurationError
from mediaposter.stores.s3_bucket import S3Bucket
from mediaposter.stores.series import Sheet, SheetFormat
from mediaposter.stores.sheets import SheetStore
from tests.builders import NOW
from tests.fakes.aws import connect_s3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "videos"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Client]:
    """Give a client of a service with the bucket, which is versioned."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        made = connect_s3()
        made.create_bucket(Bucket=BUCKET)
        made.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield made


@pytest.fixture
def store(client: S3Client) -> SheetStore:
    return SheetStore(S3Bucket(client, BUCKET))


def a_sheet(key: str) -> Sheet:
    return Sheet(key=key, format=SheetFormat.CSV)


def test_a_sheet_is_kept_below_the_name_of_its_series_and_read_again(store: SheetStore) -> None:
    key = store.put("kites", b"prompt\nA kite", SheetFormat.CSV, now=NOW)

    assert key.startswith("series/kites/2026-12-01-")
    assert key.endswith(".csv")
    another = store.put("kites", b"prompt\nAnother", SheetFormat.CSV, now=NOW)
    assert [store.read(a_sheet(one)) for one in (key, another)] == [b"prompt\nA kite", b"prompt\nAnother"]


def test_a_sheet_that_is_gone_is_told_with_what_to_do(store: SheetStore) -> None:
    with pytest.raises(ConfigurationError, match=r"series/kites/gone\.csv is not in the bucket .* replace-sheet"):
        store.read(a_sheet("series/kites/gone.csv"))


def test_another_refusal_is_a_fault(client: S3Client) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        SheetStore(S3Bucket(client, "another-bucket")).read(a_sheet("series/kites/first.csv"))


def test_the_sheets_of_a_series_are_removed_and_those_of_others_stay(store: SheetStore, client: S3Client) -> None:
    for name in ("kites", "kites", "kites-2"):
        store.put(name, b"prompt\nA kite", SheetFormat.CSV, now=NOW)

    store.remove_all("kites")

    (left,) = client.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert left["Key"].startswith("series/kites-2/")
