"""The wheel alone: an environment with what it needs and nothing else, an empty folder, and the lines on the screen.

MEDIAPOSTER_WHEEL_PYTHONS names other interpreters, with `:` between them. What pip resolves is measured by
`python -m bench.readme`; here the packages are those of uv.lock, so that no index is asked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from tests.conformance.embedded import ROOT

PYTHONS = os.environ.get("MEDIAPOSTER_WHEEL_PYTHONS", sys.executable).split(os.pathsep)
IS_UP = "Ctrl-C stops it."
FIRST_LINE, LAST_WORDS = "from openai import OpenAI", "client.videos.download_content"


def use_uv(*words: str, **variables: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run(
        [uv, *words], cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    use_uv("build", "--wheel", "--quiet", "--out-dir", str(folder))
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(params=PYTHONS, ids=lambda path: Path(path).resolve().name)
def program(request: pytest.FixtureRequest, wheel: Path, tmp_path: Path) -> Path:
    """Install the wheel, and give its command."""
    environment = str(tmp_path / "environment")
    use_uv(
        *("sync", "--quiet", "--frozen", "--no-dev", "--no-install-project", "--python", request.param),
        UV_PROJECT_ENVIRONMENT=environment,
    )
    use_uv("pip", "install", "--quiet", "--no-deps", "--python", environment, str(wheel))
    use_uv("pip", "check", "--quiet", "--python", environment)
    return tmp_path / "environment" / "bin" / "mediaposter"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "empty").mkdir(parents=True)
    return folder


def start(program: Path, home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [program, "up", "--port", "0", "--wait-scale", "0.1"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=home / "empty",
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
    )


@pytest.fixture
def screen(program: Path, home: Path) -> Iterator[list[str]]:
    """Run the host while a test runs; give what it shows."""
    process = start(program, home)
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if lines[-1] == IS_UP:
            break
    try:
        yield lines
    finally:
        process.terminate()
        process.wait(60)


def test_the_wheel_alone_runs_a_host_and_the_lines_on_its_screen_make_a_video(
    program: Path, home: Path, screen: list[str]
) -> None:
    last = next(number for number, line in enumerate(screen) if line.startswith(LAST_WORDS))
    snippet = "\n".join(screen[screen.index(FIRST_LINE) : last + 1])

    subprocess.run([sys.executable, "-W", "ignore", "-c", snippet], cwd=home / "empty", check=True, timeout=120)

    with av.open(str(home / "empty" / "boat.mp4")) as clip:
        assert sum(1 for _ in clip.decode(video=0)) > 0
    assert [path.name for path in (home / "empty").iterdir()] == ["boat.mp4"]
    listed = subprocess.run(
        [program, "list", "--json"], capture_output=True, text=True, check=True, env={"HOME": str(home)}
    )
    assert [video["stage"] for video in json.loads(listed.stdout)["data"]] == ["done"]
