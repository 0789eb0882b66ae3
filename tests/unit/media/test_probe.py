"""The probe, the thumbnail and the spritesheet, on real clips."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from mediaposter.domain.errors import MediaError
from mediaposter.media.probe import Probe, draw_spritesheet, draw_thumbnail, probe_video

MakeVideo = Callable[..., Path]

# Rows of a display matrix are (a, b, u), (c, d, v), (x, y, w): u, v and w of 2.30 fixed point, the rest of 16.16.
ONE = 1 << 16
FAST = {"preset": "ultrafast", "crf": "5"}


def draw_corner() -> Image.Image:
    """Draw a red picture, its upper left quarter blue."""
    image = Image.new("RGB", (320, 180), (200, 30, 30))
    image.paste((20, 20, 220), (0, 0, 160, 90))
    return image


def make_anamorphic(
    path: Path, pixel_aspect: Fraction, *, matrix: tuple[int, int, int, int] = (ONE, 0, 0, ONE), frames: int = 8
) -> Path:
    """Draw a clip of 320x180 wide or narrow pixels, shown by a, b, c and d of a matrix."""
    a, b, c, d = matrix
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=8, options=FAST)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.codec_context.sample_aspect_ratio = pixel_aspect
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        image = draw_corner()
        for _ in range(frames):
            frame = av.VideoFrame(320, 180, "rgb24")
            frame.planes[0].update(image.tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def open_thumbnail(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(draw_thumbnail(path))).convert("RGB")


def is_blue(pixel: object) -> bool:
    assert isinstance(pixel, tuple)
    return bool(pixel[2] > 150 > pixel[0])


def is_red(pixel: object) -> bool:
    assert isinstance(pixel, tuple)
    return bool(pixel[0] > 150 > pixel[2])


def draw_blank(
    path: Path, size: tuple[int, int], *, container: str = "mp4", rate: Fraction = Fraction(24), frames: int = 1
) -> Path:
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream("libx264", rate=rate, options=FAST)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for _ in range(frames):
            output.mux(stream.encode(av.VideoFrame(*size, "yuv420p")))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("moov_first", [True, False])
def test_a_clip_is_told_by_size_duration_and_codecs(make_video: MakeVideo, moov_first: bool) -> None:
    probe = probe_video(make_video(moov_first=moov_first))
    assert probe == Probe(width=320, height=180, duration_ms=1000, video_codec="h264", audio_codec="aac")
    assert probe_video(make_video(audio=False)).audio_codec is None


def test_a_clip_filmed_upright_is_told_and_drawn_as_it_is_shown(make_video: MakeVideo) -> None:
    path = make_video(rotation=90)
    probe = probe_video(path)
    assert (probe.width, probe.height) == (180, 320)
    # Turned by 90 degrees counterclockwise, the upper left quarter comes to lie at the lower left.
    for picture, size in ((open_thumbnail(path), (180, 320)), (open_spritesheet(path).convert("RGB"), (90, 160))):
        assert picture.size == size
        assert is_blue(picture.getpixel((10, size[1] - 10)))
        assert is_red(picture.getpixel((10, 10)))


@pytest.mark.parametrize("container", ["matroska", None])
def test_another_container_and_a_moov_that_is_garbage_are_refused(tmp_path: Path, container: str | None) -> None:
    path = tmp_path / "clip.mp4"
    if container is None:
        path.write_bytes(b"\0\0\0\x08ftyp" + b"\0\0\0\x18moov" + bytes(16) + b"\0\0\0\x08mdat")
    else:
        draw_blank(path, (320, 180), container=container)
    with pytest.raises(MediaError, match="cannot be read"):
        probe_video(path)


def test_a_thumbnail_is_a_webp_of_the_first_frame(make_video: MakeVideo) -> None:
    thumbnail = Image.open(io.BytesIO(draw_thumbnail(make_video())))
    assert (thumbnail.format, thumbnail.size) == ("WEBP", (320, 180))
    assert is_blue(thumbnail.convert("RGB").getpixel((20, 20)))
    assert is_red(thumbnail.convert("RGB").getpixel((300, 20)))


@pytest.mark.parametrize(
    ("pixel_aspect", "matrix", "size"),
    [
        (Fraction(4, 3), (ONE, 0, 0, ONE), (427, 180)),
        (Fraction(1, 2), (ONE, 0, 0, ONE), (160, 180)),
        (Fraction(4, 3), (0, ONE, -ONE, 0), (180, 427)),
    ],
    ids=["wide", "narrow", "wide, filmed upright"],
)
def test_pixels_that_are_not_square_are_told_and_drawn_as_they_are_shown(
    tmp_path: Path, pixel_aspect: Fraction, matrix: tuple[int, int, int, int], size: tuple[int, int]
) -> None:
    path = make_anamorphic(tmp_path / "clip.mp4", pixel_aspect, matrix=matrix)
    probe = probe_video(path)
    assert (probe.width, probe.height) == size
    assert open_thumbnail(path).size == size


@pytest.mark.parametrize(
    ("spacing", "width", "size"),
    [((1, 100_000), 1, (1, 180)), ((100_000, 1), 32_000_000, (640, 1))],
    ids=["narrow", "wide"],
)
def test_pixels_of_an_absurd_shape_are_drawn_within_bounds(
    tmp_path: Path, spacing: tuple[int, int], width: int, size: tuple[int, int]
) -> None:
    path = make_anamorphic(tmp_path / "clip.mp4", Fraction(4, 3))
    data = bytearray(path.read_bytes())
    struct.pack_into(">2I", data, data.index(b"pasp") + 4, *spacing)
    path.write_bytes(data)
    assert probe_video(path).width == width
    assert open_thumbnail(path).size == size
    assert max(open_spritesheet(path).size) == 160


@pytest.mark.parametrize(
    ("matrix", "size", "blue_corner"),
    [
        ((-ONE, 0, 0, ONE), (320, 180), "upper right"),
        ((ONE, 0, 0, -ONE), (320, 180), "lower left"),
        ((-ONE, 0, 0, -ONE), (320, 180), "lower right"),
        ((0, ONE, ONE, 0), (180, 320), "upper left"),
        ((0, -ONE, ONE, 0), (180, 320), "lower left"),
    ],
)
def test_a_thumbnail_is_turned_and_mirrored_as_a_player_does(
    tmp_path: Path, matrix: tuple[int, int, int, int], size: tuple[int, int], blue_corner: str
) -> None:
    thumbnail = open_thumbnail(make_anamorphic(tmp_path / "clip.mp4", Fraction(1), matrix=matrix))
    right, bottom = thumbnail.width - 20, thumbnail.height - 20
    corners = {
        "upper left": (20, 20),
        "upper right": (right, 20),
        "lower left": (20, bottom),
        "lower right": (right, bottom),
    }
    assert thumbnail.size == size
    assert [name for name, place in corners.items() if is_blue(thumbnail.getpixel(place))] == [blue_corner]


def test_a_frame_with_data_of_a_kind_that_pyav_does_not_know_is_turned_all_the_same(tmp_path: Path) -> None:
    orientation = 0x0112
    exif = Image.Exif()
    exif[orientation] = 6  # turned clockwise
    jpeg = io.BytesIO()
    draw_corner().save(jpeg, "JPEG", exif=exif)
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mjpeg", rate=8)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuvj420p"
        for number in range(8):
            packet = av.Packet(jpeg.getvalue())
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 8), True
            packet.pts = packet.dts = number
            container.mux(packet)
    probe = probe_video(path)
    thumbnail = open_thumbnail(path)
    assert (probe.width, probe.height) == thumbnail.size == (180, 320)
    assert is_blue(thumbnail.getpixel((160, 20)))


def test_a_thumbnail_skips_the_black_frames_of_a_fade_in(make_video: MakeVideo) -> None:
    assert is_blue(open_thumbnail(make_video(black_frames=12)).getpixel((20, 20)))


@pytest.mark.parametrize("frames", [24, 120])
def test_a_thumbnail_of_a_clip_that_is_black_for_its_first_seconds_is_black(make_video: MakeVideo, frames: int) -> None:
    path = make_video(black_frames=100, frames=frames, audio=False)
    assert sum(open_thumbnail(path).resize((1, 1)).tobytes()) < 15


def test_a_clip_of_one_frame_in_five_seconds_has_a_thumbnail(tmp_path: Path) -> None:
    path = draw_blank(tmp_path / "slow.mp4", (320, 180), rate=Fraction(1, 5), frames=3)
    assert open_thumbnail(path).size == (320, 180)


def test_a_thumbnail_has_at_most_640_pixels_a_side(tmp_path: Path) -> None:
    assert open_thumbnail(draw_blank(tmp_path / "large.mp4", (720, 1280))).size == (360, 640)


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


def erase_frames(path: Path) -> None:
    data = path.read_bytes()
    start = data.index(b"mdat") + 4
    (size_bytes,) = struct.unpack_from(">I", data, start - 8)
    path.write_bytes(data[:start] + bytes(size_bytes - 8) + data[start + size_bytes - 8 :])


@pytest.mark.parametrize("read", [probe_video, draw_thumbnail, draw_spritesheet])
def test_frames_that_do_not_decode_are_refused(make_video: MakeVideo, read: Callable[[Path], object]) -> None:
    path = make_video()
    erase_frames(path)
    with pytest.raises(MediaError, match="decodes"):
        read(path)


@pytest.mark.parametrize("read", [probe_video, draw_spritesheet])
def test_a_clip_without_duration_is_refused(make_video: MakeVideo, read: Callable[[Path], object]) -> None:
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
        read(path)


@pytest.mark.parametrize("read", [probe_video, draw_thumbnail, draw_spritesheet])
def test_a_codec_that_is_not_known_is_refused(make_video: MakeVideo, read: Callable[[Path], object]) -> None:
    path = make_video()
    path.write_bytes(path.read_bytes().replace(b"avc1", b"new1").replace(b"avcC", b"newC"))
    with pytest.raises(MediaError, match="codec"):
        read(path)


# Frames a second of the clips that the spritesheets are drawn of.
RATE = 8


def draw_steps(
    path: Path, count: int, *, rate: Fraction = Fraction(RATE), steps: int = RATE, group: int = 250, first: int = 0
) -> Path:
    """Draw `count` frames of 320x180 that become lighter after each `steps` frames; every `group`th is a keyframe.

    They are shown after the time of `first` frames.
    """
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={**FAST, "g": str(group), "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(count):
            frame = av.VideoFrame(320, 180, "yuv420p")
            for plane, value in zip(frame.planes, (26 + 4 * (number // steps), 128, 128), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts, frame.time_base = first + number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def open_spritesheet(path: Path, *, clock: Callable[[], float] = lambda: 0) -> Image.Image:
    return Image.open(io.BytesIO(draw_spritesheet(path, clock=clock)))


def read_steps(sheet: Image.Image) -> list[int | None]:
    """Tell for each cell how many steps lighter than the first frame it is; None where it is black."""
    luma = sheet.convert("YCbCr").getchannel("Y")
    steps: list[int | None] = []
    for top in range(0, sheet.height, 90):
        for left in range(0, sheet.width, 160):
            gray = luma.getpixel((left + 80, top + 45))
            assert isinstance(gray, int)
            # A picture's 0 to 255 are a clip's 16 to 235, and come out of the conversion one or two too dark.
            step = round((16 + gray * 219 / 255 + 1.5 - 26) / 4)
            steps.append(step if step >= 0 else None)
    return steps


def test_a_spritesheet_has_ten_cells_in_a_row(tmp_path: Path) -> None:
    sheet = open_spritesheet(draw_steps(tmp_path / "clip.mp4", 12 * RATE))
    assert (sheet.format, sheet.size) == ("JPEG", (10 * 160, 2 * 90))
    assert read_steps(sheet) == [*range(12), *[None] * 8]


def test_a_spritesheet_of_a_long_clip_has_fifty_cells_spread_over_it(tmp_path: Path) -> None:
    sheet = open_spritesheet(draw_steps(tmp_path / "clip.mp4", 100, rate=Fraction(1), steps=2))
    assert sheet.size == (10 * 160, 5 * 90)
    assert read_steps(sheet) == list(range(50))


def test_each_cell_shows_what_a_player_shows_then(tmp_path: Path) -> None:
    slow = draw_steps(tmp_path / "clip.mp4", 3, rate=Fraction(1, 5), steps=1)
    assert read_steps(open_spritesheet(slow)) == [0] * 5 + [1] * 5 + [2] * 5 + [None] * 5


def erase_some_frames(path: Path, numbers: Sequence[int]) -> Path:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.pts is not None]
        packets.sort(key=lambda packet: packet.pts or 0)
        places = [(packets[number].pos or 0, packets[number].size) for number in numbers]
    data = bytearray(path.read_bytes())
    for start, size_bytes in places:
        data[start : start + size_bytes] = bytes(size_bytes)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("erased", "shown"),
    [
        (range(RATE), [1, 1, 2, 3, 4, 5]),
        (range(2 * RATE, 4 * RATE), [0, 1, 4, 4, 4, 5]),
        (range(3 * RATE, 6 * RATE), [0, 1, 2, 2, 2, 2]),
    ],
    ids=["at the start", "in the middle", "at the end"],
)
def test_in_place_of_a_broken_frame_a_spritesheet_shows_the_next_or_the_last(
    tmp_path: Path, erased: Sequence[int], shown: list[int]
) -> None:
    path = erase_some_frames(draw_steps(tmp_path / "clip.mp4", 6 * RATE, group=1), erased)
    assert read_steps(open_spritesheet(path)) == shown


class CountingClock:
    """Is asked once at first, and once for each frame that decodes or does not; after that stands at `late_seconds`."""

    def __init__(self, late_seconds: float = 0) -> None:
        self.asked = -1
        self._late_seconds = late_seconds

    def __call__(self) -> float:
        self.asked += 1
        return self._late_seconds if self.asked else 0


def test_a_spritesheet_begins_when_its_clip_does(tmp_path: Path) -> None:
    path = draw_steps(tmp_path / "clip.mp4", 3 * RATE, first=5 * RATE)
    assert read_steps(open_spritesheet(path)) == [0, 1, 2]


def test_a_spritesheet_decodes_no_more_than_from_the_last_keyframe_on(tmp_path: Path) -> None:
    path = draw_steps(tmp_path / "clip.mp4", 20 * RATE, group=RATE)
    clock = CountingClock()
    assert read_steps(open_spritesheet(path, clock=clock)) == list(range(20))
    assert clock.asked == 20


@pytest.mark.parametrize("keyframe", [1, 6 * RATE], ids=["first", "last"])
def test_a_spritesheet_decodes_a_clip_of_one_keyframe_once(tmp_path: Path, keyframe: int) -> None:
    path = draw_steps(tmp_path / "clip.mp4", 6 * RATE)
    data = bytearray(path.read_bytes())
    struct.pack_into(">I", data, data.index(b"stss") + 12, keyframe)
    path.write_bytes(data)
    clock = CountingClock()
    assert read_steps(open_spritesheet(path, clock=clock)) == list(range(6))
    assert clock.asked <= 6 * RATE


def test_a_spritesheet_passes_over_a_broken_end_once(tmp_path: Path) -> None:
    path = erase_some_frames(draw_steps(tmp_path / "clip.mp4", 6 * RATE, group=1), range(RATE, 6 * RATE))
    clock = CountingClock()
    assert read_steps(open_spritesheet(path, clock=clock)) == [0] * 6
    assert clock.asked <= 6 * RATE


def test_a_spritesheet_that_takes_long_goes_on_with_one_frame_a_cell(tmp_path: Path) -> None:
    path = draw_steps(tmp_path / "clip.mp4", 8 * RATE, group=2 * RATE)
    clock = CountingClock(late_seconds=20)
    assert read_steps(open_spritesheet(path, clock=clock)) == [0, 0, 2, 2, 4, 4, 6, 6]
    assert clock.asked == 8


def test_a_spritesheet_that_takes_long_does_not_pass_over_what_is_broken(tmp_path: Path) -> None:
    path = erase_some_frames(draw_steps(tmp_path / "clip.mp4", 6 * RATE, group=1), range(RATE, 4 * RATE))
    clock = CountingClock(late_seconds=20)
    assert read_steps(open_spritesheet(path, clock=clock)) == [0] * 6
    assert clock.asked == 2


def test_the_probe_model_can_be_imported_where_there_is_no_av() -> None:
    code = (
        "import sys; sys.modules['av'] = sys.modules['PIL'] = None\n"
        "from mediaposter.media.probe import Probe\n"
        "print(Probe(width=1, height=1, duration_ms=1, video_codec='h264').width)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "1\n"
