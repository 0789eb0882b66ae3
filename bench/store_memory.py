"""Measure the memory and the throughput of `MediaStore.store_video`.

Run by hand: `python -m bench.store_memory`. A source and a stand-in for S3, each a process of its own on loopback,
make and discard the bytes; every figure comes from a fresh interpreter. It prints a table and exits 1 when a claim is
missed:

- storing 50 MB peaks at most 96 MiB over an interpreter with the same imports that probed a clip;
- storing 1 GB peaks at most 10 % over storing 50 MB;
- storing 1 GB, verified, runs at 0.9 or more of the rate of a plain `upload_fileobj` of the same stream.
"""

from __future__ import annotations

import argparse
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import IO, TYPE_CHECKING, ClassVar, cast

import av
import boto3
import httpx
from botocore.config import Config
from pydantic import BaseModel, ConfigDict

from mediaposter.media.inspection import Inspection
from mediaposter.media.probe import draw_spritesheet, draw_thumbnail, probe_video
from mediaposter.media.video_stream import VideoStream
from mediaposter.stores.media import MediaStore
from mediaposter.stores.s3_bucket import S3Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB = 1024**2
SMALL_BYTES = 50 * 1000**2
LARGE_BYTES = 1000**3

MAX_PEAK_BYTES = 96 * MIB
# As template.yaml sets it for StoreVideoFunction. Plain upload_fileobj runs as it comes: it is slower with it.
ENVIRONMENT = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
MAX_GROWTH = 1.10
MIN_RATE = 0.9


class Figures(BaseModel):
    """What one fresh interpreter measured."""

    model_config = ConfigDict(frozen=True)

    peak_bytes: int
    seconds: float


def draw_clip(path: Path) -> None:
    """Draw two seconds of 1280x720 with `moov` first."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number in range(48):
            frame = av.VideoFrame(1280, 720, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([100 + number]) * plane.buffer_size)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


class SourceHandler(BaseHTTPRequestHandler):
    """Serves `/<size_bytes>`: the clip, then one `free` box that fills the rest, made as it is sent."""

    protocol_version = "HTTP/1.1"
    clip: ClassVar[bytes] = b""
    filling: ClassVar[memoryview] = memoryview(bytes(range(256)) * (MIB // 256))

    def do_GET(self) -> None:
        """Send the video."""
        size_bytes = int(self.path.removeprefix("/"))
        free_bytes = size_bytes - len(self.clip)
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(size_bytes))
        self.send_header("ETag", '"clip"')
        self.end_headers()
        self.wfile.write(self.clip + struct.pack(">I4s", free_bytes, b"free"))
        left_bytes = free_bytes - 8
        while left_bytes:
            piece = self.filling[:left_bytes]
            self.wfile.write(piece)
            left_bytes -= len(piece)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name that http.server gives it)
        """Keep the table alone on the screen."""


class DiscardingS3Handler(BaseHTTPRequestHandler):
    """The seven calls of S3 that storing makes; every body is read and forgotten."""

    protocol_version = "HTTP/1.1"
    # Without it a response of two writes waits for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def do_HEAD(self) -> None:
        """Tell that nothing is stored."""
        self._answer(404)

    def do_PUT(self) -> None:
        """Take a part or an object."""
        self._discard_body()
        checksum = self.headers.get("x-amz-checksum-crc32")
        self._answer(200, headers={"ETag": '"discarded"'} | ({"x-amz-checksum-crc32": checksum} if checksum else {}))

    def do_POST(self) -> None:
        """Begin or complete a multipart upload."""
        self._discard_body()
        if self.path.endswith("?uploads"):
            self._answer(200, b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
        else:
            self._answer(200, b"<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>")

    def do_DELETE(self) -> None:
        """Abort a multipart upload."""
        self._answer(204)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name that http.server gives it)
        """Keep the table alone on the screen."""

    def _discard_body(self) -> None:
        left_bytes = int(self.headers.get("Content-Length", 0))
        buffer = memoryview(bytearray(MIB))
        while left_bytes:
            left_bytes -= self.rfile.readinto(buffer[: min(left_bytes, MIB)])

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def serve(handler: type[BaseHTTPRequestHandler]) -> None:
    """Serve on a free port of loopback, and tell it on standard output."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


class StreamReader:
    """The stream as `upload_fileobj` wants it: a file that can only be read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size_bytes: int = -1) -> bytes:
        """Give the next `size_bytes`, fewer at the end."""
        pieces = [self._rest]
        came_bytes = len(self._rest)
        while came_bytes < size_bytes:
            piece = next(self._chunks, b"")
            if not piece:
                break
            pieces.append(piece)
            came_bytes += len(piece)
        data = b"".join(pieces)
        self._rest = data[size_bytes:]
        return data[:size_bytes]


@contextmanager
def open_source(url: str) -> Iterator[VideoStream]:
    """Stream the video as a provider's adapter does."""
    with httpx.stream("GET", url, timeout=60) as response:
        response.raise_for_status()
        yield VideoStream(
            chunks=response.iter_bytes(),
            size_bytes=int(response.headers["content-length"]),
            content_type="video/mp4",
            validator=response.headers["etag"],
        )


def warm_up(s3: S3Client, source_url: str, clip: Path) -> None:
    """Do once what any of the measured ways does, so that the imports and pools behind it are there."""
    with httpx.stream("GET", f"{source_url}/{2 * clip.stat().st_size}", timeout=60) as response:
        for _ in response.iter_bytes():
            pass
    s3.put_object(Bucket="media", Key="warm", Body=b"up")
    inspect(clip)


def inspect(clip: Path) -> Inspection:
    """Decode a clip."""
    return Inspection(probe=probe_video(clip), thumbnail=draw_thumbnail(clip), spritesheet=draw_spritesheet(clip))


def measure(way: str, size_bytes: int, source_url: str, s3_url: str, clip: Path) -> Figures:
    """Send one video in this process; `way` is `baseline`, `plain` or `store`."""
    s3: S3Client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=s3_url,
        aws_access_key_id="bench",
        aws_secret_access_key="bench",  # noqa: S106 (no secret: the stand-in lets everyone in)
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=16),
    )
    warm_up(s3, source_url, clip)
    video_url = f"{source_url}/{size_bytes}"
    started = time.monotonic()
    if way == "plain":
        with open_source(video_url) as stream:
            # Reading is all that upload_fileobj asks of a file; its stubs ask for a whole one.
            file = cast("IO[bytes]", StreamReader(stream.chunks))
            s3.upload_fileobj(file, "media", "videos/plain/video.mp4")
    elif way == "store":
        # Another function decodes what is stored; here the clip stands for it, which S3's stand-in has not kept.
        store = MediaStore(S3Bucket(s3, "media"), inspect=lambda _: inspect(clip))
        stored = store.store_video(
            "bench", lambda _start_byte, _validator: open_source(video_url), deadline=started + 300
        )
        if stored.size_bytes != size_bytes:
            raise SystemExit(f"{stored.size_bytes} of {size_bytes} bytes were stored")
    seconds = time.monotonic() - started
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (peak_kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return Figures(peak_bytes=int(peak_kib) * 1024, seconds=seconds)


@contextmanager
def served(clip: Path, what: str) -> Iterator[str]:
    """Run one of the servers in a process of its own; give its URL."""
    command = [sys.executable, "-m", "bench.store_memory", what, "--clip", str(clip)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise SystemExit(f"the server {what!r} did not start")
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def compare(runs: int) -> bool:
    """Measure each way `runs` times, in turn, and print the table; tell whether every claim holds."""
    with ExitStack() as stack:
        clip = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "clip.mp4"
        draw_clip(clip)
        source_url = stack.enter_context(served(clip, "serve-source"))
        s3_url = stack.enter_context(served(clip, "serve-s3"))

        def run(way: str, size_bytes: int) -> Figures:
            command = [sys.executable, "-m", "bench.store_memory", way, "--clip", str(clip)]
            command += ["--size-bytes", str(size_bytes), "--source-url", source_url, "--s3-url", s3_url]
            ran = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                timeout=300,
                env={**os.environ, **({} if way == "plain" else ENVIRONMENT)},
            )
            return Figures.model_validate_json(ran.stdout)

        cases = [("baseline", 0), ("store", SMALL_BYTES), ("plain", LARGE_BYTES), ("store", LARGE_BYTES)]
        load = os.getloadavg()[0]
        figures: dict[tuple[str, int], list[Figures]] = {case: [] for case in cases}
        for _ in range(runs):
            for case in cases:
                figures[case].append(run(*case))

    baseline_bytes = median(figure.peak_bytes for figure in figures[cases[0]])
    peaks_bytes = {case: max(figure.peak_bytes for figure in figures[case]) - baseline_bytes for case in cases}

    print(f"{runs} interleaved runs, the worst peak and the median rate of each; load average {load:.1f} before them")
    print(f"the interpreter alone peaks at {baseline_bytes / MIB:.0f} MiB\n")
    print(f"{'way':<20}{'peak over it, MiB':>18}{'MiB/s':>8}")
    for way, size_bytes in cases[1:]:
        mib_per_second = size_bytes / MIB / median(figure.seconds for figure in figures[way, size_bytes])
        peak_mib = peaks_bytes[way, size_bytes] / MIB
        print(f"{way:<8}{size_bytes / 1e6:>9,.0f} MB{peak_mib:>18.1f}{mib_per_second:>8.0f}")
    small, plain, large = cases[1:]
    # Runs of one round lie beside each other, so that what else the machine does weighs on both alike.
    rate = median(theirs.seconds / ours.seconds for theirs, ours in zip(figures[plain], figures[large], strict=True))
    growth = peaks_bytes[large] / peaks_bytes[small]
    claims = {
        f"storing 50 MB peaks at most {MAX_PEAK_BYTES // MIB} MiB over": peaks_bytes[small] <= MAX_PEAK_BYTES,
        f"storing 1 GB peaks at most {MAX_PEAK_BYTES // MIB} MiB over": peaks_bytes[large] <= MAX_PEAK_BYTES,
        f"1 GB over 50 MB: {growth:.2f}, at most {MAX_GROWTH}": growth <= MAX_GROWTH,
        f"rate of storing over plain upload_fileobj: {rate:.2f}, at least {MIN_RATE}": rate >= MIN_RATE,
    }
    print()
    for claim, holds in claims.items():
        print(f"{'holds ' if holds else 'MISSED'}  {claim}")
    return all(claims.values())


def main() -> None:
    """Run the comparison, or the part of it that a child process was started for."""
    parser = argparse.ArgumentParser(description="Measure the memory and the throughput of storing a video.")
    parser.add_argument("way", nargs="?", default="compare")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--clip", type=Path, default=Path())
    parser.add_argument("--size-bytes", type=int, default=0)
    parser.add_argument("--source-url", default="")
    parser.add_argument("--s3-url", default="")
    arguments = parser.parse_args()
    if arguments.way == "compare":
        sys.exit(0 if compare(arguments.runs) else 1)
    if arguments.way == "serve-source":
        SourceHandler.clip = arguments.clip.read_bytes()
        serve(SourceHandler)
    elif arguments.way == "serve-s3":
        serve(DiscardingS3Handler)
    else:
        figures = measure(arguments.way, arguments.size_bytes, arguments.source_url, arguments.s3_url, arguments.clip)
        print(figures.model_dump_json())


if __name__ == "__main__":
    main()
