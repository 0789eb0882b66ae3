"""Probe a stored MP4, and draw its thumbnail and its spritesheet.

PyAV and Pillow are imported by the functions that need them: only ProbeVideoFunction has the layer they come in.
"""

from __future__ import annotations

import io
import math
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from mediaposter.domain.errors import MediaError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from PIL import Image

THUMBNAIL_SIDE_PIXELS = 640

SPRITESHEET_CELLS_MAX = 50
SPRITESHEET_COLUMNS = 10
SPRITESHEET_SIDE_PIXELS = 160
# Fifteen seconds of 4K took five seconds of a whole core. Together with the probe, the thumbnail and reading the file,
# this fits into ProbeVideoFunction's two minutes.
SPRITESHEET_EXACT_SECONDS = 20.0

# A video may fade in from black; if it is still black after this time, it is black.
_LOOK_SECONDS = 3
# Mean luma, of 255: a night scene is above this, an encoded black frame's noise is below.
_BLACK_LUMA = 12.0


class Probe(BaseModel):
    """What a video is, as a player shows it: width and height are in square pixels, after its rotation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    duration_ms: int = Field(gt=0)
    video_codec: str
    audio_codec: str | None = None


def probe_video(path: Path) -> Probe:
    """Read size, duration and codecs, and check that a frame decodes.

    Raises:
        MediaError: there is no video stream, no duration, or nothing decodes.
    """
    with _open(path) as container:
        frame = next(_decode_first_seconds(container), None)
        if frame is None:
            raise MediaError("Nothing in the first seconds of the video decodes.")
        stream = container.streams.video[0]
        width, height = _read_square_size(container, frame)
        audio = container.streams.audio
        return Probe(
            width=height if _is_turned(frame) else width,
            height=width if _is_turned(frame) else height,
            duration_ms=_read_duration_ms(container),
            video_codec=stream.codec_context.codec.canonical_name,
            audio_codec=audio[0].codec_context.codec.canonical_name if audio else None,
        )


def draw_thumbnail(path: Path) -> bytes:
    """Draw the first frame that is not nearly black as WebP, its longest side at most 640 pixels.

    If its first seconds are all dark, draw the brightest frame of them.

    Raises:
        MediaError: there is no video stream, or nothing decodes.
    """
    # Pillow comes with the layer that only ProbeVideoFunction has. Unless WebP is loaded by name, Pillow loads each of
    # its forty formats to find it, which takes as long as the rest of an inspection.
    from PIL import ImageStat, WebPImagePlugin  # noqa: F401

    best: Image.Image | None = None
    best_luma = -1.0
    with _open(path) as container:
        for frame in _decode_first_seconds(container):
            image = _shrink(container, frame, THUMBNAIL_SIDE_PIXELS)
            luma = ImageStat.Stat(image.convert("L")).mean[0]
            if luma > best_luma:
                best, best_luma = image, luma
            if luma > _BLACK_LUMA:
                break
    if best is None:
        raise MediaError("Nothing in the first seconds of the video decodes.")
    webp = io.BytesIO()
    best.save(webp, format="WEBP")
    return webp.getvalue()


def draw_spritesheet(path: Path, *, clock: Callable[[], float] = time.monotonic) -> bytes:
    """Draw frames spread evenly over the video into a grid, as JPEG, each at most 160 pixels on its longer side.

    The grid has one cell for each second of the video, rounded, but at least one and at most 50: ten in a row, filled
    from the upper left, the end of the last row black. Of n cells over d seconds, cell i (from 0) shows what a player
    shows at i × d / n seconds. In place of a frame that does not decode it shows the next one that does, or the last.

    Frames are decoded one by one, from the last keyframe before each cell on. After 20 seconds, each remaining cell
    decodes only one more frame: that keyframe itself or, if it is not new, the next frame in order. From then on,
    broken frames are not skipped any more.

    Raises:
        MediaError: there is no video stream or no duration, or nothing decodes.
    """
    # Pillow comes with the layer that only ProbeVideoFunction has.
    from PIL import Image

    sheet: Image.Image | None = None
    with _open(path) as container:
        seconds = Fraction(_read_duration_ms(container), 1000)
        cells = min(max(round(seconds), 1), SPRITESHEET_CELLS_MAX)
        columns, rows = min(cells, SPRITESHEET_COLUMNS), math.ceil(cells / SPRITESHEET_COLUMNS)
        times = [seconds * cell / cells for cell in range(cells)]
        for cell, frame in enumerate(_decode_at(container, times, clock)):
            tile = _shrink(container, frame, SPRITESHEET_SIDE_PIXELS)
            if sheet is None:
                width, height = tile.size
                sheet = Image.new("RGB", (columns * width, rows * height))
            row, column = divmod(cell, SPRITESHEET_COLUMNS)
            sheet.paste(tile, (column * width, row * height))
    if sheet is None:
        raise MediaError("Nothing in the video decodes.")
    jpeg = io.BytesIO()
    sheet.save(jpeg, format="JPEG", quality=80)
    return jpeg.getvalue()


@contextmanager
def _open(path: Path) -> Iterator[InputContainer]:
    # PyAV comes with the layer that only ProbeVideoFunction has.
    import av

    try:
        # Naming the demuxer keeps FFmpeg from following a playlist or a subtitle script. A title in an unknown encoding
        # does no harm.
        container = av.open(str(path), format="mp4", metadata_errors="replace")
    except MemoryError:
        raise  # which is an FFmpegError too, and says nothing about the file
    except av.FFmpegError as error:
        raise MediaError("The video's 'moov' box cannot be read.") from error
    with container:
        if not container.streams.video:
            raise MediaError("The file has no video stream.")
        # PyAV's types promise one, but an unknown codec has none.
        if container.streams.video[0].codec_context is None:
            raise MediaError("The video is in a codec that is not known here.")
        yield container


def _read_duration_ms(container: InputContainer) -> int:
    stream = container.streams.video[0]
    duration_ms = 0
    if stream.duration is not None and stream.time_base is not None:
        duration_ms = round(stream.duration * stream.time_base * 1000)
    elif container.duration is not None:
        duration_ms = round(container.duration / 1000)
    if duration_ms <= 0:
        raise MediaError("The video has no duration.")
    return duration_ms


def _decode_first_seconds(container: InputContainer) -> Iterator[VideoFrame]:
    import av

    stream = container.streams.video[0]
    # Each decoding thread would hold frames of its own.
    stream.codec_context.thread_count = 1
    first_pts: int | None = None
    try:
        for packet in container.demux(stream):
            if packet.pts is not None and stream.time_base is not None:
                first_pts = packet.pts if first_pts is None else first_pts
                if (packet.pts - first_pts) * stream.time_base > _LOOK_SECONDS:
                    yield from stream.decode(None)
                    return
            yield from stream.decode(packet)
    except MemoryError:
        raise
    except av.FFmpegError:
        # The frames before the damage count; the caller checks whether there are any.
        return


def _decode_at(container: InputContainer, times: list[Fraction], clock: Callable[[], float]) -> Iterator[VideoFrame]:
    """Yield the frame shown at each of the ascending times, in seconds; nothing if nothing decodes."""
    stream = container.streams.video[0]
    # Each decoding thread would hold frames of its own.
    stream.codec_context.thread_count = 1
    time_base = stream.time_base or Fraction(1, 1000)
    exact_until = clock() + SPRITESHEET_EXACT_SECONDS

    def is_late() -> bool:
        return clock() >= exact_until

    frames = _decode_readable(container, is_late)
    shown: VideoFrame | None = None
    has_ended = False
    for seconds in times:
        ticks = (stream.start_time or 0) + int(seconds / time_base)
        if not has_ended and (shown is None or _end_ticks(shown) <= ticks):
            if shown is not None and _seek_keyframe(container, after=_end_ticks(shown), until=ticks):
                frames = _decode_readable(container, is_late)
            has_ended = True
            for frame in frames:
                shown = frame
                if is_late() or _end_ticks(frame) > ticks:
                    has_ended = False
                    break
        if shown is not None:
            yield shown


def _decode_readable(container: InputContainer, is_late: Callable[[], bool]) -> Iterator[VideoFrame]:
    """Decode from the container's position on, and skip undecodable frames while there is time."""
    import av

    stream = container.streams.video[0]
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from stream.decode(packet)
        except MemoryError:
            raise
        except av.FFmpegError:
            if is_late():
                return


def _seek_keyframe(container: InputContainer, *, after: int, until: int) -> bool:
    """Seek to the last keyframe up to `until` if that saves decoding the frames before it."""
    stream = container.streams.video[0]
    found = stream.index_entries.search_timestamp(until)
    if found < 0 or stream.index_entries[found].timestamp < after:
        return False
    container.seek(until, stream=stream)
    return True


def _end_ticks(frame: VideoFrame) -> int:
    return (frame.pts or 0) + max(frame.duration, 1)


def _read_square_size(container: InputContainer, frame: VideoFrame) -> tuple[int, int]:
    """Return width and height in square pixels, before any rotation.

    The height stays and the width is scaled, as in a track's header (ISO/IEC 14496-12, 8.3.2 and 12.1.4).
    """
    pixel_aspect = container.streams.video[0].sample_aspect_ratio or Fraction(1)
    return max(1, round(frame.width * pixel_aspect)), frame.height


def _read_display_matrix(frame: VideoFrame) -> tuple[float, float, float, float]:
    """Return a, b, c and d: the pixel at (x, y) is shown at (ax + cy, bx + dy) (ISO/IEC 14496-12, 6.2.2)."""
    try:
        matrix = bytes(frame.side_data["DISPLAYMATRIX"])  # type: ignore[typeddict-item]  # PyAV types one kind alone
    except (KeyError, ValueError):
        # There is no matrix, or the frame has another kind of side data that PyAV does not know, and PyAV returns none
        # at all.
        angle = math.radians(frame.rotation)
        return math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)
    a, b, _, c, d, *_ = struct.unpack("9i", matrix)
    return a, b, c, d


def _is_turned(frame: VideoFrame) -> bool:
    a, b, c, d = _read_display_matrix(frame)
    return abs(b) + abs(c) > abs(a) + abs(d)


def _shrink(container: InputContainer, frame: VideoFrame, side_pixels: int) -> Image.Image:
    """Draw a frame as a player shows it: with square pixels, rotated by multiples of 90° and mirrored."""
    # Pillow comes with the layer that only ProbeVideoFunction has.
    from PIL import Image

    square_width, square_height = _read_square_size(container, frame)
    ratio = min(1.0, side_pixels / max(square_width, square_height))
    width, height = max(1, round(square_width * ratio)), max(1, round(square_height * ratio))
    plane = frame.reformat(width=width, height=height, format="rgb24").planes[0]
    image = Image.frombytes("RGB", (width, height), bytes(plane), "raw", "RGB", plane.line_size)
    a, b, c, d = _read_display_matrix(frame)
    x_scale, y_scale = a, d
    if _is_turned(frame):
        image = image.transpose(Image.Transpose.TRANSPOSE)
        x_scale, y_scale = c, b
    if x_scale < 0:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if y_scale < 0:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return image
