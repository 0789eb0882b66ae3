"""How a layer is built: by hash, and compiled by a Python 3.13 that runs, or with a warning."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.checks.planting import REPOSITORY, link_commands, put_command

_LAYERS = ("media", "mediaposter", "webhooks")
# What make asks uv for: modules in a folder, and, as `uv python find`, an interpreter, of which this one has none.
_UV = """#!/bin/sh
case "$1" in
  pip)
    echo "$@" >>"$0.log"
    while [ "$1" != --target ]; do shift; done
    mkdir -p "$2/thing"; touch "$2/thing/__init__.py";;
  *) exit 2;;
esac
"""
_SHIM = "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n"
_PYTHON = """#!/bin/sh
case "$1" in
  -c) echo cpython-313;;
  *) for folder; do :; done; mkdir -p "$folder/__pycache__"; touch "$folder/__pycache__/thing.cpython-313.pyc";;
esac
"""


def build_layer(tmp_path: Path, *, layer_python: Path | None = None) -> subprocess.CompletedProcess[str]:
    uv = put_command(tmp_path / "uv", _UV)
    return subprocess.run(
        ["make", "--silent", "--directory", REPOSITORY / "layers" / "media", "build-MediaLayer"],
        env={
            "PATH": os.pathsep.join([str(tmp_path / "shims"), str(link_commands(tmp_path / "bin"))]),
            "HOME": str(tmp_path),
            "UV": str(uv),
            "ARTIFACTS_DIR": str(tmp_path / "built"),
            **({"LAYER_PYTHON": str(layer_python)} if layer_python else {}),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def is_compiled(tmp_path: Path) -> bool:
    return any((tmp_path / "built").rglob("*.pyc"))


def test_every_layer_is_built_in_the_same_way() -> None:
    assert len({(REPOSITORY / "layers" / name / "Makefile").read_text() for name in _LAYERS}) == 1


def test_a_layer_is_installed_by_hash(tmp_path: Path) -> None:
    build_layer(tmp_path)

    assert "--require-hashes" in (tmp_path / "uv.log").read_text().split()


def test_a_layer_that_nothing_compiles_is_built_with_a_warning(tmp_path: Path) -> None:
    # SAM prints what a layer's make says on stdout; of stderr only what went wrong.
    put_command(tmp_path / "shims" / "python3.13", _SHIM)

    done = build_layer(tmp_path)

    assert done.returncode == 0
    assert done.stdout.startswith("Warning: MediaLayer: no Python 3.13 runs here to compile it")
    assert len(done.stdout.splitlines()) == 1
    assert not is_compiled(tmp_path)


@pytest.mark.parametrize("place", ["shims/python3.13", ".pyenv/versions/3.13.0/bin/python3.13"])
def test_a_layer_is_compiled_by_a_python_that_runs(tmp_path: Path, place: str) -> None:
    put_command(tmp_path / "shims" / "python3.13", _SHIM)
    put_command(tmp_path / place, _PYTHON)

    done = build_layer(tmp_path)

    assert (done.returncode, done.stdout) == (0, "")
    assert is_compiled(tmp_path)


def test_a_layer_of_the_local_cloud_is_compiled_by_its_python(tmp_path: Path) -> None:
    done = build_layer(tmp_path, layer_python=put_command(tmp_path / "python", _PYTHON))

    assert (done.returncode, done.stdout) == (0, "")
    assert is_compiled(tmp_path)
