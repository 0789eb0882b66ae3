"""Draw real MP4 files: what a video model would have sent, made in half a second."""

from __future__ import annotations

import math
import textwrap
import zlib
from array import array
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
from av import AudioFrame, VideoFrame
from PIL import Image, ImageDraw, ImageFont

_SAMPLES_PER_SECOND = 48_000
# Whole numbers of hertz, so that one second of the chord joins the next without a click.
_CHORD_HERTZ = (220, 277, 330)


def render_video(
    prompt: str,
    *,
    width: int,
    height: int,
    seconds: int,
    path: Path,
    frames_per_second: int = 24,
    faststart: bool = True,
) -> None:
    """Draw an H.264 and AAC clip that shows the prompt, a progress bar and a frame counter, over a soft chord.

    The same arguments give the same bytes. `path` appears whole or not at all.

    Args:
        prompt: what the clip shows; a long one is cut to what stays legible.
        width: in pixels, even.
        height: in pixels, even.
        seconds: length of both tracks.
        path: where the MP4 goes.
        frames_per_second: of the video track.
        faststart: put the index (`moov`) first, so that the clip plays while it downloads; otherwise last.
    """
    if width % 2 or height % 2:
        raise ValueError(f"H.264 in yuv420p needs an even width and height, not {width}x{height}.")
    part = path.with_name(path.name + ".part")
    card = _draw_card(prompt, width, height)
    second_of_sound = _compose_second_of_sound()
    options = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(part), "w", format="mp4", options=options) as container:
        video = container.add_stream("libx264", rate=frames_per_second, options={"preset": "ultrafast", "crf": "28"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=_SAMPLES_PER_SECOND, layout="mono")
        frames = _draw_frames(card, frames_per_second * seconds)
        # Second by second, so that the two tracks lie interleaved in the file.
        for second in range(seconds):
            for _ in range(frames_per_second):
                container.mux(video.encode(next(frames)))
            container.mux(audio.encode(_sound_frame(second_of_sound, second)))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    part.replace(path)


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


def _draw_frames(card: VideoFrame, count: int) -> Iterator[VideoFrame]:
    """Copy the card for each frame and overwrite the luma of the strip: whole rows, so one slice of bytes."""
    luma_plane = card.planes[0]
    line_size, top = luma_plane.line_size, _strip_top(card.height)
    strip_height = card.height - top
    start = top * line_size
    luma = bytearray(bytes(luma_plane))
    chroma = [bytes(plane) for plane in card.planes[1:]]
    font = _load_font(strip_height * 0.3)
    left = min(card.width, card.height) // 12
    right = card.width - left
    for number in range(count):
        strip = Image.new("L", (line_size, strip_height), 40)
        draw = ImageDraw.Draw(strip)
        draw.text((left, strip_height * 0.12), f"frame {number + 1} of {count}", fill=220, font=font)
        bar = (left, int(strip_height * 0.6), right, int(strip_height * 0.75))
        draw.rectangle(bar, fill=70)
        draw.rectangle((*bar[:2], left + (right - left) * (number + 1) // count, bar[3]), fill=220)
        rows = strip.tobytes()
        luma[start : start + len(rows)] = rows
        frame = VideoFrame(card.width, card.height, "yuv420p")
        for plane, content in zip(frame.planes, [bytes(luma), *chroma], strict=True):
            plane.update(content)
        frame.pts = number
        yield frame


@cache
def _compose_second_of_sound() -> bytes:
    """Give one second of a quiet chord as 32-bit floats."""
    turn = 2 * math.pi / _SAMPLES_PER_SECOND
    samples = (
        0.04 * sum(math.sin(turn * hertz * sample) for hertz in _CHORD_HERTZ) for sample in range(_SAMPLES_PER_SECOND)
    )
    return array("f", samples).tobytes()


def _sound_frame(samples: bytes, second: int) -> AudioFrame:
    frame = AudioFrame(format="fltp", layout="mono", samples=_SAMPLES_PER_SECOND)
    frame.planes[0].update(samples)
    frame.sample_rate = _SAMPLES_PER_SECOND
    frame.time_base = Fraction(1, _SAMPLES_PER_SECOND)
    frame.pts = second * _SAMPLES_PER_SECOND
    return frame
