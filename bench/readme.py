"""How long README takes a newcomer: seconds from `git clone` to the first MP4, with empty caches.

Run by hand: `python -m bench.readme`; it takes some minutes, and PyPI must be reachable. `--python` names another
interpreter, and may be repeated; `--tests` goes on to the end of the tests, six minutes more.

The commands are those in the blocks of README, and of docs/local.md for an installation without a checkout. Each door
has a machine of its own: an empty home, and a checkout of what is committed here. Three things are filled in: the
address of this repository, a key in place of `…`, and in `.env` the address of a stand-in for the provider, which
renders for half a minute. It exits 1 when a command fails, or does not print what README shows, or no MP4 comes.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import av

from tests.conformance.blocks import Block, read_blocks, tell_difference
from tests.conformance.embedded import ROOT, STAND_INS, run_stand_ins

PORT = 4600
BASH = shutil.which("bash") or "/bin/bash"
RENDER_SECONDS = 30.0
STOP_SECONDS = 60.0
IS_UP = "Ctrl-C stops it."
# What a machine has of its own: nothing that names a folder of this user, or an index of packages.
_PASSED_ON = re.compile(
    r"LANG|LC_\w+|TZ|(?:https?|no)_proxy|\w*(?:SSL_CERT|CA_BUNDLE|CAINFO|CA_CERTS)\w*|PIP_CERT", re.IGNORECASE
)


class Failed(Exception):
    """A page says something that is not so; the message says what."""


class Figure(NamedTuple):
    """How long something took a newcomer, and what else the machine did meanwhile."""

    version: str
    name: str
    seconds: float
    load: str


class Machine:
    """A newcomer's machine: an empty home, and a Python. It tells each line with the seconds since it was made."""

    def __init__(self, folder: Path, python: Path, *, port_is_free: bool) -> None:
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.checkout = self.home / "mediaposter"
        own = [path for path in os.environ["PATH"].split(":") if not Path(path).is_relative_to(ROOT)]
        self.variables = {
            **{name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)},
            "PATH": ":".join([str(python.parent), *own]),
            "HOME": str(self.home),
            # In the home, too, but a variable of the system could say otherwise.
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "UV_CACHE_DIR": str(self.home / ".cache" / "uv"),
            "PIP_CACHE_DIR": str(self.home / ".cache" / "pip"),
            "PIP_PROGRESS_BAR": "off",
            **({} if port_is_free else {"OPTIONS": "--port 0"}),
        }
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Tell how long its newcomer has been at work."""
        return time.monotonic() - self._began

    def say(self, line: str) -> None:
        """Print a line with its time."""
        print(f"[{self.seconds:6.1f} s] {line.rstrip()}", flush=True)

    def clone(self) -> None:
        """Get a checkout, as README begins with: from here on the seconds count."""
        self._began = time.monotonic()
        self.run(f"git clone --quiet file://{ROOT} {self.checkout}", self.home)
        self.say(f"cloned {ROOT}")

    def run(self, text: str, folder: Path) -> str:
        """Run commands to their end, and give what they wrote. Raises Failed."""
        process = self._start(text, folder)
        output = "".join(self._read(process))
        if process.wait() != 0:
            raise Failed(f"this ends with status {process.returncode}:\n{text}")
        return output

    @contextmanager
    def serve(self, text: str, folder: Path) -> Iterator[str]:
        """Run commands that start a host while the block runs; give what it wrote when it was up. Raises Failed."""
        process = self._start(text, folder)
        try:
            written = ""
            for line in self._read(process):
                written += line
                if line.strip() == IS_UP:
                    break
            else:
                raise Failed(f"no host came up:\n{text}")
            yield written
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)

    def _start(self, text: str, folder: Path) -> subprocess.Popen[str]:
        for line in filter(str.strip, text.splitlines()):
            self.say(f"$ {line}")
        return subprocess.Popen(
            [BASH, "-eo", "pipefail", "-c", text],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=self.variables,
            start_new_session=True,
        )

    def _read(self, process: subprocess.Popen[str]) -> Iterator[str]:
        for line in pipe_of(process):
            self.say(f"  {line}")
            yield line


def pipe_of(process: subprocess.Popen[str]) -> IO[str]:
    """Give what a process writes to."""
    if process.stdout is None:
        raise AssertionError("no pipe")
    return process.stdout


def main() -> None:
    """Go through each door with each Python, print the figures, and exit 1 if a page is wrong."""
    parser = argparse.ArgumentParser(description="Measure how long README takes a newcomer.")
    parser.add_argument("--python", action="append", type=Path, help="an interpreter; its folder has a python3")
    parser.add_argument("--door", action="append", choices=[*DOORS], help="only this one")
    parser.add_argument("--tests", action="store_true", help="go on to the tests' end")
    given = parser.parse_args()
    figures: list[Figure] = []
    wrong: list[str] = []
    for python in given.python or [Path(sys.executable).resolve()]:
        for name in given.door or DOORS:
            try:
                figures += go_through(name, python, has_tests=given.tests)
            except Failed as failure:
                wrong.append(f"{python}, {name}: {failure}")
    print("", *wrong, sep="\n")
    for figure in figures:
        print(f"Python {figure.version:<7} {figure.name:<46} {figure.seconds:6.1f} s   load {figure.load}")
    sys.exit(bool(wrong))


def go_through(name: str, python: Path, *, has_tests: bool) -> Iterator[Figure]:
    """Go through a door on a machine of its own. Raises Failed."""
    version, (title, door) = ask_version(python), DOORS[name]
    with tempfile.TemporaryDirectory(prefix="readme-") as folder:
        print(f"\nPython {version}, {title}. Load: {write_load()}", flush=True)
        machine = Machine(Path(folder), python, port_is_free=is_port_free())
        yield Figure(version, f"first MP4, {title}", door(machine), write_load())
        if has_tests and name == "demo":
            yield Figure(version, "the tests' end", run_tests(machine), write_load())


def try_it(machine: Machine) -> float:
    """Make a video without a key, in a checkout."""
    machine.clone()
    block = find_block("README.md", "make demo")
    compare(block, machine.run(block.text, machine.checkout))
    [clip] = (machine.checkout / ".demo").glob("*.mp4")
    return check_clip(machine, clip)


def use_a_key(machine: Machine) -> float:
    """Make a video with a key, in a checkout; the provider is a stand-in, whose address is in `.env`."""
    _, _, variable, keys = STAND_INS["gemini"]
    options = ("--render-seconds", str(RENDER_SECONDS))
    with run_stand_ins(machine.home.parent / "provider", ("gemini",), options) as addresses:
        machine.clone()
        (machine.checkout / ".env").write_text(f"{variable}={addresses['gemini']}\n")
        block = find_block("README.md", "make up")
        with machine.serve(block.text.replace("…", keys["GEMINI_API_KEY"]), machine.checkout) as written:
            compare(block, written)
            machine.run(find_block("README.md", "mediaposter generate").text, machine.checkout)
            return check_clip(machine, machine.checkout / "boat.mp4")


def install_the_package(machine: Machine) -> float:
    """Make a video with what pip installs, in an empty folder."""
    folder = machine.home / "videos"
    folder.mkdir()
    machine.variables["PATH"] = f"{folder / '.venv' / 'bin'}:{machine.variables['PATH']}"
    block = find_block("docs/local.md", "pip install")
    start = block.text.replace("git+https://<this repository>", f"git+file://{ROOT}")
    if "OPTIONS" in machine.variables:
        start = start.replace("mediaposter up", f"mediaposter up {machine.variables['OPTIONS']}")
    with machine.serve(start, folder):
        machine.run(find_block("docs/local.md", "mediaposter generate").text, folder)
        return check_clip(machine, folder / "boat.mp4")


def run_tests(machine: Machine) -> float:
    """Run the tests in the checkout, by the command that README names."""
    if "`make test`" not in (ROOT / "README.md").read_text(encoding="utf-8"):
        raise Failed("README does not say how to run the tests.")
    machine.run("make test", machine.checkout)
    return machine.seconds


# By what a newcomer has.
DOORS: dict[str, tuple[str, Callable[[Machine], float]]] = {
    "demo": ("without a key", try_it),
    "key": (f"with a key; the render takes {RENDER_SECONDS:.0f} s", use_a_key),
    "pip": ("by pip, in an empty folder", install_the_package),
}


def find_block(page: str, words: str) -> Block:
    """Find the first block of a page with these words."""
    for block in read_blocks((ROOT / page).read_text(encoding="utf-8")):
        if words in block.text:
            return block
    raise Failed(f"{page} has no block with {words!r}.")


def compare(block: Block, output: str) -> None:
    """Refuse an output that is not what the page shows. Raises Failed."""
    missing = tell_difference(block.expected, output)
    if missing is not None:
        raise Failed(f"README, line {block.line}: {missing!r} is not in what came.")


def check_clip(machine: Machine, path: Path) -> float:
    """Decode the clip, and tell after how many seconds it was there. Raises Failed."""
    seconds = machine.seconds
    with av.open(str(path)) as clip:
        frames = sum(1 for _ in clip.decode(video=0))
    if not frames:
        raise Failed(f"{path} has no picture.")
    machine.say(f"{path.relative_to(machine.home)}: {path.stat().st_size:,} bytes, {frames} frames")
    return seconds


def ask_version(python: Path) -> str:
    """Ask the python3 of an interpreter's folder for its version. Raises Failed."""
    program = python.parent / "python3"
    if not program.exists():
        raise Failed(f"{python.parent} has no python3, which README's reader calls.")
    return subprocess.run(
        [program, "-c", "import platform; print(platform.python_version())"], capture_output=True, text=True, check=True
    ).stdout.strip()


def is_port_free() -> bool:
    """Tell whether the port of `mediaposter up` is free; else it takes any."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", PORT)) != 0


def write_load() -> str:
    """Write how many processes want a core, on average of the last minute."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
