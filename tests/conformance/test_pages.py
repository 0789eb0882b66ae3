"""README and the pages of docs, run as they stand from top to bottom, on a host without a key.

Each block of a page runs in one shell, or in one Python, in the order of the page. A block that cannot run has a comment
with the reason before it. A `text` block behind a block is what it prints: its lines occur in that order, `…` stands for
anything, and numbers may differ.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import pytest
from PIL import Image

from tests.conformance.embedded import ROOT, EmbeddedHost

PAGES = (
    "README.md",
    *("docs/local.md", "docs/api.md", "docs/publishing.md", "docs/operations.md"),
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("for-*.md")),
)
# Their blocks need more than a host without a key; these tests run them.
RUN_BY = {"docs/for-developers.md": "tests/integration/test_for_developers_page.py"}
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n+)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
RUN = {"sh", "bash", "python"}
# Stands for the id that was printed last.
ID = re.compile(r"\b(video|batch|key|upload)_…")
SECONDS_MAX = 30
MARK = "the block has ended"
PYTHON = f"""
import json, sys
names = {{"__name__": "__main__"}}
for line in sys.stdin:
    block = json.loads(line)
    exec(compile(block["text"], block["place"], "exec"), names)
    print({MARK!r}, flush=True)
"""
# As a notebook has it: it shows a file.
IPYTHON = """
from pathlib import Path


class Video:
    def __init__(self, filename, embed=False, width=None):
        assert Path(filename).read_bytes()[4:8] == b"ftyp"
"""
# The command finds the folder of a checkout by itself. That of this host is another.
COMMAND = """#!/bin/sh
case $1 in
  keys|schedule|backup|webhooks) exec {program} "$@" --data "{data}" ;;
  *) exec {program} "$@" ;;
esac
"""


class Block(NamedTuple):
    """A block of a page, and what the page says that it prints."""

    line: int
    language: str
    text: str
    reason: str | None
    expected: str


def read_blocks(text: str) -> list[Block]:
    found = list(BLOCK.finditer(text))
    blocks = []
    for number, block in enumerate(found):
        if block["language"] in RUN:
            after = found[number + 1] if number + 1 < len(found) else None
            expected = after["text"] if after is not None and after["language"] == "text" else ""
            line = text.count("\n", 0, block.start("text"))
            blocks.append(Block(line, block["language"], block["text"], block["reason"], expected))
    return blocks


def tell_difference(expected: str, output: str) -> str | None:
    """Find the first line that a page shows and a block did not print."""
    lines = iter(output.splitlines())
    for line in filter(str.strip, expected.splitlines()):
        parts = [re.sub(r"\d+", r"\\d+", re.escape(part)) for part in re.split(r" *… *", line.strip())]
        pattern = re.compile(r".*".join(re.sub(r"(?:\\ )+", r"\\s+", part) for part in parts))
        masked = re.sub(r"(?<=_)[0-9a-f]{32}\b", "0", pattern.pattern)
        if not any(re.fullmatch(masked, re.sub(r"(?<=_)[0-9a-f]{32}\b", "0", one.strip())) for one in lines):
            return line
    return None


class Session:
    """A shell and a Python that keep their variables from block to block."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self._variables = variables
        self._folder = folder
        self._shell = self._start("bash", "-eo", "pipefail")
        self._python: subprocess.Popen[str] | None = None
        self.output = ""

    def run(self, block: Block, place: str) -> str:
        text = self._fill_in(block.text)
        if block.language == "python":
            if self._python is None:
                self._python = self._start(sys.executable, "-W", "ignore", "-c", PYTHON)
            output = self._send(self._python, json.dumps({"text": text, "place": place}))
        else:
            output = self._send(self._shell, f"{{\n{text}\n}} </dev/null\necho; echo {MARK}")
        self.output += output
        return output

    def end(self) -> None:
        for process in filter(None, (self._shell, self._python)):
            process.kill()
            process.communicate()

    def _fill_in(self, text: str) -> str:
        text = text.replace("http://127.0.0.1:4600/v1", self._variables["MEDIAPOSTER_BASE_URL"])
        text = text.replace("mp_…", self._variables["MEDIAPOSTER_API_KEY"])
        return ID.sub(lambda found: re.findall(rf"{found[1]}_\w+", self.output)[-1], text)

    def _start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self._folder,
            env=self._variables,
        )

    def _send(self, process: subprocess.Popen[str], text: str) -> str:
        sending, answering = _pipes(process)
        sending.write(f"{text}\n")
        sending.flush()
        lines: list[str] = []
        for line in answering:
            if line.strip() == MARK:
                return "".join(lines)
            lines.append(line)
        raise AssertionError("".join(lines) + "\nIt ended here.")


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None:
        raise AssertionError("no pipes")
    return process.stdin, process.stdout


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHost]:
    """Start a host without any key."""
    process = EmbeddedHost(tmp_path_factory.mktemp("pages") / "host", {}, wait_scale=0.02)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def session(host: EmbeddedHost, tmp_path: Path) -> Iterator[Session]:
    folder = tmp_path / "folder"
    (folder / "IPython").mkdir(parents=True)
    (folder / "IPython" / "display.py").write_text(IPYTHON)
    Image.new("RGB", (720, 1280), "teal").save(folder / "first-frame.png")
    program = Path(sys.executable).with_name("mediaposter")
    command = folder / ".venv" / "bin" / "mediaposter"
    command.parent.mkdir(parents=True)
    command.write_text(COMMAND.format(program=program, data=host.data))
    command.chmod(0o755)
    address = host.address
    found = Session(
        folder,
        {
            "PATH": f"{command.parent}:{program.parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "MEDIAPOSTER_BASE_URL": address.base_url,
            "MEDIAPOSTER_API_KEY": address.api_key,
            # What a script asks where the page has a vendor's key.
            "SORA_BASE_URL": address.base_url,
            "SORA_API_KEY": address.api_key,
        },
    )
    yield found
    found.end()


@pytest.mark.parametrize("page", [page for page in PAGES if page not in RUN_BY])
def test_every_block_of_the_page_runs(page: str, session: Session) -> None:
    for block in read_blocks((ROOT / page).read_text(encoding="utf-8")):
        if block.reason is None:
            place = f"{page}:{block.line}"
            try:
                output = session.run(block, place)
            except AssertionError as error:
                raise AssertionError(f"{place}:\n{block.text}\n{error}") from error
            missing = tell_difference(block.expected, output)
            assert missing is None, f"{place}: {missing!r} is not in\n{output}"


@pytest.mark.parametrize(
    ("expected", "is_printed"),
    [
        ("Saved boat.mp4 (99 kB).", True),
        ("video_01a22d493c6d36cc12e5f4924cd393b9 is done in 0:09.", True),
        ("Saved …", True),
        ("ID  state", True),
        ("Saved kite.mp4 (112 kB).", False),
        ("Saved boat.mp4 (99 kB).\nID  state", False),
    ],
)
def test_what_a_page_shows_is_found_in_what_was_printed(expected: str, is_printed: bool) -> None:
    output = "ID    state\nvideo_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa is done in 0:02.\nSaved boat.mp4 (112 kB).\n"

    assert (tell_difference(expected, output) is None) is is_printed
