"""Read what a stored MP4 is, and draw its thumbnail.

PyAV and Pillow are imported by the functions that need them: only StoreFunction has the layer they come in.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from mediaposter.errors import MediaError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from PIL import Image

THUMBNAIL_SIDE_PIXELS = 640

# A video may fade in from black; one that is still black after this is black.
_LOOK_SECONDS = 3
# Mean luma of 255: a night scene is above it, the noise of an encoded black frame below.
_BLACK_LUMA = 12.0


class Probe(BaseModel):
    """What a video is, as a player shows it: width and height are those after its rotation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    duration_ms: int = Field(gt=0)
    video_codec: str
    audio_codec: str | None = None


def probe_video(path: Path) -> Probe:
    """Read size, duration and codecs, and see that a frame decodes.

    Raises:
        MediaError: there is no video stream, no duration, or nothing decodes.
    """
    with _open(path) as container:
        frame = next(_decode_first_seconds(container), None)
        if frame is None:
            raise MediaError("Nothing in the first seconds of the video decodes.")
        stream = container.streams.video[0]
        duration_ms = 0
        if stream.duration is not None and stream.time_base is not None:
            duration_ms = round(stream.duration * stream.time_base * 1000)
        elif container.duration is not None:
            duration_ms = round(container.duration / 1000)
        if duration_ms <= 0:
            raise MediaError("The video has no duration.")
        is_turned = frame.rotation % 180 != 0
        audio = container.streams.audio
        return Probe(
            width=frame.height if is_turned else frame.width,
            height=frame.width if is_turned else frame.height,
            duration_ms=duration_ms,
            video_codec=stream.codec_context.codec.canonical_name,
            audio_codec=audio[0].codec_context.codec.canonical_name if audio else None,
        )


def draw_thumbnail(path: Path) -> bytes:
    """Draw the first frame that is not nearly black as WebP, its longest side at most 640 pixels.

    A video that stays dark in its first seconds gives the brightest frame of them.

    Raises:
        MediaError: there is no video stream, or nothing decodes.
    """
    # Pillow comes with the layer that only StoreFunction has.
    from PIL import ImageStat

    best: Image.Image | None = None
    best_luma = -1.0
    with _open(path) as container:
        for frame in _decode_first_seconds(container):
            image = _shrink(frame)
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


@contextmanager
def _open(path: Path) -> Iterator[InputContainer]:
    # PyAV comes with the layer that only StoreFunction has.
    import av

    try:
        # Naming the demuxer keeps a playlist or a subtitle script from being followed.
        container = av.open(str(path), format="mp4")
    except av.FFmpegError as error:
        raise MediaError("The video's 'moov' box cannot be read.") from error
    with container:
        if not container.streams.video:
            raise MediaError("The file has no video stream.")
        yield container


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
    except av.FFmpegError:
        # What decoded before the damage counts; the caller sees whether that was anything.
        return


def _shrink(frame: VideoFrame) -> Image.Image:
    # Pillow comes with the layer that only StoreFunction has.
    from PIL import Image

    ratio = min(1.0, THUMBNAIL_SIDE_PIXELS / max(frame.width, frame.height))
    width, height = max(1, round(frame.width * ratio)), max(1, round(frame.height * ratio))
    plane = frame.reformat(width=width, height=height, format="rgb24").planes[0]
    image = Image.frombytes("RGB", (width, height), bytes(plane), "raw", "RGB", plane.line_size)
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image
