"""The command line against a host that runs: in a terminal of 80 columns, and in scripts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.blotato import ACCOUNTS
from sandbox.snapshot import STACK_NAME
from tests.conformance.embedded import EmbeddedHost
from tests.conformance.stack import Embedded, Stack
from tests.conformance.terminal import COLUMNS, CTRL_C, Terminal
from tests.integration.stack import new_prompt

# How a command that is told its place says so.
FOUND = {"embedded": "the host that runs here", "deployed": f"the stack {STACK_NAME} on AWS"}


def run_script(host: EmbeddedHost, *words: str) -> str:
    """Run a command about a host as a script does, and give what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "mediaposter", *words, "--data", str(host.data)],
        cwd=host.folder,
        env={"PATH": os.environ["PATH"], "HOME": str(host.folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(stack: Stack, *words: str) -> Any:
    return json.loads(stack.run(*words, "--json"))


def test_ctrl_c_leaves_the_video_running_and_watch_waits_for_a_host_that_crashes(
    embedded: Embedded, tmp_path: Path
) -> None:
    prompt = new_prompt("A kite in a storm")
    # It does not end before the key is pressed, however slow the machine is.
    embedded.play_on("sora", prompt, "retrieve", {"type": "status", "status": "in_progress"})

    def open_terminal(*words: str) -> Terminal:
        return Terminal(*words, *embedded.place, folder=tmp_path, variables={})

    with open_terminal("generate", prompt) as terminal:
        terminal.wait_for("rendering")
        terminal.press(CTRL_C)
        status = terminal.wait()
    way_back = re.search(r"mediaposter (watch video_\w+)", terminal.text)
    assert (status, way_back is not None, "Traceback" in terminal.text) == (130, True, False)
    assert way_back is not None

    with open_terminal(*way_back[1].split()) as terminal:
        terminal.wait_for("rendering")
        embedded.process.kill()
        terminal.wait_for("Waiting for it")
        embedded.clear_faults("sora")
        embedded.process.start()
        status = terminal.wait()

    assert status == 0, terminal.text
    assert terminal.text.count("Waiting for it") == terminal.text.count("It answers again") == 1


# On the template by its name: CloudFormation knows the address, and SSM which secrets are there.
@pytest.mark.both(always=True)
def test_a_person_makes_a_video_and_sees_it_in_80_columns(stack: Stack, tmp_path: Path) -> None:
    account, prompt = f"instagram:{ACCOUNTS['instagram'].id}", new_prompt("Typed")
    stack.play_on("sora", prompt, "retrieve", {"type": "status", "status": "in_progress"}, times=5)

    def type_in(*words: str, **variables: str) -> Terminal:
        with Terminal(*words, folder=tmp_path, variables=variables) as terminal:
            assert terminal.wait() == 0, terminal.text
        return terminal

    made = type_in("generate", prompt, *stack.place, "--publish", account, "-o", "typed.mp4", **stack.shell)
    video_id = re.findall(r"video_\w+", made.text)[0]
    checked = type_in("doctor", *stack.place, **stack.shell)
    # With the address, which takes half as long as a stack's name.
    listed = type_in("list", MEDIAPOSTER_BASE_URL=stack.base_url, MEDIAPOSTER_API_KEY=stack.api_key)

    assert (tmp_path / "typed.mp4").read_bytes()[4:8] == b"ftyp"
    assert f"{account}  published" in made.text
    assert any(line.startswith("rendering") and "━" in line for line in made.lines)
    assert max(len(line) for line in made.lines if "━" in line) <= COLUMNS
    assert video_id in listed.text
    # A cell of a table is folded.
    assert "".join(f"{stack.base_url}, found: {FOUND[stack.host]}".split()) in "".join(checked.text.split())
    for terminal in (listed, checked):
        # The first line says which stack it is about; a terminal folds it.
        assert max(map(len, terminal.lines[1:])) <= COLUMNS, terminal.text


def test_a_script_makes_a_batch_and_fetches_and_removes_what_came_of_it(
    embedded: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("id;prompt\na;A kite\nb;A boat\n", encoding="utf-8-sig")

    ended = ask(embedded, "batch", "run", "rows.csv")
    first, second = ask(embedded, "list", "--batch", ended["id"])["data"]
    fetched = ask(embedded, "download", first["id"])
    removed = ask(embedded, "delete", second["id"], "--yes")

    assert ended["request_counts"]["completed"] == 2
    assert Path("rows-results.csv").read_text(encoding="utf-8-sig").count("completed") == 2
    assert fetched["size_bytes"] == first["size_bytes"]
    assert removed["deleted"] is True
    assert second["id"] not in [video["id"] for video in ask(embedded, "list")["data"]]


# What the shell then asks while a person types is in tests/unit/cli.
def test_a_shell_gets_a_script_that_completes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mediaposter"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "_MEDIAPOSTER_COMPLETE": "source_bash"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )

    assert "mediaposter" in done.stdout
