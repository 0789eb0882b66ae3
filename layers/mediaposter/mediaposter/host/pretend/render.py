"""Draw real MP4 files: what a video model would have sent, made in a twentieth of a second.

Encoding H.264 takes most of the time. So only the first frame of each second is encoded for its clip: it shows the
prompt and the progress. In the frames after it only a dot moves, in the same way in every second and every clip of a
size: they are encoded once. After the first eight, all packets of sound are the same.
"""

from __future__ import annotations

import io
import math
import textwrap
import zlib
from array import array
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path

import av
from av import AudioFrame, Packet, VideoFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream
from av.video.frame import PictureType
from av.video.stream import VideoStream
from PIL import Image, ImageDraw, ImageFont

_FRAMES_PER_SECOND = 24
_FRAME = Fraction(1, _FRAMES_PER_SECOND)
# Two encoders make the frames of a clip, so they must be set alike. One thread that does not look ahead gives each
# frame at once, and `forced-idr` makes a frame that is forced to be a keyframe one to start from.
_H264_OPTIONS = {"preset": "ultrafast", "tune": "zerolatency", "crf": "28", "forced-idr": "1", "threads": "1"}

_SAMPLES_PER_SECOND = 48_000
_SAMPLE = Fraction(1, _SAMPLES_PER_SECOND)
# What a packet of AAC holds. A whole number of turns of each tone fits into it, so all packets can be the same:
# 234, 281 and 328 hertz.
_SAMPLES_PER_PACKET = 1024
_CHORD_TURNS = (5, 6, 7)
# After so many the encoder has settled.
_FIRST_PACKETS = 8


def render_video(prompt: str, *, width: int, height: int, seconds: int, path: Path, faststart: bool = True) -> None:
    """Draw an H.264 and AAC clip that shows the prompt, a progress bar and a moving dot, over a soft chord.

    The same arguments give the same bytes. `path` appears whole or not at all.

    Args:
        prompt: what the clip shows; a long one is cut to what stays legible.
        width: in pixels, even.
        height: in pixels, even.
        seconds: length of both tracks.
        path: where the MP4 goes.
        faststart: put the index (`moov`) first, so that the clip plays while it downloads; otherwise last.
    """
    if width % 2 or height % 2:
        raise ValueError(f"H.264 in yuv420p needs an even width and height, not {width}x{height}.")
    part = path.with_name(path.name + ".part")
    card = _draw_card(prompt, width, height)
    moving = _encode_moving_frames(width, height)
    with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"} if faststart else {}) as container:
        video, audio = _add_streams(container, width, height)
        container.start_encoding()
        # Second by second, so that the two tracks lie interleaved in the file.
        sounded = 0
        for second in range(seconds):
            first = _overwrite_strip(card, _draw_strip(card, 0, progress=(second, seconds)))
            container.mux(_encode_keyframe(video, first, second * _FRAMES_PER_SECOND))
            for number, content in enumerate(moving, second * _FRAMES_PER_SECOND + 1):
                container.mux(_build_packet(content, video, number, 1, _FRAME))
            while sounded < (second + 1) * _SAMPLES_PER_SECOND:
                content = _encode_sound()[min(sounded // _SAMPLES_PER_PACKET, _FIRST_PACKETS - 1)]
                # The last packet ends with the picture.
                samples = min(_SAMPLES_PER_PACKET, seconds * _SAMPLES_PER_SECOND - sounded)
                container.mux(_build_packet(content, audio, sounded, samples, _SAMPLE))
                sounded += samples
    part.replace(path)


def _add_streams(container: OutputContainer, width: int, height: int) -> tuple[VideoStream, AudioStream]:
    video = container.add_stream("libx264", rate=_FRAMES_PER_SECOND, options=dict(_H264_OPTIONS))
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    audio = container.add_stream("aac", rate=_SAMPLES_PER_SECOND, layout="mono", options={"aac_coder": "fast"})
    return video, audio


def _encode_keyframe(video: VideoStream, frame: VideoFrame, number: int) -> list[Packet[VideoStream]]:
    frame.pts, frame.pict_type = number, PictureType.I
    return video.encode(frame)


def _build_packet(
    content: bytes, stream: VideoStream | AudioStream, begins: int, lasts: int, tick: Fraction
) -> Packet[Stream]:
    """Give a packet that begins and lasts so many ticks, each of so many seconds."""
    packet = Packet(content)
    packet.stream, packet.time_base = stream, tick
    packet.pts = packet.dts = begins
    packet.duration = lasts
    return packet


def _draw_card(prompt: str, width: int, height: int) -> VideoFrame:
    """Draw what stays the same in every frame: the ground, in a colour of the prompt's own, and the text."""
    hue = zlib.crc32(prompt.encode()) % 360
    card = Image.new("RGBA", (width, height), f"hsl({hue}, 45%, 18%)")
    margin = min(width, height) // 12
    text, font = _fit_text(prompt, width - 2 * margin, _strip_top(height) - 2 * margin)
    ImageDraw.Draw(card).multiline_text((margin, margin), text, fill="white", font=font, spacing=font.size * 0.3)
    return VideoFrame.from_bytes(card.tobytes(), width, height, "rgba").reformat(format="yuv420p")


def _fit_text(prompt: str, width: int, height: int) -> tuple[str, ImageFont.FreeTypeFont]:
    """Wrap the prompt in the largest of four sizes that holds it whole, or cut it in the smallest."""
    for lines_per_width in (10, 15, 22, 30):
        font = _load_font(width / lines_per_width)
        columns = int(width / font.getlength("n"))
        rows = max(1, int(height / (font.size * 1.3)))
        if len(textwrap.wrap(prompt, columns)) <= rows:
            break
    return "\n".join(textwrap.wrap(prompt, columns, max_lines=rows, placeholder=" ...")), font


def _load_font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=max(6.0, size))
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType; install a wheel from PyPI.")
    return font


def _strip_top(height: int) -> int:
    """Give the first row of the strip at the bottom in which things move."""
    return height - height // 8


def _draw_strip(card: VideoFrame, number: int, *, progress: tuple[int, int] | None = None) -> bytes:
    """Draw the luma of the strip: whole rows, with what moves in the frame of a number in its second.

    H.264 encodes blocks of 16 pixels. The dot is below the bar, so the bar stays as it is while the dot moves.
    """
    height = card.height - _strip_top(card.height)
    strip = Image.new("L", (card.planes[0].line_size, height), 40)
    draw = ImageDraw.Draw(strip)
    left = min(card.width, card.height) // 12
    length = card.width - 2 * left
    if progress is not None:
        second, seconds = progress
        text = f"second {second + 1} of {seconds}"
        draw.text((left, height * 0.12), text, fill=220, font=_load_font(height * 0.3))
        bar = (left, int(height * 0.5), left + length, int(height * 0.62))
        draw.rectangle(bar, fill=70)
        draw.rectangle((*bar[:2], left + length * (second + 1) // seconds, bar[3]), fill=220)
    dot = left + length * number // _FRAMES_PER_SECOND
    draw.rectangle((dot, int(height * 0.75), dot + height // 8, int(height * 0.9)), fill=220)
    return strip.tobytes()


def _overwrite_strip(card: VideoFrame, strip: bytes) -> VideoFrame:
    """Copy the card, with another strip."""
    luma = bytes(card.planes[0])
    start = _strip_top(card.height) * card.planes[0].line_size
    frame = VideoFrame(card.width, card.height, "yuv420p")
    frame.planes[0].update(luma[:start] + strip)
    for plane, chroma in zip(frame.planes[1:], card.planes[1:], strict=True):
        plane.update(bytes(chroma))
    return frame


@lru_cache(maxsize=8)
def _encode_moving_frames(width: int, height: int) -> list[bytes]:
    """Encode what changes in a second after its first frame, on a blank card."""
    card = _draw_card(" ", width, height)
    with av.open(io.BytesIO(), "w", format="mp4") as container:
        video, _ = _add_streams(container, width, height)
        _encode_keyframe(video, _overwrite_strip(card, _draw_strip(card, 0)), 0)
        packets = []
        for number in range(1, _FRAMES_PER_SECOND):
            frame = _overwrite_strip(card, _draw_strip(card, number))
            frame.pts = number
            packets += video.encode(frame)
        return [bytes(packet) for packet in packets]


@cache
def _encode_sound() -> list[bytes]:
    """Encode the first packets of a quiet chord; the last of them may be repeated."""
    turn = 2 * math.pi / _SAMPLES_PER_PACKET
    samples = (0.04 * sum(math.sin(turn * turns * at) for turns in _CHORD_TURNS) for at in range(_SAMPLES_PER_PACKET))
    wave = array("f", samples).tobytes()
    with av.open(io.BytesIO(), "w", format="mp4") as container:
        _, audio = _add_streams(container, 16, 16)
        packets = []
        for number in range(_FIRST_PACKETS + 1):
            frame = AudioFrame(format="fltp", layout="mono", samples=_SAMPLES_PER_PACKET)
            frame.planes[0].update(wave)
            frame.sample_rate, frame.time_base = _SAMPLES_PER_SECOND, _SAMPLE
            frame.pts = number * _SAMPLES_PER_PACKET
            packets += audio.encode(frame)
        return [bytes(packet) for packet in packets[:_FIRST_PACKETS]]
