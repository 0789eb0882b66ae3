"""The command line against a host that runs: in a terminal of 80 columns, and in scripts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.blotato import ACCOUNTS
from sandbox.snapshot import STACK_NAME
from tests.conformance.embedded import EmbeddedHost
from tests.conformance.stack import Stack
from tests.conformance.terminal import COLUMNS, CTRL_C, Terminal
from tests.integration.stack import new_prompt

# How a command that is told its place says so.
FOUND = {"embedded": "the host that runs here", "deployed": f"the stack {STACK_NAME} on AWS"}
# A render of about two seconds: long enough to press Ctrl-C.
WAIT_SCALE = 0.5


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHost]:
    """Run a host without keys, as a person does first."""
    host = EmbeddedHost(tmp_path_factory.mktemp("cli"), {}, wait_scale=WAIT_SCALE)
    host.start()
    try:
        yield host
    finally:
        host.kill()


def open_terminal(host: EmbeddedHost, *words: str) -> Terminal:
    return Terminal(*words, "--data", str(host.data), folder=host.folder, variables={})


def run_script(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mediaposter", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def name_variables(stack: Stack) -> dict[str, str]:
    """Give the variables by which a script finds a stack."""
    return {"MEDIAPOSTER_BASE_URL": stack.base_url, "MEDIAPOSTER_API_KEY": stack.api_key}


def ask(folder: Path, *words: str, **variables: str) -> Any:
    done = run_script(folder, *words, "--json", **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_video_is_followed_on_a_bar_and_saved(host: EmbeddedHost) -> None:
    with open_terminal(host, "generate", "A paper boat", "--publish", "instagram:907", "-o", "boat.mp4") as terminal:
        status = terminal.wait()

    assert status == 0, terminal.text
    assert (host.folder / "boat.mp4").read_bytes()[4:8] == b"ftyp"
    assert any(line.startswith("rendering") and "━" in line for line in terminal.lines)
    assert "instagram:907  published" in terminal.text
    bars = [line for line in terminal.lines if "━" in line]
    assert max(map(len, bars)) <= COLUMNS


def test_ctrl_c_leaves_the_video_running_and_watch_comes_back_to_it(host: EmbeddedHost) -> None:
    # One that does not end before the key is pressed, however slow the machine is.
    with open_terminal(host, "generate", "A kite [video: never_finish]") as terminal:
        terminal.wait_for("rendering")
        terminal.press(CTRL_C)
        status = terminal.wait()
    way_back = re.search(r"mediaposter (watch video_\w+)", terminal.text)
    assert (status, way_back is not None, "Traceback" in terminal.text) == (130, True, False)
    assert way_back is not None

    with open_terminal(host, *way_back[1].split()) as terminal:
        terminal.wait_for("rendering")
        terminal.press(CTRL_C)
        assert terminal.wait() == 130


def test_a_host_that_crashes_is_waited_for(host: EmbeddedHost) -> None:
    with open_terminal(host, "generate", "A kite in a storm") as terminal:
        terminal.wait_for("rendering")
        host.kill()
        terminal.wait_for("Waiting for it")
        host.start()
        status = terminal.wait()

    assert status == 0, terminal.text
    assert terminal.text.count("Waiting for it") == terminal.text.count("It answers again") == 1


# On the template by its name: CloudFormation knows the address, and SSM which secrets are there.
@pytest.mark.both(always=True)
def test_a_person_makes_a_video_and_sees_it_in_80_columns(stack: Stack, tmp_path: Path) -> None:
    account = f"instagram:{ACCOUNTS['instagram'].id}"

    def type_in(*words: str, **variables: str) -> Terminal:
        with Terminal(*words, folder=tmp_path, variables=variables) as terminal:
            assert terminal.wait() == 0, terminal.text
        return terminal

    words = (*stack.place, "--publish", account, "-o", "typed.mp4")
    made = type_in("generate", new_prompt("Typed"), *words, **stack.shell)
    video_id = re.findall(r"video_\w+", made.text)[0]
    checked = type_in("doctor", *stack.place, **stack.shell)
    # With the address, which takes half as long as a stack's name.
    listed, shown = type_in("list", **name_variables(stack)), type_in("show", video_id, **name_variables(stack))

    assert (tmp_path / "typed.mp4").read_bytes()[4:8] == b"ftyp"
    assert f"{account}  published" in made.text
    assert video_id in listed.text
    assert video_id in shown.text
    # A cell of a table is folded.
    assert "".join(f"{stack.base_url}, found: {FOUND[stack.host]}".split()) in "".join(checked.text.split())
    for terminal in (listed, shown, checked):
        # The first line says which stack it is about; a terminal folds it.
        assert max(map(len, terminal.lines[1:])) <= COLUMNS, terminal.text


@pytest.mark.both
def test_a_script_makes_a_batch_and_fetches_its_results_and_videos(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id;prompt\na;A kite\nb;A boat\n", encoding="utf-8-sig")

    ended = ask(tmp_path, "batch", "run", "rows.csv", **name_variables(stack))
    made = ask(tmp_path, "list", "--batch", ended["id"], **name_variables(stack))["data"]
    fetched = ask(tmp_path, "download", made[0]["id"], **name_variables(stack))

    assert (ended["request_counts"]["completed"], len(made)) == (2, 2)
    assert (tmp_path / "rows-results.csv").read_text(encoding="utf-8-sig").count("completed") == 2
    assert fetched["size_bytes"] == made[0]["size_bytes"]


@pytest.mark.both
def test_a_script_makes_finds_fetches_and_removes_a_video(stack: Stack, tmp_path: Path) -> None:
    variables = name_variables(stack)

    made = ask(tmp_path, "generate", "A script", **variables)
    assert (made["status"], made["stage"]) == ("completed", "done")
    assert made["id"] in [video["id"] for video in ask(tmp_path, "list", **variables)["data"]]
    assert ask(tmp_path, "download", made["id"], **variables)["size_bytes"] == made["size_bytes"]
    assert ask(tmp_path, "delete", made["id"], "--yes", **variables)["deleted"] is True


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_script_that_completes(tmp_path: Path, shell: str) -> None:
    done = run_script(tmp_path, _MEDIAPOSTER_COMPLETE=f"source_{shell}")

    assert "mediaposter" in done.stdout
