"""The probe and the thumbnail, on real clips."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from mediaposter.errors import MediaError
from mediaposter.library.probe import Probe, draw_thumbnail, probe_video

MakeVideo = Callable[..., Path]


def open_thumbnail(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(draw_thumbnail(path))).convert("RGB")


def is_blue(pixel: object) -> bool:
    assert isinstance(pixel, tuple)
    return bool(pixel[2] > 150 > pixel[0])


def is_red(pixel: object) -> bool:
    assert isinstance(pixel, tuple)
    return bool(pixel[0] > 150 > pixel[2])


@pytest.mark.parametrize("moov_first", [True, False])
def test_a_clip_is_told_by_size_duration_and_codecs(make_video: MakeVideo, moov_first: bool) -> None:
    probe = probe_video(make_video(moov_first=moov_first))
    assert probe == Probe(width=320, height=180, duration_ms=1000, video_codec="h264", audio_codec="aac")


def test_a_silent_clip_has_no_audio_codec(make_video: MakeVideo) -> None:
    assert probe_video(make_video(audio=False)).audio_codec is None


def test_a_clip_filmed_upright_is_told_as_it_is_shown(make_video: MakeVideo) -> None:
    probe = probe_video(make_video(rotation=90))
    assert (probe.width, probe.height) == (180, 320)


def test_a_thumbnail_is_a_webp_of_the_first_frame(make_video: MakeVideo) -> None:
    thumbnail = Image.open(io.BytesIO(draw_thumbnail(make_video())))
    assert (thumbnail.format, thumbnail.size) == ("WEBP", (320, 180))
    assert is_blue(thumbnail.convert("RGB").getpixel((20, 20)))
    assert is_red(thumbnail.convert("RGB").getpixel((300, 20)))


def test_a_thumbnail_stands_upright(make_video: MakeVideo) -> None:
    # Turned by 90 degrees counterclockwise, the upper left quarter comes to lie at the lower left.
    thumbnail = open_thumbnail(make_video(rotation=90))
    assert thumbnail.size == (180, 320)
    assert is_blue(thumbnail.getpixel((20, 300)))
    assert is_red(thumbnail.getpixel((20, 20)))


def test_a_thumbnail_skips_the_black_frames_of_a_fade_in(make_video: MakeVideo) -> None:
    assert is_blue(open_thumbnail(make_video(black_frames=12)).getpixel((20, 20)))


def test_a_thumbnail_of_a_black_clip_is_black(make_video: MakeVideo) -> None:
    assert sum(open_thumbnail(make_video(black_frames=24)).resize((1, 1)).tobytes()) < 15


def test_a_thumbnail_does_not_look_beyond_the_first_seconds(make_video: MakeVideo) -> None:
    path = make_video(black_frames=100, frames=120, audio=False)
    assert sum(open_thumbnail(path).resize((1, 1)).tobytes()) < 15


def test_a_clip_of_one_frame_in_five_seconds_has_a_thumbnail(tmp_path: Path) -> None:
    path = tmp_path / "slow.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(1, 5))
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame(320, 180, "yuv420p")))
        container.mux(stream.encode(None))
    assert open_thumbnail(path).size == (320, 180)


def test_another_container_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(320, 180, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="cannot be read"):
        probe_video(path)


def test_a_thumbnail_has_at_most_640_pixels_a_side(tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 720, 1280, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(720, 1280, "yuv420p")))
        container.mux(stream.encode(None))
    assert open_thumbnail(path).size == (360, 640)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=44100)
        silence = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
        silence.rate = 44100
        for plane in silence.planes:
            plane.update(bytes(plane.buffer_size))
        for number in range(10):
            silence.pts = number * 1024
            container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    with pytest.raises(MediaError, match="no video stream"):
        probe_video(path)


def test_a_moov_that_is_garbage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "garbage.mp4"
    path.write_bytes(b"\0\0\0\x08ftyp" + b"\0\0\0\x18moov" + bytes(16) + b"\0\0\0\x08mdat")
    with pytest.raises(MediaError):
        probe_video(path)


def erase_frames(path: Path) -> None:
    data = path.read_bytes()
    start = data.index(b"mdat") + 4
    (size_bytes,) = struct.unpack_from(">I", data, start - 8)
    path.write_bytes(data[:start] + bytes(size_bytes - 8) + data[start + size_bytes - 8 :])


@pytest.mark.parametrize("read", [probe_video, draw_thumbnail])
def test_frames_that_do_not_decode_are_refused(make_video: MakeVideo, read: Callable[[Path], object]) -> None:
    path = make_video()
    erase_frames(path)
    with pytest.raises(MediaError, match="decodes"):
        read(path)


def test_a_clip_without_duration_is_refused(make_video: MakeVideo) -> None:
    path = make_video(audio=False)
    data = bytearray(path.read_bytes())
    # The time-to-sample table gives each frame its length; ffmpeg believes it over the headers.
    start = data.index(b"stts")
    entries = struct.unpack_from(">I", data, start + 8)[0]
    for entry in range(entries):
        struct.pack_into(">I", data, start + 12 + entry * 8 + 4, 0)
    for name, at in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
        struct.pack_into(">I", data, data.index(name) + at, 0)
    path.write_bytes(data)
    with pytest.raises(MediaError, match="no duration"):
        probe_video(path)


def test_the_probe_model_can_be_imported_where_there_is_no_av() -> None:
    code = (
        "import sys; sys.modules['av'] = sys.modules['PIL'] = None\n"
        "from mediaposter.library.probe import Probe\n"
        "print(Probe(width=1, height=1, duration_ms=1, video_codec='h264').width)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "1\n"
