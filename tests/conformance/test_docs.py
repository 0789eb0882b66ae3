"""README and the pages of docs, run as they stand from top to bottom, on a host without a key.

The blocks of a page run in one shell and one Python, in the order of the page. A block that cannot run has a comment
with the reason before it. A `text` block behind a block is what it prints: its lines occur in that order, `…` stands
for anything, and numbers may differ.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import IO, Any, NamedTuple

import httpx
import pytest
from PIL import Image

from tests.conformance.blocks import Block, read_blocks, tell_difference
from tests.conformance.embedded import ROOT, EmbeddedHost
from tests.conformance.forked_commands import CLIENT

PAGES = (
    "README.md",
    *("docs/local.md", "docs/api.md", "docs/publishing.md", "docs/operations.md"),
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("for-*.md")),
)
# Their blocks need more than a host without a key, or another world; these tests run them.
RUN_BY = {
    "docs/for-developers.md": "tests/conformance/test_for_developers_page.py",
    "docs/SORA_API.md": "tests/integration/test_sora_api_page.py",
    "docs/adding-a-model.md": "tests/unit/docs/test_adding_a_model.py",
}
ALL_PAGES = ["README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md"))]
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
# `make demo` after its installation.
MAKE = """#!/bin/sh
test "$1" = demo && cd {root} && exec {python} -m sandbox.demo --started-at "$(date +%s)"
"""


class Session:
    """A shell and a Python that keep their variables from block to block."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self._variables = variables
        self._folder = folder
        self._shell = self._start("bash", "-eo", "pipefail")
        self._python: subprocess.Popen[str] | None = None
        self.output = ""
        self.has_ended = False

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
        return ID.sub(lambda found: (re.findall(rf"\b{found[1]}_\w+", self.output) or [found[0]])[-1], text)

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
        self.has_ended = True
        return "".join(lines)


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


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start what runs the commands, and give its address."""
    address = str(tmp_path_factory.mktemp("commands") / "socket")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.forked_commands", address], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    yield address
    process.kill()
    process.communicate()


def make_folder(folder: Path, host: EmbeddedHost, commands: str) -> dict[str, str]:
    """Make what pages find in the working directory, and give the variables of their shells."""
    (folder / "IPython").mkdir(parents=True)
    (folder / "IPython" / "display.py").write_text(IPYTHON)
    Image.new("RGB", (720, 1280), "teal").save(folder / "first-frame.png")
    bin_folder = folder / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    program = Path(sys.executable).with_name("mediaposter")
    for name, text in (
        ("mediaposter", CLIENT.format(python=sys.executable, address=commands, data=host.data)),
        ("make", MAKE.format(root=ROOT, python=sys.executable)),
    ):
        (bin_folder / name).write_text(text)
        (bin_folder / name).chmod(0o755)
    address = host.address
    return {
        "PATH": f"{bin_folder}:{program.parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "MEDIAPOSTER_BASE_URL": address.base_url,
        "MEDIAPOSTER_API_KEY": address.api_key,
        # What a script asks where the page has a vendor's key.
        "SORA_BASE_URL": address.base_url,
        "SORA_API_KEY": address.api_key,
    }


def run_page(page: str, folder: Path, variables: dict[str, str]) -> str | None:
    """Run the blocks of a page; give what went wrong first."""
    session = Session(folder, variables)
    try:
        for block in read_blocks((ROOT / page).read_text(encoding="utf-8")):
            if block.reason is None:
                output = session.run(block, f"{page}:{block.line}")
                missing = tell_difference(block.expected, output)
                is_refused = re.search(r'^\{"error": ?\{"', output, re.MULTILINE)
                if session.has_ended or is_refused or missing is not None:
                    what = f"{missing!r} is not in what it printed" if missing else "It failed"
                    return f"{page}:{block.line}: {what}\n{block.text}\n{output}"
    finally:
        session.end()
    return None


@pytest.fixture(scope="module")
def findings(host: EmbeddedHost, commands: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """Run the pages side by side: they mostly wait."""
    pages = [page for page in PAGES if page not in RUN_BY]
    folders = [tmp_path_factory.mktemp("page") / "folder" for _ in pages]
    variables = [make_folder(folder, host, commands) for folder in folders]
    with ThreadPoolExecutor(len(pages)) as pool:
        return dict(zip(pages, pool.map(run_page, pages, folders, variables), strict=True))


@pytest.mark.parametrize("page", [page for page in PAGES if page not in RUN_BY])
def test_every_block_of_the_page_runs(page: str, findings: dict[str, str | None]) -> None:
    assert findings[page] is None, findings[page]


class Workflow(NamedTuple):
    """The workflow of n8n on the page for creators, whose expressions are filled in."""

    nodes: dict[str, dict[str, Any]]
    base_url: str

    def send(self, name: str, known: dict[str, str], key: str = "") -> httpx.Response:
        node = self.nodes[name]
        headers = {one["name"]: self.fill_in(one["value"], known) for one in _headers(node)}
        if node.get("authentication") == "genericCredentialType":
            headers["Authorization"] = f"Bearer {key}"
        body = json.loads(self.fill_in(node["jsonBody"], known)) if node.get("sendBody") else None
        url = self.fill_in(node["url"], known)
        return httpx.request(node["method"], url, headers=headers, json=body).raise_for_status()

    def fill_in(self, text: str, known: dict[str, str]) -> str:
        text = text.replace("http://127.0.0.1:4600/v1", self.base_url)
        return re.sub(r"\{\{ (.+?) \}\}", lambda found: known[found[1]], text.removeprefix("="))


def _headers(node: dict[str, Any]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = node.get("headerParameters", {}).get("parameters", [])
    return found


def test_the_workflow_of_n8n_downloads_a_video(host: EmbeddedHost) -> None:
    page = (ROOT / "docs" / "for-creators.md").read_text(encoding="utf-8")
    found = re.search(r"^```json\n(\{\n  \"name\".*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert found is not None
    exported = json.loads(found[1])
    address = host.address
    workflow = Workflow({node["name"]: node["parameters"] for node in exported["nodes"]}, address.base_url)
    order = ["Start", *(ends["main"][0][0]["node"] for ends in exported["connections"].values())]

    with receive_webhook() as (resume_url, events):
        known = {"$execution.id": "1", "$execution.resumeUrl": resume_url}
        requested = workflow.send("Ask for a video", known, address.api_key).json()
        event = events.get(timeout=30)
        known["$('Ask for a video').item.json.id"] = requested["id"]
        video = workflow.send("Read the video", known, address.api_key).json()
        known["$json.links.video"] = video["links"]["video"]
        clip = workflow.send("Download", known).content

    assert order == [node["name"] for node in exported["nodes"]]
    assert (event["type"], event["data"]["id"]) == ("video.completed", requested["id"])
    assert clip[4:8] == b"ftyp"


@contextmanager
def receive_webhook() -> Iterator[tuple[str, Queue[dict[str, Any]]]]:
    """Receive what a host sends to a program of its own machine."""
    events: Queue[dict[str, Any]] = Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            events.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/webhook-waiting/1", events
        server.shutdown()


@pytest.mark.parametrize("page", ALL_PAGES)
def test_a_block_that_no_test_runs_says_why(page: str) -> None:
    blocks = read_blocks((ROOT / page).read_text(encoding="utf-8"))
    is_run = page in PAGES or page in RUN_BY

    assert [block.line for block in blocks if block.reason is None and not is_run] == []
    assert [block.line for block in blocks if block.reason is not None and len(block.reason.split()) < 4] == []


def test_the_tests_that_run_other_pages_are_there() -> None:
    assert [test for test in RUN_BY.values() if not (ROOT / test).is_file()] == []


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
