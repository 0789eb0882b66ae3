"""Unit tests open no sockets (Unix sockets are left: an event loop wakes itself through one); and tiny real videos.

Every boto3 session shares what was read of AWS's descriptions: reading them is most of the time of making a client.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import botocore.session
import pytest
from botocore.loaders import Loader, create_loader
from PIL import Image
from pytest_socket import disable_socket

_LOADERS: dict[str | None, Loader] = {}


def _share_loader(search_path_string: str | None = None) -> Loader:
    return _LOADERS.setdefault(search_path_string, create_loader(search_path_string))


botocore.session.create_loader = _share_loader

RED, BLUE = (200, 30, 30), (20, 20, 220)

MakeVideo = Callable[..., Path]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Block the network, but for a test marked `enable_socket(reason=…)`."""
    marker = item.get_closest_marker("enable_socket")
    if marker is None:
        disable_socket(allow_unix_socket=True)
    elif not marker.kwargs.get("reason"):
        raise pytest.UsageError(f"{item.nodeid} opens sockets without a reason")


def _draw(path: Path, *, moov_first: bool, rotation: int, black_frames: int, frames: int, audio: bool) -> None:
    options = {"movflags": "faststart"} if moov_first else {}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        video = container.add_stream("libx264", rate=24)
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        if rotation:
            video.set_display_rotation(rotation)
        sound = container.add_stream("aac", rate=44100) if audio else None
        for number in range(frames):
            image = Image.new("RGB", (320, 180))
            if number >= black_frames:
                image.paste(RED, (0, 0, 320, 180))
                image.paste(BLUE, (0, 0, 160, 90))
            # The planes are filled by hand: PyAV's own from_image carries no types.
            frame = av.VideoFrame(320, 180, "rgb24")
            frame.planes[0].update(image.tobytes())
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            silence = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
            silence.rate = 44100
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            for number in range(frames * 44100 // 24 // 1024):
                silence.pts = number * 1024
                container.mux(sound.encode(silence))
            container.mux(sound.encode(None))


@pytest.fixture(scope="session")
def make_video(tmp_path_factory: pytest.TempPathFactory) -> MakeVideo:
    """Give a function that draws a one-second clip, red with its upper left quarter blue, 320x180."""

    def make(
        *, moov_first: bool = True, rotation: int = 0, black_frames: int = 0, frames: int = 24, audio: bool = True
    ) -> Path:
        path = tmp_path_factory.mktemp("clip") / "clip.mp4"
        _draw(
            path,
            moov_first=moov_first,
            rotation=rotation,
            black_frames=black_frames,
            frames=frames,
            audio=audio,
        )
        return path

    return make


@pytest.fixture(scope="session")
def moov_first_mp4(make_video: MakeVideo) -> bytes:
    return make_video(moov_first=True).read_bytes()


@pytest.fixture(scope="session")
def moov_last_mp4(make_video: MakeVideo) -> bytes:
    return make_video(moov_first=False).read_bytes()
