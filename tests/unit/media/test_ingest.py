"""One pass over a provider's video: what is given out, resumed and refused."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from mediaposter.domain.errors import ErrorCode, MediaError, VideoModelError
from mediaposter.media.ingest import (
    FLOOR_BYTES_PER_SECOND,
    MAX_BOXES_BEFORE_MOOV,
    MAX_FUTILE_ATTEMPTS,
    MAX_MOOV_BYTES,
    MAX_VIDEO_BYTES,
    SPOOL_HEAD_BYTES,
    OpenStream,
    VideoIngest,
)
from mediaposter.media.probe import draw_thumbnail, probe_video
from mediaposter.media.video_stream import VideoStream

MIB = 1024**2
LOST = VideoModelError(ErrorCode.PROVIDER_ERROR, "The connection was lost.", transient=True)


def box(box_type: str, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), box_type.encode()) + body


MP4 = box("ftyp", b"isom") + box("moov", b"index" * 20) + box("mdat", bytes(range(256)) * 4)
OTHER_MP4 = MP4[:-500] + bytes(500)


@dataclass
class FakeClock:
    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Attempt:
    """How the provider behaves the next time it is asked.

    `stops_at` is the byte of `body` before which it stops: with `raises`, or silently.
    """

    body: bytes = MP4
    stops_at: int | None = None
    raises: VideoModelError | None = None
    refuses: VideoModelError | None = None
    declares_length: bool = True
    validator: str | None = '"v1"'
    honours_range: bool = True
    starts_at: int | None = None
    chunk_bytes: int = 100
    seconds_per_chunk: float = 0.0


class Provider:
    """Serves a video in the attempts it was given, and notes what it was asked for."""

    def __init__(self, *attempts: Attempt, clock: FakeClock | None = None) -> None:
        self.asked: list[tuple[int, str | None]] = []
        self.closed = 0
        self._attempts = list(attempts)
        self._clock = clock or FakeClock()

    @contextmanager
    def open(self, start_byte: int, validator: str | None) -> Iterator[VideoStream]:
        self.asked.append((start_byte, validator))
        attempt = self._attempts.pop(0)
        if attempt.refuses is not None:
            raise attempt.refuses
        start = start_byte if attempt.honours_range else 0
        start = start if attempt.starts_at is None else attempt.starts_at
        try:
            yield VideoStream(
                chunks=self._chunks(attempt, start),
                start_byte=start,
                size_bytes=len(attempt.body) if attempt.declares_length else None,
                validator=attempt.validator,
            )
        finally:
            self.closed += 1

    def _chunks(self, attempt: Attempt, start: int) -> Iterator[bytes]:
        end = len(attempt.body) if attempt.stops_at is None else attempt.stops_at
        for at in range(start, end, attempt.chunk_bytes):
            self._clock.now += attempt.seconds_per_chunk
            yield attempt.body[at : min(at + attempt.chunk_bytes, end)]
        if attempt.raises is not None:
            raise attempt.raises


def ingest_from(
    open_stream: OpenStream,
    *,
    clock: FakeClock | None = None,
    spool: io.BytesIO | None = None,
    allowed_seconds: float = 600,
    max_bytes: int = MAX_VIDEO_BYTES,
) -> VideoIngest:
    clock = clock or FakeClock()
    return VideoIngest(
        open_stream,
        io.BytesIO() if spool is None else spool,
        deadline=clock() + allowed_seconds,
        clock=clock,
        sleep=clock.sleep,
        max_bytes=max_bytes,
    )


def test_a_video_is_given_out_whole_with_its_size_and_hash() -> None:
    ingest = ingest_from(Provider(Attempt()).open)
    assert b"".join(ingest) == MP4
    assert (ingest.size_bytes, ingest.sha256) == (len(MP4), sha256(MP4).hexdigest())


@pytest.mark.parametrize("raises", [None, LOST])
def test_a_body_that_breaks_off_is_resumed_at_its_byte_under_its_validator(raises: VideoModelError | None) -> None:
    provider = Provider(Attempt(stops_at=450, raises=raises), Attempt())
    ingest = ingest_from(provider.open)
    assert b"".join(ingest) == MP4
    assert provider.asked == [(0, None), (450, '"v1"')]
    assert ingest.sha256 == sha256(MP4).hexdigest()
    assert provider.closed == 2


def test_a_length_told_only_on_resuming_counts() -> None:
    provider = Provider(
        Attempt(stops_at=450, raises=LOST, declares_length=False), Attempt(stops_at=600), Attempt(declares_length=False)
    )
    assert b"".join(ingest_from(provider.open)) == MP4
    assert [start for start, _ in provider.asked] == [0, 450, 600]


def test_a_body_cut_silently_without_a_length_is_refused() -> None:
    provider = Provider(Attempt(stops_at=450, declares_length=False))
    with pytest.raises(MediaError, match="cut off at byte 450"):
        list(ingest_from(provider.open))


def test_a_page_instead_of_a_video_is_refused_before_anything_is_given_out() -> None:
    provider = Provider(Attempt(body=b"<!DOCTYPE html><p>Please sign in.</p>"))
    with closing(iter(ingest_from(provider.open))) as chunks, pytest.raises(MediaError, match="not an MP4"):
        next(chunks)


def test_a_lost_connection_after_the_last_byte_is_no_loss() -> None:
    assert b"".join(ingest_from(Provider(Attempt(stops_at=len(MP4), raises=LOST)).open)) == MP4


def test_an_error_that_is_not_transient_is_not_resumed() -> None:
    gone = VideoModelError(ErrorCode.EXPIRED, "The video has expired.")
    provider = Provider(Attempt(stops_at=450, raises=gone))
    with pytest.raises(VideoModelError, match="expired"):
        list(ingest_from(provider.open))
    assert len(provider.asked) == 1


def test_attempts_without_a_new_byte_end() -> None:
    provider = Provider(*[Attempt(refuses=LOST)] * (MAX_FUTILE_ATTEMPTS + 1))
    with pytest.raises(VideoModelError, match="lost"):
        list(ingest_from(provider.open))
    assert len(provider.asked) == MAX_FUTILE_ATTEMPTS


def test_an_attempt_that_gains_a_byte_may_be_followed_by_as_many_again() -> None:
    futile = [Attempt(refuses=LOST)] * (MAX_FUTILE_ATTEMPTS - 1)
    provider = Provider(*futile, Attempt(stops_at=100, raises=LOST), *futile, Attempt())
    assert b"".join(ingest_from(provider.open)) == MP4


def test_the_wait_that_a_provider_asks_for_is_kept_unless_it_leads_beyond_the_deadline() -> None:
    clock = FakeClock()
    busy = VideoModelError(ErrorCode.RATE_LIMITED, "Too many requests.", transient=True, retry_after_seconds=17)
    assert b"".join(ingest_from(Provider(Attempt(refuses=busy), Attempt()).open, clock=clock)) == MP4
    assert clock.slept == [17]
    too_busy = busy.__class__(busy.code, busy.message, transient=True, retry_after_seconds=700)
    with pytest.raises(VideoModelError, match="Too many") as caught:
        list(ingest_from(Provider(Attempt(refuses=too_busy), Attempt()).open, clock=clock))
    assert (caught.value.retry_after_seconds, clock.slept) == (700, [17])


def test_a_server_without_ranges_sends_the_start_again_and_it_is_not_given_out_twice() -> None:
    provider = Provider(Attempt(stops_at=450, raises=LOST), Attempt(honours_range=False))
    ingest = ingest_from(provider.open)
    assert b"".join(ingest) == MP4
    assert ingest.sha256 == sha256(MP4).hexdigest()


def test_nothing_of_a_start_that_comes_differently_the_second_time_is_given_out() -> None:
    provider = Provider(
        Attempt(stops_at=len(MP4) - 10, raises=LOST), Attempt(body=OTHER_MP4, honours_range=False, chunk_bytes=10_000)
    )
    given = bytearray()
    with pytest.raises(MediaError, match="came differently the second time"):
        collect(ingest_from(provider.open), given)
    assert given == MP4[:-10]


def collect(ingest: VideoIngest, given: bytearray) -> None:
    for chunk in ingest:
        given += chunk


def test_a_second_start_that_breaks_off_before_the_known_byte_is_tried_again() -> None:
    provider = Provider(
        Attempt(stops_at=450, raises=LOST, declares_length=False),
        Attempt(stops_at=300, declares_length=False, honours_range=False),
        Attempt(declares_length=False, honours_range=False),
    )
    assert b"".join(ingest_from(provider.open)) == MP4


def test_without_a_validator_the_video_is_read_again_and_compared() -> None:
    provider = Provider(Attempt(stops_at=450, raises=LOST, validator=None), Attempt(validator=None))
    assert b"".join(ingest_from(provider.open)) == MP4
    assert provider.asked == [(0, None), (0, None)]


def test_a_video_that_was_compared_is_resumed_under_its_new_validator() -> None:
    provider = Provider(
        Attempt(stops_at=450, raises=LOST),
        Attempt(stops_at=600, raises=LOST, honours_range=False, validator='"v2"'),
        Attempt(validator='"v2"'),
    )
    assert b"".join(ingest_from(provider.open)) == MP4
    assert provider.asked == [(0, None), (450, '"v1"'), (600, '"v2"')]


def test_a_rest_under_another_validator_is_refused() -> None:
    provider = Provider(Attempt(stops_at=450, raises=LOST), Attempt(validator='"v2"'))
    with pytest.raises(MediaError, match="changed at the provider after 450 bytes"):
        list(ingest_from(provider.open))


def test_a_rest_of_another_length_is_refused() -> None:
    provider = Provider(Attempt(stops_at=450, raises=LOST), Attempt(body=MP4 + box("free")))
    with pytest.raises(MediaError, match=f"from {len(MP4)} to {len(MP4) + 8} bytes"):
        list(ingest_from(provider.open))


def test_a_rest_from_another_byte_is_refused() -> None:
    provider = Provider(Attempt(stops_at=450, raises=LOST), Attempt(starts_at=440))
    with pytest.raises(VideoModelError, match="from byte 440 when asked for byte 450"):
        list(ingest_from(provider.open))


@contextmanager
def too_long(start_byte: int, validator: str | None) -> Iterator[VideoStream]:
    yield VideoStream(chunks=iter([MP4, box("free")]), size_bytes=len(MP4))


def test_more_than_was_declared_is_refused() -> None:
    with pytest.raises(MediaError, match="More than the declared"):
        list(ingest_from(too_long))


def test_a_length_over_the_limit_is_refused_where_it_is_declared_before_a_byte_is_read() -> None:
    with (
        closing(iter(ingest_from(Provider(Attempt()).open, max_bytes=len(MP4) - 1))) as chunks,
        pytest.raises(MediaError, match="larger than"),
    ):
        next(chunks)
    with pytest.raises(MediaError, match="larger than"):
        list(ingest_from(Provider(Attempt(declares_length=False)).open, max_bytes=len(MP4) - 1))


def test_a_stream_that_comes_after_the_deadline_is_given_up_for_good() -> None:
    clock = FakeClock()
    provider = Provider(Attempt(seconds_per_chunk=7), Attempt(), clock=clock)
    with pytest.raises(VideoModelError, match="time for storing ran out after 200 bytes") as caught:
        list(ingest_from(provider.open, clock=clock, allowed_seconds=20))
    assert caught.value.code == ErrorCode.TIMEOUT
    assert caught.value.transient
    assert len(provider.asked) == 1


def test_a_stream_that_crawls_is_given_up_and_resumed() -> None:
    clock = FakeClock()
    provider = Provider(Attempt(seconds_per_chunk=10), Attempt(), clock=clock)
    assert b"".join(ingest_from(provider.open, clock=clock)) == MP4
    assert provider.asked == [(0, None), (200, '"v1"')]


def test_a_stream_at_the_floor_rate_goes_on() -> None:
    clock = FakeClock()
    body = MP4 + box("free", bytes(10 * FLOOR_BYTES_PER_SECOND * 10))
    fast_enough = Attempt(body=body, chunk_bytes=FLOOR_BYTES_PER_SECOND * 10, seconds_per_chunk=10)
    provider = Provider(fast_enough, clock=clock)
    assert b"".join(ingest_from(provider.open, clock=clock)) == body


def test_a_slow_consumer_is_not_taken_for_a_slow_stream() -> None:
    clock = FakeClock()
    provider = Provider(Attempt(), clock=clock)
    for _ in ingest_from(provider.open, clock=clock):
        clock.now += 20
    assert len(provider.asked) == 1


def test_a_stream_is_closed_when_its_consumer_gives_up() -> None:
    provider = Provider(Attempt())
    with closing(iter(ingest_from(provider.open))) as chunks:
        next(chunks)
    assert provider.closed == 1


@pytest.mark.parametrize("chunk_bytes", [7, 10_000])
@pytest.mark.parametrize("moov_first", [True, False])
def test_the_spool_of_a_small_video_can_be_probed(
    make_video: Callable[..., Path], tmp_path: Path, moov_first: bool, chunk_bytes: int
) -> None:
    body = make_video(moov_first=moov_first).read_bytes()
    path = tmp_path / "spool.mp4"
    with path.open("w+b") as spool:
        open_stream = Provider(Attempt(body=body, chunk_bytes=chunk_bytes)).open
        for _ in VideoIngest(open_stream, spool, deadline=10, clock=lambda: 0):
            pass
    assert path.read_bytes() == body


def large_video(pieces: list[bytes]) -> OpenStream:
    """Serve `pieces` as they are: a large body is the same small piece again and again."""

    @contextmanager
    def open_stream(start_byte: int, validator: str | None) -> Iterator[VideoStream]:
        yield VideoStream(chunks=iter(pieces), size_bytes=sum(len(piece) for piece in pieces))

    return open_stream


def free_pieces(mebibytes: int) -> list[bytes]:
    return [struct.pack(">I4s", mebibytes * MIB, b"free") + bytes(MIB - 8), *[bytes(MIB)] * (mebibytes - 1)]


def split_at_moov(clip: bytes) -> tuple[bytes, bytes]:
    start = clip.rindex(b"moov") - 4
    return clip[:start], clip[start:]


def test_the_spool_of_a_large_video_has_its_head_and_its_last_box_moov(moov_last_mp4: bytes, tmp_path: Path) -> None:
    frames, moov = split_at_moov(moov_last_mp4)
    # Each header comes in two pieces, so that the first half lies in one that is not kept.
    pieces = [frames, *free_pieces(100), box("free", b"x" * 90) + moov[:3], moov[3:]]
    path = tmp_path / "spool.mp4"
    with path.open("w+b") as spool:
        for _ in VideoIngest(large_video(pieces), spool, deadline=10, clock=lambda: 0):
            pass
    kept = path.stat()
    assert kept.st_size == sum(len(piece) for piece in pieces)
    # Each of the last two boxes may begin and end inside a block of its own.
    assert kept.st_blocks * 512 <= SPOOL_HEAD_BYTES + len(moov) + 4 * 4096
    assert probe_video(path).duration_ms == 1000
    assert draw_thumbnail(path)


def test_boxes_after_moov_and_the_head_are_not_kept(moov_first_mp4: bytes, tmp_path: Path) -> None:
    pieces = [moov_first_mp4, *free_pieces(70), *[box("free", bytes(8184)) * 128] * 20]
    path = tmp_path / "spool.mp4"
    with path.open("w+b") as spool:
        for _ in VideoIngest(large_video(pieces), spool, deadline=10, clock=lambda: 0):
            pass
    assert path.stat().st_blocks * 512 <= SPOOL_HEAD_BYTES + 4096
    assert path.stat().st_size > 90 * MIB


def test_a_moov_too_large_to_keep_is_refused() -> None:
    claim = struct.pack(">I4s", MAX_MOOV_BYTES + 1, b"moov")
    with pytest.raises(MediaError, match="'moov' box claims"):
        list(ingest_from(Provider(Attempt(body=box("ftyp") + claim, declares_length=False)).open))


def test_boxes_without_end_before_moov_are_refused() -> None:
    body = box("ftyp") + box("free") * MAX_BOXES_BEFORE_MOOV + box("moov") + box("mdat")
    with pytest.raises(MediaError, match="is 'moov'"):
        list(ingest_from(Provider(Attempt(body=body)).open))
