"""The media room, against moto's S3."""

from __future__ import annotations

import io
import struct
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

import pytest
from moto import mock_aws
from PIL import Image

from mediaposter.domain.errors import (
    ConfigurationError,
    ErrorCode,
    MediaError,
    MediaPosterError,
    NotFound,
    VersionConflict,
    VideoModelError,
)
from mediaposter.media.ingest import OpenStream
from mediaposter.media.inspection import Inspection, StoredVersion
from mediaposter.media.video_stream import VideoStream
from mediaposter.stores.media import MAX_UPLOAD_BYTES, MediaStore, StoredVideo
from mediaposter.stores.s3_bucket import S3Bucket
from tests.fakes.aws import connect_s3
from tests.fakes.effects import Crash, Effects, Moment, SimulatedCrash

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "media"
KEY = "videos/video_1/video.mp4"
THUMBNAIL_KEY = "videos/video_1/thumbnail.webp"
SPRITESHEET_KEY = "videos/video_1/spritesheet.jpg"
# As they are listed.
KEYS = [SPRITESHEET_KEY, THUMBNAIL_KEY, KEY]
LOST = VideoModelError(ErrorCode.PROVIDER_ERROR, "The connection was lost.", transient=True)


@pytest.fixture
def s3() -> Iterator[S3Client]:
    with mock_aws():
        client = connect_s3()
        client.create_bucket(Bucket=BUCKET)
        # As the stack's bucket is.
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture
def video_store(s3: S3Client, tmp_path: Path) -> MediaStore:
    return MediaStore(S3Bucket(s3, BUCKET), spool_directory=tmp_path)


def serve(body: bytes, *, stops_at: int | None = None, raises: BaseException | None = None) -> OpenStream:
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


def store(video_store: MediaStore, open_stream: OpenStream) -> StoredVideo:
    return video_store.store_video("video_1", open_stream, deadline=10, clock=lambda: 0, sleep=lambda _: None)


def keys(s3: S3Client) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def versions(s3: S3Client) -> list[str]:
    """Give the key of every version, and of every mark that says an object was deleted."""
    listed = s3.list_object_versions(Bucket=BUCKET)
    return sorted(found["Key"] for found in (*listed.get("Versions", []), *listed.get("DeleteMarkers", [])))


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


def test_a_video_is_stored_as_it_came_with_what_it_is_and_two_pictures(
    s3: S3Client, video_store: MediaStore, moov_last_mp4: bytes
) -> None:
    stored = store(video_store, serve(moov_last_mp4))
    assert read(s3, KEY) == moov_last_mp4
    assert (stored.key, stored.thumbnail_key, stored.spritesheet_key) == (KEY, THUMBNAIL_KEY, SPRITESHEET_KEY)
    assert (stored.size_bytes, stored.sha256) == (len(moov_last_mp4), sha256(moov_last_mp4).hexdigest())
    assert (stored.probe.width, stored.probe.height, stored.probe.duration_ms) == (320, 180, 1000)
    kinds = {key: s3.head_object(Bucket=BUCKET, Key=key)["ContentType"] for key in KEYS}
    assert kinds == {KEY: "video/mp4", THUMBNAIL_KEY: "image/webp", SPRITESHEET_KEY: "image/jpeg"}
    for key, size in ((THUMBNAIL_KEY, (320, 180)), (SPRITESHEET_KEY, (160, 90))):
        assert Image.open(io.BytesIO(read(s3, key))).size == size


def credentials() -> bytes:
    """Build the box that C2PA puts beside ftyp: its uuid, a purpose, the place of its hashes, and a manifest."""
    uuid = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
    manifest_store = bytes.fromhex("6332706100110010800000aa00389b71")
    manifest = box("jumb", box("jumd", manifest_store + b"\x03c2pa\0") + box("free", b"\x00signed\xff" * 9))
    return box("uuid", uuid + bytes(4) + b"manifest\0" + bytes(8) + manifest)


def test_a_video_with_content_credentials_is_stored_byte_for_byte_and_says_so(
    s3: S3Client, video_store: MediaStore, moov_first_mp4: bytes
) -> None:
    # At the end, where it moves no frame that the index names.
    body = moov_first_mp4 + credentials()

    stored = store(video_store, serve(body, stops_at=len(moov_first_mp4) + 30, raises=LOST))

    assert read(s3, KEY) == body
    assert stored.sha256 == sha256(body).hexdigest()
    again = store(video_store, contextmanager(never_opened))
    assert (stored.provenance, again.provenance) == ("c2pa", "c2pa")


def test_each_part_is_sent_and_completed_with_its_checksum(
    s3: S3Client, video_store: MediaStore, moov_first_mp4: bytes
) -> None:
    sent: list[str | None] = []
    completed: list[bytes] = []

    def note_part(params: dict[str, Any], **_: object) -> None:
        sent.append(params["headers"].get("x-amz-checksum-crc32"))

    def note_completion(params: dict[str, Any], **_: object) -> None:
        completed.append(params["body"])

    s3.meta.events.register("before-call.s3.UploadPart", note_part)
    s3.meta.events.register("before-call.s3.CompleteMultipartUpload", note_completion)
    store(video_store, serve(moov_first_mp4))
    checksum = b64encode(crc32(moov_first_mp4).to_bytes(4, "big")).decode()
    assert sent == [checksum]
    assert f"<ChecksumCRC32>{checksum}</ChecksumCRC32>".encode() in completed[0]


def test_a_broken_download_is_resumed_into_the_same_object(
    s3: S3Client, video_store: MediaStore, long_mp4: bytes
) -> None:
    stored = store(video_store, serve(long_mp4, stops_at=12_345_678, raises=LOST))
    assert read(s3, KEY) == long_mp4
    assert stored.sha256 == sha256(long_mp4).hexdigest()
    assert s3.head_object(Bucket=BUCKET, Key=KEY)["ETag"].endswith('-3"')


def test_the_spool_is_removed(video_store: MediaStore, moov_first_mp4: bytes, tmp_path: Path) -> None:
    store(video_store, serve(moov_first_mp4))
    with pytest.raises(MediaError):
        video_store.store_video("video_2", serve(b"<html>" * 10), deadline=10, clock=lambda: 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("stops_at", "raises"),
    [
        (None, None),
        (18_000_000, VideoModelError(ErrorCode.EXPIRED, "The video has expired.")),
        (9_000_000, KeyboardInterrupt()),
    ],
)
def test_whatever_breaks_a_store_off_leaves_nothing(
    s3: S3Client, video_store: MediaStore, long_mp4: bytes, stops_at: int | None, raises: Any
) -> None:
    with pytest.raises(type(raises) if raises else MediaError, match="cut off" if raises is None else None):
        store(video_store, serve(long_mp4[:-1] if raises is None else long_mp4, stops_at=stops_at, raises=raises))
    assert (keys(s3), unfinished_uploads(s3)) == ([], 0)


def test_a_video_that_does_not_play_leaves_nothing(s3: S3Client, video_store: MediaStore) -> None:
    with pytest.raises(MediaError):
        store(video_store, serve(box("ftyp", b"isom") + box("moov", bytes(64)) + box("mdat", bytes(64))))
    assert (keys(s3), unfinished_uploads(s3)) == ([], 0)


def test_only_what_was_looked_at_is_removed_when_it_does_not_play(
    s3: S3Client, tmp_path: Path, moov_first_mp4: bytes
) -> None:
    def refuse_while_another_worker_stores(stored: StoredVersion) -> Inspection:
        s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=str(stored.version_id))
        s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"what another worker stored")
        raise MediaError("Nothing decodes.")

    video_store = MediaStore(S3Bucket(s3, BUCKET), inspect=refuse_while_another_worker_stores, spool_directory=tmp_path)

    with pytest.raises(MediaError):
        store(video_store, serve(moov_first_mp4))

    assert read(s3, KEY) == b"what another worker stored"


def test_a_decoder_that_breaks_down_leaves_the_video_for_the_next_run(
    s3: S3Client, video_store: MediaStore, tmp_path: Path, moov_first_mp4: bytes
) -> None:
    def break_down(_stored: StoredVersion) -> Inspection:
        raise MediaPosterError("ProbeVideoFunction broke down.")

    with pytest.raises(MediaPosterError, match="broke down"):
        store(MediaStore(S3Bucket(s3, BUCKET), inspect=break_down, spool_directory=tmp_path), serve(moov_first_mp4))

    assert store(video_store, contextmanager(never_opened)).sha256 == sha256(moov_first_mp4).hexdigest()


def test_an_upload_is_aborted_only_when_its_parts_have_ended(
    s3: S3Client, video_store: MediaStore, long_mp4: bytes
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
        store(video_store, serve(long_mp4[:-1]))
    assert happened == ["part", "part", "abort"]


def test_no_more_is_read_than_the_threads_can_send(
    s3: S3Client, video_store: MediaStore, moov_first_mp4: bytes
) -> None:
    served_bytes = [0]
    all_served = threading.Event()
    body = moov_first_mp4 + box("free", bytes(32 * 1024**2))

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
    store(video_store, open_stream)
    # Two parts in the threads and one being filled, each of 8 MiB and a chunk that reaches over.
    assert held_bytes[0] <= 3 * 9 * 1024**2


def answer(status: int, code: str) -> Callable[..., Any]:
    """Answer a call in S3's place; the stubs know no hook that does."""

    def reply(**_: object) -> tuple[SimpleNamespace, dict[str, dict[str, str]]]:
        return SimpleNamespace(status_code=status), {"Error": {"Code": code, "Message": "said S3"}}

    return reply


def test_an_abort_that_fails_is_told_with_the_error_that_led_to_it(s3: S3Client, video_store: MediaStore) -> None:
    s3.meta.events.register("before-call.s3.AbortMultipartUpload", answer(503, "SlowDown"))
    with pytest.raises(MediaError) as caught:
        store(video_store, serve(b"<html>" * 10))
    assert ["SlowDown" in note and KEY in note for note in caught.value.__notes__] == [True]


def test_a_failed_part_fails_the_store_and_leaves_nothing(
    s3: S3Client, video_store: MediaStore, long_mp4: bytes
) -> None:
    s3.meta.events.register("before-call.s3.UploadPart", answer(403, "AccessDenied"))
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        store(video_store, serve(long_mp4))
    assert (keys(s3), unfinished_uploads(s3)) == ([], 0)


def test_storing_twice_stores_once_and_tells_the_same(s3: S3Client, video_store: MediaStore, long_mp4: bytes) -> None:
    first = store(video_store, serve(long_mp4))
    s3.meta.events.register("before-call.s3.CreateMultipartUpload", answer(500, "NotAgain"))
    assert store(video_store, contextmanager(never_opened)) == first
    assert versions(s3) == KEYS


@pytest.mark.parametrize("key", [THUMBNAIL_KEY, SPRITESHEET_KEY])
def test_a_preview_that_was_never_put_is_put_by_the_next_run(
    s3: S3Client, video_store: MediaStore, moov_first_mp4: bytes, key: str
) -> None:
    store(video_store, serve(moov_first_mp4))
    drawn = read(s3, key)
    s3.delete_object(Bucket=BUCKET, Key=key, VersionId=s3.head_object(Bucket=BUCKET, Key=key)["VersionId"])
    store(video_store, contextmanager(never_opened))
    assert versions(s3) == KEYS
    assert read(s3, key) == drawn


# What storing asks of S3, in its order.
CALLS = [
    *("HeadObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"),
    "GetObject",  # it is decoded as it is stored
    *("HeadObject", "PutObject", "HeadObject", "PutObject"),
]


@pytest.fixture(scope="session")
def tiny_mp4(make_video: Callable[..., Path]) -> bytes:
    """Draw a clip that costs little to decode."""
    return make_video(frames=2, audio=False).read_bytes()


def take_calls(s3: S3Client, effects: Effects) -> None:
    """Take each call of a client as an effect. A process that died makes no more."""
    has_died = False

    def begin(*, model: Any, context: dict[str, Any], **_: object) -> None:
        nonlocal has_died
        if has_died:
            raise SimulatedCrash("after the end")
        context["effect"] = effects.take(model.name)
        step(context["effect"].__enter__)

    def end(*, context: dict[str, Any], **_: object) -> None:
        taken: AbstractContextManager[None] = context.pop("effect")
        step(lambda: taken.__exit__(None, None, None))

    def step(take: Callable[[], object]) -> None:
        nonlocal has_died
        try:
            take()
        except SimulatedCrash:
            has_died = True
            raise

    s3.meta.events.register("before-call.s3", begin)
    s3.meta.events.register("after-call.s3", end)


def test_storing_asks_of_s3_what_the_crashes_are_numbered_by(s3: S3Client, tmp_path: Path, tiny_mp4: bytes) -> None:
    effects = Effects()
    take_calls(s3, effects)
    store(MediaStore(S3Bucket(s3, BUCKET), spool_directory=tmp_path), serve(tiny_mp4))
    assert effects.names == CALLS


@pytest.mark.parametrize(
    "crash",
    [Crash(number, moment) for number in range(1, len(CALLS) + 1) for moment in Moment],
    ids=lambda crash: f"{crash.moment} {crash.effect} {CALLS[crash.effect - 1]}",
)
def test_a_kill_anywhere_is_made_good_by_the_next_run(
    s3: S3Client, video_store: MediaStore, tmp_path: Path, tiny_mp4: bytes, crash: Crash
) -> None:
    dying = connect_s3()
    take_calls(dying, Effects(crash))
    with pytest.raises(SimulatedCrash):
        store(MediaStore(S3Bucket(dying, BUCKET), spool_directory=tmp_path), serve(tiny_mp4))

    stored = store(video_store, serve(tiny_mp4))

    assert versions(s3) == KEYS
    assert sha256(read(s3, KEY)).hexdigest() == stored.sha256


def test_a_stored_object_that_is_not_a_video_is_not_adopted(s3: S3Client, video_store: MediaStore) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"<html>" * 10)
    with pytest.raises(MediaError, match="not an MP4"):
        store(video_store, contextmanager(never_opened))


def test_the_one_that_completed_first_is_adopted(
    s3: S3Client, video_store: MediaStore, make_video: Callable[..., Path], moov_first_mp4: bytes
) -> None:
    theirs = make_video(audio=False).read_bytes()

    def complete_first(**_: object) -> None:
        s3.put_object(Bucket=BUCKET, Key=KEY, Body=theirs)

    s3.meta.events.register("before-call.s3.CompleteMultipartUpload", complete_first)
    stored = store(video_store, serve(moov_first_mp4))
    assert stored.sha256 == sha256(theirs).hexdigest()
    assert read(s3, KEY) == theirs
    assert unfinished_uploads(s3) == 0


@pytest.mark.parametrize(
    ("status", "code"), [(412, "PreconditionFailed"), (409, "ConditionalRequestConflict"), (404, "NoSuchUpload")]
)
def test_a_conflict_that_left_nothing_is_told(
    s3: S3Client, video_store: MediaStore, moov_first_mp4: bytes, status: int, code: str
) -> None:
    s3.meta.events.register("before-call.s3.CompleteMultipartUpload", answer(status, code))
    with pytest.raises(VersionConflict):
        store(video_store, serve(moov_first_mp4))
    assert (keys(s3), unfinished_uploads(s3)) == ([], 0)


def test_a_fault_of_s3_is_not_taken_for_an_answer(s3: S3Client, video_store: MediaStore, moov_first_mp4: bytes) -> None:
    s3.meta.events.register("before-call.s3.HeadObject", answer(403, "AccessDenied"))
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        store(video_store, serve(moov_first_mp4))


def test_a_stored_object_is_opened_with_what_it_is(s3: S3Client, video_store: MediaStore) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=bytes(2 * 1024**2), ContentType="video/mp4")
    with pytest.raises(NotFound, match="videos/other"), video_store.open_stored("videos/other"):
        pass
    with video_store.open_stored(KEY) as stream:
        assert max(len(chunk) for chunk in stream.chunks) <= 1024**2
    assert (stream.size_bytes, stream.content_type) == (2 * 1024**2, "video/mp4")


def test_a_download_link_is_short_lived_and_names_the_file(video_store: MediaStore) -> None:
    url = urlsplit(video_store.presign_download(KEY, filename="video_1.mp4"))
    query = parse_qs(url.query)
    assert url.path.endswith(KEY)
    assert query["response-content-disposition"] == ['attachment; filename="video_1.mp4"']
    assert query["X-Amz-Expires"] == ["900"]


def test_no_filename_breaks_out_of_the_header(video_store: MediaStore) -> None:
    query = parse_qs(urlsplit(video_store.presign_download(KEY, filename='a "b"\r\nX-Evil: ü.mp4')).query)
    assert query["response-content-disposition"] == [
        "attachment; filename=\"a__b___X-Evil___.mp4\"; filename*=UTF-8''a%20%22b%22%0D%0AX-Evil%3A%20%C3%BC.mp4"
    ]


def test_deleting_a_video_leaves_no_version_and_no_upload_of_it(
    s3: S3Client, video_store: MediaStore, moov_first_mp4: bytes
) -> None:
    store(video_store, serve(moov_first_mp4))
    s3.put_object(Bucket=BUCKET, Key=SPRITESHEET_KEY, Body=b"drawn twice")
    s3.delete_object(Bucket=BUCKET, Key=THUMBNAIL_KEY)
    s3.create_multipart_upload(Bucket=BUCKET, Key=KEY)
    s3.create_multipart_upload(Bucket=BUCKET, Key=KEY)

    # Three objects, a second version of one, the mark that hides another, and two uploads.
    assert video_store.delete_video("video_1") == 7
    assert (versions(s3), unfinished_uploads(s3)) == ([], 0)
    assert video_store.delete_video("video_1") == 0


def test_deleting_a_video_goes_on_where_a_page_ends(s3: S3Client, video_store: MediaStore) -> None:
    def list_two(params: dict[str, Any], **_: object) -> None:
        params["MaxKeys"] = 2

    for number in range(5):
        s3.put_object(Bucket=BUCKET, Key=KEY, Body=bytes([number]))
    s3.meta.events.register("before-parameter-build.s3.ListObjectVersions", list_two)
    assert video_store.delete_video("video_1") == 5


def test_what_is_completed_while_its_video_is_deleted_is_removed_too(
    s3: S3Client, video_store: MediaStore, moov_first_mp4: bytes
) -> None:
    upload_id = s3.create_multipart_upload(Bucket=BUCKET, Key=KEY)["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key=KEY, UploadId=upload_id, PartNumber=1, Body=moov_first_mp4)

    def complete_first(**_: object) -> None:
        connect_s3().complete_multipart_upload(
            Bucket=BUCKET,
            Key=KEY,
            UploadId=upload_id,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        )

    s3.meta.events.register("before-call.s3.AbortMultipartUpload", complete_first)
    assert video_store.delete_video("video_1") == 1
    assert (versions(s3), unfinished_uploads(s3)) == ([], 0)


@pytest.mark.parametrize("operation", ["AbortMultipartUpload", "DeleteObject"])
def test_what_could_not_be_deleted_is_told(s3: S3Client, video_store: MediaStore, operation: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"kept")
    s3.create_multipart_upload(Bucket=BUCKET, Key=KEY)
    s3.meta.events.register(f"before-call.s3.{operation}", answer(403, "AccessDenied"))
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        video_store.delete_video("video_1")


def test_an_upload_link_takes_one_type_and_one_size_for_a_quarter_of_an_hour(s3: S3Client) -> None:
    video_store = MediaStore(
        S3Bucket(s3, BUCKET), wall_clock=lambda: datetime(2026, 12, 1, 12, tzinfo=UTC).timestamp() + 0.9
    )
    upload = video_store.presign_upload("alice", "upload_1", content_type="image/png", size_bytes=1_000)
    url = urlsplit(upload.url)
    query = parse_qs(url.query)
    assert url.path.endswith("uploads/alice/upload_1")
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
    assert query["X-Amz-Expires"] == ["900"]
    assert dict(upload.headers) == {"Content-Type": "image/png", "Content-Length": "1000"}
    assert upload.expires_at == datetime(2026, 12, 1, 12, 15, tzinfo=UTC)
    # Of bytes that are not known yet; and nothing that signs is logged.
    assert "checksum" not in upload.url.lower()
    assert "X-Amz-Signature" in upload.url
    assert "X-Amz-Signature" not in repr(upload)


def test_an_upload_is_kept_and_read_back_by_its_owner(s3: S3Client, video_store: MediaStore) -> None:
    video_store.keep_upload("alice", "upload_1", b"a picture", "image/png")
    assert video_store.read_upload("alice", "upload_1") == b"a picture"
    assert s3.head_object(Bucket=BUCKET, Key="uploads/alice/upload_1")["ContentType"] == "image/png"
    with pytest.raises(NotFound, match="upload_1"):
        video_store.read_upload("bob", "upload_1")


def test_an_upload_as_large_as_may_be_is_read_and_no_larger_one(s3: S3Client, video_store: MediaStore) -> None:
    video_store.keep_upload("alice", "upload_1", bytes(MAX_UPLOAD_BYTES), "image/png")
    video_store.keep_upload("alice", "upload_2", bytes(MAX_UPLOAD_BYTES + 1), "image/png")
    assert len(video_store.read_upload("alice", "upload_1")) == MAX_UPLOAD_BYTES
    with pytest.raises(NotFound, match="larger"):
        video_store.read_upload("alice", "upload_2")


def test_a_text_file_is_read_or_its_place_is_told(s3: S3Client, video_store: MediaStore) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no config/models\.toml in the bucket media"):
        video_store.read_text("config/models.toml")
    s3.put_object(Bucket=BUCKET, Key="config/models.toml", Body="# Drachen über See".encode())
    assert video_store.read_text("config/models.toml") == "# Drachen über See"
    s3.put_object(Bucket=BUCKET, Key="config/models.toml", Body=b"\xff")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        video_store.read_text("config/models.toml")
    s3.meta.events.register("before-call.s3.GetObject", answer(403, "AccessDenied"))
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        video_store.read_text("config/models.toml")
