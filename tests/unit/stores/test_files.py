"""What batches, the inbox and series keep in a bucket; the bucket's own contract is in test_bucket.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediaposter.domain.errors import ConfigurationError, NotFound
from mediaposter.host.bucket import FolderBucket
from mediaposter.host.links import Links
from mediaposter.stores.batch_files import BatchFileStore
from mediaposter.stores.bucket import Bucket
from mediaposter.stores.inbox import InboxStore
from mediaposter.stores.media import upload_key
from mediaposter.stores.series import Sheet, SheetFormat
from mediaposter.stores.sheets import SheetStore
from tests.builders import NOW

KEY = "inbox/Drachen über 100%25 Meer+1.csv"
RESULTS = "batches/1/results.csv"


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return FolderBucket(tmp_path, Links(bytes(32), lambda: "http://127.0.0.1"))


@pytest.fixture
def files(bucket: Bucket) -> BatchFileStore:
    return BatchFileStore(bucket)


@pytest.fixture
def inbox(bucket: Bucket) -> InboxStore:
    return InboxStore(bucket)


def a_sheet(key: str) -> Sheet:
    return Sheet(key=key, format=SheetFormat.CSV)


# Of batches


def test_a_version_is_read_in_bounded_chunks_though_there_is_a_newer_one_or_the_file_was_removed(
    bucket: Bucket, files: BatchFileStore
) -> None:
    put = files.put(KEY, b"a" * 200_000)
    files.put(KEY, b"third")
    assert files.read_range(KEY, 1, 3) == b"hir"
    bucket.delete(KEY)

    with files.open_version(put.key, put.version_id) as chunks:
        assert [len(chunk) for chunk in chunks] == [65_536, 65_536, 65_536, 3_392]


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


def test_an_upload_is_found_with_the_type_that_it_was_put_with(bucket: Bucket, files: BatchFileStore) -> None:
    key = upload_key("somebody", "upload_1")
    put = bucket.put(key, b"prompt\n", content_type="text/csv")

    assert files.find_upload("somebody", "upload_1") == (key, put.version_id, "text/csv")


@pytest.mark.parametrize("size_bytes", [10, 9 * 1024**2], ids=["in memory", "on disk"])
def test_a_file_is_written_under_each_of_its_keys(bucket: Bucket, files: BatchFileStore, size_bytes: int) -> None:
    with files.write(RESULTS, "outbox/kites.results.csv", content_type="text/csv") as file:
        file.write(b"a" * size_bytes)

    for key in (RESULTS, "outbox/kites.results.csv"):
        assert (len(bucket.read(key)), bucket.head(key).content_type) == (size_bytes, "text/csv")


def test_a_file_whose_writing_breaks_off_is_not_there(files: BatchFileStore) -> None:
    def write() -> None:
        with files.write(RESULTS) as file:
            file.write(b"first\n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()

    with pytest.raises(NotFound):
        files.read(RESULTS)


# Of the inbox


def test_a_dropped_file_is_read_in_its_newest_version_or_the_one_that_is_named(
    bucket: Bucket, inbox: InboxStore
) -> None:
    assert not inbox.has(KEY)
    first, second = (bucket.put(KEY, text, content_type="text/csv").version_id for text in (b"first", b"second"))

    assert inbox.has(KEY)
    assert inbox.read(KEY, max_bytes=6) == (KEY, second, 6, b"second")
    assert inbox.read(KEY, max_bytes=6, version_id=first) == (KEY, first, 5, b"first")
    assert inbox.read(KEY, max_bytes=5) == (KEY, second, 6, None)
    bucket.delete_all(KEY)
    for wanted in (None, first):
        with pytest.raises(NotFound):
            inbox.read(KEY, max_bytes=6, version_id=wanted)


def test_an_answer_is_read_as_it_was_laid_down_last(bucket: Bucket, inbox: InboxStore) -> None:
    answer_key = "outbox/kite.result.json"
    before = inbox.read_answer(answer_key)
    inbox.put_answer(answer_key, b'{"error": 1}')
    inbox.put_answer(answer_key, b"{}")

    assert (before, inbox.read_answer(answer_key)) == (None, b"{}")
    assert bucket.head(answer_key).content_type == "application/json"


# Of series


def test_the_sheets_of_a_series_are_kept_below_its_name_and_removed_alone(bucket: Bucket) -> None:
    sheets = SheetStore(bucket)
    contents = [b"prompt\nA kite", b"prompt\nAnother"]
    keys = [sheets.put("kites", content, SheetFormat.CSV, now=NOW) for content in contents]
    left = sheets.put("kites-2", contents[0], SheetFormat.CSV, now=NOW)

    assert all(key.startswith("series/kites/2026-12-01-") and key.endswith(".csv") for key in keys)
    assert [sheets.read(a_sheet(key)) for key in keys] == contents
    sheets.remove_all("kites")
    assert list(bucket.list_keys("series/")) == [left]


def test_a_sheet_that_is_gone_is_told_with_what_to_do(bucket: Bucket) -> None:
    with pytest.raises(ConfigurationError, match=r"series/kites/gone\.csv is not in the bucket .* replace-sheet"):
        SheetStore(bucket).read(a_sheet("series/kites/gone.csv"))
