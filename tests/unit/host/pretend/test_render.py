"""The clips that stand in for what a video model renders."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops

from mediaposter.host.pretend.render import render_video


def render(path: Path, prompt: str = "A calico cat plays the piano.", *, faststart: bool = True) -> Path:
    render_video(prompt, width=128, height=192, seconds=2, path=path, faststart=faststart)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw one clip for all that look at it."""
    return render(tmp_path_factory.mktemp("clip") / "clip.mp4")


def read_pictures(path: Path) -> list[Image.Image]:
    with av.open(str(path)) as container:
        frames = (frame.reformat(format="gray") for frame in container.decode(video=0))
        return [
            Image.frombuffer("L", (f.width, f.height), bytes(f.planes[0]), "raw", "L", f.planes[0].line_size, 1)
            for f in frames
        ]


def list_boxes(path: Path) -> list[str]:
    """Name the top-level boxes of an MP4 in their order."""
    content, position, names = path.read_bytes(), 0, []
    while position < len(content):
        names.append(content[position + 4 : position + 8].decode())
        position += int.from_bytes(content[position : position + 4], "big")
    return names


@pytest.mark.parametrize(("width", "height", "seconds"), [(720, 1280, 1), (128, 64, 3)])
def test_a_clip_has_the_size_and_length_asked_for(tmp_path: Path, width: int, height: int, seconds: int) -> None:
    path = tmp_path / "clip.mp4"
    render_video("A cat", width=width, height=height, seconds=seconds, path=path)
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.pix_fmt, audio.codec_context.name) == ("h264", "yuv420p", "aac")
        assert (video.width, video.height, video.frames) == (width, height, seconds * 24)
        for stream in (video, audio):
            assert stream.duration is not None
            assert stream.time_base is not None
            assert float(stream.duration * stream.time_base) == pytest.approx(seconds, abs=0.05)


def test_every_frame_differs_from_the_one_before(clip: Path) -> None:
    pictures = read_pictures(clip)
    assert all(ImageChops.difference(one, next_one).getbbox() for one, next_one in itertools.pairwise(pictures))


def test_a_clip_can_be_played_from_every_second_on(clip: Path) -> None:
    with av.open(str(clip)) as container:
        keyframes = [packet.pts for packet in container.demux(video=0) if packet.is_keyframe]
        time_base = container.streams.video[0].time_base
    assert time_base is not None
    assert [pts * time_base for pts in keyframes if pts is not None] == [0, 1]


def test_the_text_and_the_bar_stay_while_the_dot_moves(tmp_path: Path) -> None:
    """The frames between come from another encoder than the keyframe they follow."""
    path = tmp_path / "clip.mp4"
    render_video("A cat", width=640, height=480, seconds=1, path=path)
    pictures = [picture.crop((0, 0, 640, 464)) for picture in read_pictures(path)]
    assert max(max(ImageChops.difference(pictures[0], picture).tobytes()) for picture in pictures) < 12


def test_the_prompt_is_in_the_picture(clip: Path, tmp_path: Path) -> None:
    above_the_strip = (0, 0, 128, 192 - 192 // 8)
    with_text = read_pictures(clip)[0].crop(above_the_strip)
    without_text = read_pictures(render(tmp_path / "blank.mp4", " "))[0].crop(above_the_strip)
    assert max(with_text.tobytes()) > 200
    assert max(without_text.tobytes()) < 100


def test_the_longest_prompt_stays_inside_the_picture(tmp_path: Path) -> None:
    picture = read_pictures(render(tmp_path / "clip.mp4", "word " * 6400))[0]
    assert max(picture.crop((118, 0, 128, 192)).tobytes()) < 100


def test_the_sound_is_heard_and_does_not_clip(clip: Path) -> None:
    with av.open(str(clip)) as container:
        samples = [
            sample for frame in container.decode(audio=0) for sample in memoryview(bytes(frame.planes[0])).cast("f")
        ]
    assert 0.05 < max(samples) < 0.5


def test_the_index_comes_first_or_last_on_request(clip: Path, tmp_path: Path) -> None:
    first, last = (list_boxes(path) for path in (clip, render(tmp_path / "clip.mp4", faststart=False)))

    assert first.index("moov") < first.index("mdat")
    assert last.index("moov") > last.index("mdat")


def test_the_same_clip_is_the_same_bytes_and_all_that_is_left(clip: Path, tmp_path: Path) -> None:
    assert render(tmp_path / "two.mp4").read_bytes() == clip.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["two.mp4"]


def test_an_odd_size_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="even width and height, not 127x64"):
        render_video("A cat", width=127, height=64, seconds=1, path=tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []
