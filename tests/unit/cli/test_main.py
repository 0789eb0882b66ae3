"""What holds for every command: its help, its exit status, and what it says when a part is not installed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import mediaposter
from mediaposter.cli.app import GROUPS, VIDEO_COMMANDS
from tests.unit.cli.stack import Run
from tests.unit.functions.stack import REPOSITORY

_PROGRAM = """
import sys
for name in {missing}:
    sys.modules[name] = None
from mediaposter.cli import main
sys.exit(main({argv}))
"""


def run_apart(missing: list[str], argv: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in an interpreter of its own, which may lack some of the extras."""
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(missing=missing, argv=argv)],
        env={**os.environ, **environment, "PYTHONPATH": str(REPOSITORY / "layers" / "mediaposter")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_help_names_the_commands(run: Run) -> None:
    outcome = run("--help")

    assert outcome.status == 0
    assert "make, list and revoke API keys" in outcome.out


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version").out == f"mediaposter {mediaposter.__version__}\n"


@pytest.mark.parametrize("group", [*GROUPS, *VIDEO_COMMANDS])
def test_every_group_has_a_help_of_its_own(run: Run, group: str) -> None:
    outcome = run(group, "--help")

    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith(f"Usage: mediaposter {group} ")


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("batch", "run"),
        ("doctor",),
        ("generate",),
        ("keys", "create"),
        ("keys", "list"),
        ("models",),
        ("schedule", "create"),
        ("schedule", "replace-sheet"),
        ("secrets", "set"),
        ("watch",),
    ],
)
def test_a_help_fits_into_80_columns_and_cuts_nothing(
    run: Run, argv: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    out = run(*argv, "--help").out

    assert max(map(len, out.splitlines())) <= 80
    assert "..." not in out.replace("[ARGS]...", "")


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ((), "mediaposter: Missing command. See mediaposter --help.\n"),
        (("videos",), "mediaposter: No such command 'videos'"),
        (("key",), "Did you mean 'keys'?"),
        (("gnerate", "A boat"), "Did you mean 'generate'?"),
        (("keys",), "mediaposter keys: Missing command. See mediaposter keys --help.\n"),
        (("keys", "list", "--all"), "mediaposter keys list: No such option: --all"),
        (("keys", "create"), "Missing argument 'NAME'"),
        (("keys", "create", "caf\udce9"), "mediaposter: word 3 of the command is not UTF-8, or has half a character"),
    ],
)
def test_a_command_line_that_is_wrong_ends_with_2_and_a_sentence(
    run: Run, argv: tuple[str, ...], sentence: str
) -> None:
    outcome = run(*argv)

    assert (outcome.status, outcome.out) == (2, "")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("missing", "argv", "extra"),
    [
        ("boto3", ["keys", "list"], "aws"),
        ("typer", ["models"], "cli"),
        ("starlette", ["up"], "local"),
    ],
)
def test_a_part_that_is_not_installed_is_named_with_how_to_install_it(
    missing: str, argv: list[str], extra: str
) -> None:
    done = run_apart([missing], argv)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"This command needs {missing}, which is not installed. Install MediaPoster again with its extra {extra}: see "
        "docs/local.md.\n"
    )


def test_what_asks_no_stack_needs_no_boto3() -> None:
    done = run_apart(["boto3", "botocore"], ["models"])

    assert (done.returncode, done.stderr) == (0, "No stack was found: these are the models of this package.\n")
    assert "gen4.5" in done.stdout


def test_a_module_of_ours_that_is_missing_is_no_missing_part() -> None:
    done = run_apart(["mediaposter.cli.console"], ["models"])

    assert "Traceback" in done.stderr
