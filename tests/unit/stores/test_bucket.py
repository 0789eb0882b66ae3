"""One contract for the bucket in S3 (moto) and in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.host.bucket import FolderBucket
from mediaposter.host.links import Links
from mediaposter.stores.bucket import Bucket
from mediaposter.stores.s3_bucket import S3Bucket
from tests.fakes.aws import connect_s3

KEY = "inbox/Drachen über 100%25 Meer+1.json"
JSON = "application/json"


@pytest.fixture(params=["s3", "folder"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bucket]:
    if request.param == "folder":
        yield FolderBucket(tmp_path / "media", Links(bytes(32), lambda: "http://127.0.0.1"))
        return
    with mock_aws():
        client = connect_s3()
        client.create_bucket(Bucket="media")
        client.put_bucket_versioning(Bucket="media", VersioningConfiguration={"Status": "Enabled"})
        yield S3Bucket(client, "media")


def read_version(bucket: Bucket, key: str, version_id: str | None) -> bytes:
    with bucket.open(key, version_id=version_id) as found:
        return b"".join(found.chunks)


def test_what_was_put_is_read_under_its_key_and_listed_by_it(bucket: Bucket) -> None:
    for key in (KEY, "a/../b", ".hidden", "trailing./ ", "aux.txt", "a//b", 'what? "<*>|\\:', "🪁\n"):
        put = bucket.put(key, b"a kite", content_type=JSON)

        assert bucket.read(key) == b"a kite"
        assert bucket.head(key) == put
        assert (put.key, put.size_bytes, put.content_type) == (key, 6, JSON)
        assert list(bucket.list_keys("")) == [key]
        assert bucket.delete_all(key) == 1


@pytest.mark.parametrize("content_type", ["text/csv", "image/png", "application/x-of-their-own"])
def test_the_type_is_kept_whatever_the_name_says(bucket: Bucket, content_type: str) -> None:
    bucket.put("kites.csv", b"", content_type="application/pdf")
    bucket.put("kites.csv", b"", content_type=content_type)

    assert bucket.head("kites.csv").content_type == content_type


def test_a_file_is_put_from_where_it_is_read(bucket: Bucket) -> None:
    put = bucket.put(KEY, BytesIO(b"a" * 300_000), content_type=JSON)

    assert (put.size_bytes, len(bucket.read(KEY))) == (300_000, 300_000)


def test_what_is_not_there_is_not_found(bucket: Bucket) -> None:
    put = bucket.put("a/b", b"", content_type=JSON)

    for key in ("other", "a", "a/b/c", "x" * 900):
        with pytest.raises(NotFound, match="in the bucket"):
            bucket.head(key)
        with pytest.raises(NotFound), bucket.open(key, version_id=put.version_id):
            pass
        bucket.delete(key)
    assert list(bucket.list_keys("")) == ["a/b"]


def test_a_version_is_read_though_it_was_replaced_and_removed_since(bucket: Bucket) -> None:
    versions = [bucket.put(KEY, content, content_type=JSON).version_id for content in (b"1st", b"2nd", b"3rd")]
    bucket.delete(KEY)

    assert [read_version(bucket, KEY, version_id) for version_id in versions] == [b"1st", b"2nd", b"3rd"]
    with pytest.raises(NotFound):
        bucket.head(KEY)
    assert list(bucket.list_keys("")) == []


def test_equal_contents_are_versions_of_their_own(bucket: Bucket) -> None:
    assert len({bucket.put(KEY, b"the same", content_type=JSON).version_id for _ in range(20)}) == 20


def test_one_version_is_removed_for_good_and_the_others_stay(bucket: Bucket) -> None:
    first, second = (bucket.put(KEY, content, content_type=JSON).version_id for content in (b"1st", b"2nd"))

    bucket.delete(KEY, version_id=first)
    bucket.delete(KEY, version_id=first)

    with pytest.raises(NotFound):
        read_version(bucket, KEY, first)
    assert read_version(bucket, KEY, second) == bucket.read(KEY) == b"2nd"


def test_an_object_is_read_in_bounded_chunks_and_in_parts(bucket: Bucket) -> None:
    content = bytes(range(250)) * 400
    bucket.put(KEY, content, content_type=JSON)

    with bucket.open(KEY, chunk_bytes=65_536) as found:
        assert [len(chunk) for chunk in found.chunks] == [65_536, 34_464]
    assert bucket.read(KEY, first_byte=7, size_bytes=3) == content[7:10]
    assert bucket.read(KEY, first_byte=99_998) == content[-2:]
    assert bucket.read(KEY, first_byte=99_998, size_bytes=100) == content[-2:]
    with bucket.open(KEY, first_byte=7, size_bytes=3) as found:
        assert found.stored == bucket.head(KEY), "it is told whole"


def test_an_object_that_is_streamed_in_is_seen_when_it_is_complete(bucket: Bucket) -> None:
    with bucket.create(KEY, content_type=JSON) as new:
        new.write(b"first ")
        new.write(b"second")
        assert list(bucket.list_keys("")) == []
        version_id = new.complete()

    assert read_version(bucket, KEY, version_id) == b"first second"
    assert bucket.head(KEY).content_type == JSON


def test_an_object_that_is_not_completed_leaves_nothing(bucket: Bucket) -> None:
    def break_off() -> None:
        with bucket.create(KEY, content_type=JSON) as new:
            new.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()

    assert bucket.delete_all("") == 0


def test_of_two_that_stream_in_the_first_is_kept(bucket: Bucket) -> None:
    def come_late() -> None:
        with bucket.create(KEY, content_type=JSON) as late:
            late.write(b"late")
            with bucket.create(KEY, content_type=JSON) as early:
                early.write(b"early")
                early.complete()
            late.complete()

    with pytest.raises(VersionConflict, match="this copy was dropped"):
        come_late()

    assert bucket.read(KEY) == b"early"
    assert bucket.delete_all("") == 1


def test_all_that_begins_so_is_removed_with_its_versions_and_uploads_and_the_rest_stays(bucket: Bucket) -> None:
    for key in ("videos/video_1/video.mp4", "videos/video_1/video.mp4", "videos/video_1/x.csv", "videos/video_10/a"):
        bucket.put(key, b"", content_type=JSON)
    counts: list[int] = []

    def be_removed() -> None:
        with bucket.create("videos/video_1/new", content_type=JSON) as new:
            counts.extend(bucket.delete_all("videos/video_1/") for _ in range(2))
            new.complete()

    # moto has no answer to an upload that is gone; that of S3 is in test_media.py.
    with pytest.raises((VersionConflict, KeyError)):
        be_removed()

    assert counts == [4, 0]
    assert list(bucket.list_keys("videos/")) == ["videos/video_10/a"]


def test_keys_are_listed_by_what_they_begin_with_in_their_order(bucket: Bucket) -> None:
    keys = ["a-b", "a/b", "a/ü", "ab", "a/b-c", "b"]
    for key in keys:
        bucket.put(key, b"", content_type=JSON)

    assert list(bucket.list_keys("")) == sorted(keys)
    assert list(bucket.list_keys("a/b")) == ["a/b", "a/b-c"]
    assert list(bucket.list_keys("nothing/")) == []


def test_links_are_of_one_object(bucket: Bucket) -> None:
    get = bucket.sign_get(KEY, filename="kite.json", seconds=900)
    put = bucket.sign_put(KEY, content_type=JSON, size_bytes=10, seconds=900)

    assert get.startswith("http")
    assert len({get, put, bucket.sign_get("other", filename="kite.json", seconds=900)}) == 3


def test_a_fault_of_s3_is_not_taken_for_a_file_that_is_not_there() -> None:
    with mock_aws():
        elsewhere = S3Bucket(connect_s3(), "no-such-bucket")

        for ask in (elsewhere.head, elsewhere.read, lambda key: elsewhere.put(key, b"", content_type=JSON)):
            with pytest.raises(ClientError, match=r"NoSuchBucket|404"):
                ask(KEY)
