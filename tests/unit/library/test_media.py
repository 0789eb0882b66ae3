"""The media room, against moto's S3."""

from __future__ import annotations

import io
import struct
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws
from PIL import Image

from mediaposter.errors import Conflict, ErrorCode, MediaError, NotFound, VideoModelError
from mediaposter.library.media import MediaLibrary, StoredVideo
from mediaposter.streaming.ingest import OpenStream
from mediaposter.streaming.video_stream import VideoStream

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "media"
KEY = "videos/video_1/video.mp4"
THUMBNAIL_KEY = "videos/video_1/thumbnail.webp"
LOST = VideoModelError(ErrorCode.PROVIDER_ERROR, "The connection was lost.", transient=True)


@pytest.fixture
def s3() -> Iterator[S3Client]:
    with mock_aws():
        client = boto3.client(
            "s3",
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(signature_version="s3v4"),
        )
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def library(s3: S3Client, tmp_path: Path) -> MediaLibrary:
    return MediaLibrary(s3, BUCKET, spool_directory=tmp_path)


def serve(body: bytes, *, stops_at: int | None = None, raises: Exception | None = None) -> OpenStream:
    """Serve `body`; the first time only up to `stops_at`, then raising."""
    first_time = [True]

    @contextmanager
    def open_stream(start_byte: int, validator: str | None) -> Iterator[VideoStream]:
        breaks = raises is not None and first_time[0]
        first_time[0] = False

        def chunks() -> Iterator[bytes]:
            end = stops_at if breaks else len(body)
            for at in range(start_byte, len(body) if end is None else end, 65_536):
                yield body[at : min(at + 65_536, len(body) if end is None else end)]
            if breaks and raises is not None:
                raise raises

        yield VideoStream(chunks=chunks(), start_byte=start_byte, size_bytes=len(body), validator='"v1"')

    return open_stream


def never_opened(start_byte: int, validator: str | None) -> Iterator[VideoStream]:
    raise AssertionError("the provider was asked for a video that is stored already")


def store(library: MediaLibrary, open_stream: OpenStream) -> StoredVideo:
    return library.store_video("video_1", open_stream, deadline=10, clock=lambda: 0, sleep=lambda _: None)


def keys(s3: S3Client) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def unfinished_uploads(s3: S3Client) -> int:
    return len(s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))


def read(s3: S3Client, key: str) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def box(box_type: str, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), box_type.encode()) + body


@pytest.fixture(scope="session")
def long_mp4(moov_first_mp4: bytes) -> bytes:
    """A clip of three parts: the rest is noise in a box that players pass over."""
    return moov_first_mp4 + box("free", bytes(range(256)) * (80 * 1024))


@pytest.mark.parametrize("moov_first", [True, False])
def test_a_video_is_stored_as_it_came_with_what_it_is(
    s3: S3Client, library: MediaLibrary, make_video: Callable[..., Path], moov_first: bool
) -> None:
    body = make_video(moov_first=moov_first).read_bytes()
    stored = store(library, serve(body))
    assert read(s3, KEY) == body
    assert s3.head_object(Bucket=BUCKET, Key=KEY)["ContentType"] == "video/mp4"
    assert (stored.key, stored.thumbnail_key) == (KEY, THUMBNAIL_KEY)
    assert (stored.size_bytes, stored.sha256) == (len(body), sha256(body).hexdigest())
    assert (stored.probe.width, stored.probe.height, stored.probe.duration_ms) == (320, 180, 1000)


def test_a_thumbnail_is_stored_beside_the_video(s3: S3Client, library: MediaLibrary, moov_first_mp4: bytes) -> None:
    store(library, serve(moov_first_mp4))
    assert Image.open(io.BytesIO(read(s3, THUMBNAIL_KEY))).size == (320, 180)
    assert s3.head_object(Bucket=BUCKET, Key=THUMBNAIL_KEY)["ContentType"] == "image/webp"


def test_a_video_of_many_parts_is_stored_in_order(s3: S3Client, library: MediaLibrary, long_mp4: bytes) -> None:
    stored = store(library, serve(long_mp4))
    assert sha256(read(s3, KEY)).hexdigest() == stored.sha256 == sha256(long_mp4).hexdigest()
    assert s3.head_object(Bucket=BUCKET, Key=KEY)["ETag"].endswith('-3"')


def test_each_part_is_sent_and_completed_with_its_checksum(
    s3: S3Client, library: MediaLibrary, moov_first_mp4: bytes
) -> None:
    sent: list[str | None] = []
    completed: list[bytes] = []

    def note_part(params: dict[str, Any], **_: object) -> None:
        sent.append(params["headers"].get("x-amz-checksum-crc32"))

    def note_completion(params: dict[str, Any], **_: object) -> None:
        completed.append(params["body"])

    s3.meta.events.register("before-call.s3.UploadPart", note_part)
    s3.meta.events.register("before-call.s3.CompleteMultipartUpload", note_completion)
    store(library, serve(moov_first_mp4))
    checksum = b64encode(crc32(moov_first_mp4).to_bytes(4, "big")).decode()
    assert sent == [checksum]
    assert f"<ChecksumCRC32>{checksum}</ChecksumCRC32>".encode() in completed[0]


def test_a_broken_download_is_resumed_into_the_same_object(
    s3: S3Client, library: MediaLibrary, long_mp4: bytes
) -> None:
    store(library, serve(long_mp4, stops_at=12_345_678, raises=LOST))
    assert read(s3, KEY) == long_mp4


def test_the_spool_is_removed(library: MediaLibrary, moov_first_mp4: bytes, tmp_path: Path) -> None:
    store(library, serve(moov_first_mp4))
    with pytest.raises(MediaError):
        library.store_video("video_2", serve(b"<html>" * 10), deadline=10, clock=lambda: 0)
    assert list(tmp_path.iterdir()) == []


def test_a_stream_that_fails_late_leaves_nothing(s3: S3Client, library: MediaLibrary, long_mp4: bytes) -> None:
    gone = VideoModelError(ErrorCode.EXPIRED, "The video has expired.")
    with pytest.raises(VideoModelError, match="expired"):
        store(library, serve(long_mp4, stops_at=18_000_000, raises=gone))
    assert (keys(s3), unfinished_uploads(s3)) == ([], 0)


def test_a_video_cut_off_leaves_nothing(s3: S3Client, library: MediaLibrary, moov_first_mp4: bytes) -> None:
    with pytest.raises(MediaError, match="cut off"):
        store(library, serve(moov_first_mp4[:-1]))
    assert (keys(s3), unfinished_uploads(s3)) == ([], 0)


def test_a_video_that_does_not_play_leaves_nothing(s3: S3Client, library: MediaLibrary) -> None:
    with pytest.raises(MediaError):
        store(library, serve(box("ftyp", b"isom") + box("moov", bytes(64)) + box("mdat", bytes(64))))
    assert (keys(s3), unfinished_uploads(s3)) == ([], 0)


def test_an_interrupt_leaves_nothing(s3: S3Client, library: MediaLibrary, moov_first_mp4: bytes) -> None:
    @contextmanager
    def interrupt(start_byte: int, validator: str | None) -> Iterator[VideoStream]:
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        store(library, interrupt)
    assert (keys(s3), unfinished_uploads(s3)) == ([], 0)


def test_an_upload_is_aborted_only_when_its_parts_have_ended(
    s3: S3Client, library: MediaLibrary, long_mp4: bytes
) -> None:
    happened: list[str] = []
    aborted = threading.Event()

    def upload_slowly(**_: object) -> None:
        aborted.wait(timeout=0.2)
        happened.append("part")

    def note_abort(**_: object) -> None:
        happened.append("abort")
        aborted.set()

    s3.meta.events.register("before-call.s3.UploadPart", upload_slowly)
    s3.meta.events.register("before-call.s3.AbortMultipartUpload", note_abort)
    with pytest.raises(MediaError):
        store(library, serve(long_mp4[:-1]))
    assert happened == ["part", "part", "abort"]


def test_no_more_is_read_than_the_threads_can_send(s3: S3Client, library: MediaLibrary, moov_first_mp4: bytes) -> None:
    served_bytes = [0]
    all_served = threading.Event()
    body = moov_first_mp4 + box("free", bytes(48 * 1024**2))

    @contextmanager
    def open_stream(start_byte: int, validator: str | None) -> Iterator[VideoStream]:
        def chunks() -> Iterator[bytes]:
            for at in range(0, len(body), 1024**2):
                served_bytes[0] = at
                yield body[at : at + 1024**2]
            all_served.set()

        yield VideoStream(chunks=chunks(), size_bytes=len(body))

    held_bytes: list[int] = []

    def upload_slowly(**_: object) -> None:
        all_served.wait(timeout=0.2)
        held_bytes.append(served_bytes[0])

    s3.meta.events.register("before-call.s3.UploadPart", upload_slowly)
    store(library, open_stream)
    # Two parts in the threads and one being filled, each of 8 MiB and a chunk that reaches over.
    assert held_bytes[0] <= 3 * 9 * 1024**2


def answer(status: int, code: str) -> Callable[..., Any]:
    """Answer a call in S3's place; the stubs know no hook that does."""

    def reply(**_: object) -> tuple[SimpleNamespace, dict[str, dict[str, str]]]:
        return SimpleNamespace(status_code=status), {"Error": {"Code": code, "Message": "said S3"}}

    return reply


def test_an_abort_that_fails_is_told_with_the_error_that_led_to_it(s3: S3Client, library: MediaLibrary) -> None:
    s3.meta.events.register("before-call.s3.AbortMultipartUpload", answer(503, "SlowDown"))
    with pytest.raises(MediaError) as caught:
        store(library, serve(b"<html>" * 10))
    assert ["SlowDown" in note and KEY in note for note in caught.value.__notes__] == [True]


def test_a_failed_part_fails_the_store_and_leaves_nothing(s3: S3Client, library: MediaLibrary, long_mp4: bytes) -> None:
    s3.meta.events.register("before-call.s3.UploadPart", answer(403, "AccessDenied"))
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        store(library, serve(long_mp4))
    assert (keys(s3), unfinished_uploads(s3)) == ([], 0)


def test_storing_twice_stores_once_and_tells_the_same(s3: S3Client, library: MediaLibrary, long_mp4: bytes) -> None:
    first = store(library, serve(long_mp4))
    written = s3.head_object(Bucket=BUCKET, Key=KEY)["LastModified"]
    s3.meta.events.register("before-call.s3.CreateMultipartUpload", answer(500, "NotAgain"))
    assert store(library, contextmanager(never_opened)) == first
    assert s3.head_object(Bucket=BUCKET, Key=KEY)["LastModified"] == written


def test_a_thumbnail_that_was_never_put_is_put_by_the_next_run(
    s3: S3Client, library: MediaLibrary, moov_first_mp4: bytes
) -> None:
    store(library, serve(moov_first_mp4))
    s3.delete_object(Bucket=BUCKET, Key=THUMBNAIL_KEY)
    store(library, contextmanager(never_opened))
    assert keys(s3) == [THUMBNAIL_KEY, KEY]


def test_a_stored_object_that_is_not_a_video_is_not_adopted(s3: S3Client, library: MediaLibrary) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"<html>" * 10)
    with pytest.raises(MediaError, match="not an MP4"):
        store(library, contextmanager(never_opened))


def test_the_one_that_completed_first_is_adopted(
    s3: S3Client, library: MediaLibrary, make_video: Callable[..., Path], moov_first_mp4: bytes
) -> None:
    theirs = make_video(audio=False).read_bytes()

    def complete_first(**_: object) -> None:
        s3.put_object(Bucket=BUCKET, Key=KEY, Body=theirs)

    s3.meta.events.register("before-call.s3.CompleteMultipartUpload", complete_first)
    stored = store(library, serve(moov_first_mp4))
    assert stored.sha256 == sha256(theirs).hexdigest()
    assert read(s3, KEY) == theirs
    assert unfinished_uploads(s3) == 0


@pytest.mark.parametrize(
    ("status", "code"), [(412, "PreconditionFailed"), (409, "ConditionalRequestConflict"), (404, "NoSuchUpload")]
)
def test_a_conflict_that_left_nothing_is_told(
    s3: S3Client, library: MediaLibrary, moov_first_mp4: bytes, status: int, code: str
) -> None:
    s3.meta.events.register("before-call.s3.CompleteMultipartUpload", answer(status, code))
    with pytest.raises(Conflict):
        store(library, serve(moov_first_mp4))
    assert (keys(s3), unfinished_uploads(s3)) == ([], 0)


def test_a_fault_of_s3_is_not_taken_for_an_answer(s3: S3Client, library: MediaLibrary, moov_first_mp4: bytes) -> None:
    s3.meta.events.register("before-call.s3.HeadObject", answer(403, "AccessDenied"))
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        store(library, serve(moov_first_mp4))


def test_a_stored_object_is_opened_in_bounded_chunks(s3: S3Client, library: MediaLibrary, long_mp4: bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=long_mp4, ContentType="video/mp4")
    with library.open_stored(KEY) as stream:
        chunks = list(stream.chunks)
    assert b"".join(chunks) == long_mp4
    assert max(len(chunk) for chunk in chunks) <= 1024**2
    assert (stream.size_bytes, stream.content_type) == (len(long_mp4), "video/mp4")


def test_opening_what_is_not_there_is_told(library: MediaLibrary) -> None:
    with pytest.raises(NotFound, match=KEY), library.open_stored(KEY):
        pass


def test_a_download_link_is_short_lived_and_names_the_file(library: MediaLibrary) -> None:
    url = urlsplit(library.presign_download(KEY, filename='a "b"\r\nX-Evil: ü.mp4'))
    query = parse_qs(url.query)
    assert url.path.endswith(KEY)
    assert query["response-content-disposition"] == [
        "attachment; filename*=UTF-8''a%20%22b%22%0D%0AX-Evil%3A%20%C3%BC.mp4"
    ]
    assert query["X-Amz-Expires"] == ["900"]


def test_deleting_a_video_deletes_its_thumbnail_and_may_be_repeated(
    s3: S3Client, library: MediaLibrary, moov_first_mp4: bytes
) -> None:
    store(library, serve(moov_first_mp4))
    library.delete_video("video_1")
    library.delete_video("video_1")
    assert keys(s3) == []
