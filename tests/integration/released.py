"""The checkout of a release, from the history of git: what an update begins with."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from sandbox.cloud import ROOT, LocalCloud
from sandbox.snapshot import STACK_NAME

# A release copies its template there.
_TEMPLATE_OF_RELEASE = "checks/released/template.yaml"


def find_released() -> str:
    """Find the last commit of this branch whose template is that of the last release.

    Raises:
        LookupError: the history has none: it is shallow, or this is no checkout of git.
    """
    try:
        released = _git("hash-object", _TEMPLATE_OF_RELEASE).decode().strip()
        commits = _git("rev-list", "--first-parent", "HEAD").decode().split()
        templates = _git("cat-file", "--batch-check", given="".join(f"{commit}:template.yaml\n" for commit in commits))
    except (OSError, subprocess.CalledProcessError) as error:
        raise LookupError(f"git does not tell the history of {ROOT}: {error}") from error
    for commit, template in zip(commits, templates.decode().splitlines(), strict=True):
        if template.startswith(f"{released} "):
            return commit
    raise LookupError(f"No commit of this branch has {_TEMPLATE_OF_RELEASE} as its template.yaml.")


def check_out(commit: str, directory: Path) -> Path:
    """Write the files of a commit into a directory, and give it."""
    with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", commit))) as archive:
        archive.extractall(directory, filter="data")
    return directory


def make_key(tree: Path, cloud: LocalCloud, *options: str) -> str:
    """Make a key by the command line of a checkout, and give it."""
    command: Sequence[str] = (
        *(sys.executable, "-m", "mediaposter", "keys", "create", "upgrade", *options),
        *("--stack", STACK_NAME, "--endpoint-url", cloud.endpoint_url),
    )
    done = subprocess.run(
        command,
        cwd=tree,
        env={**os.environ, **cloud.environment(), "PYTHONPATH": str(tree / "layers" / "mediaposter")},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"mp_[A-Za-z0-9_-]{40,64}", done.stdout)
    assert found is not None, f"{' '.join(command)}:\n{done.stdout}\n{done.stderr}"
    return found[0]


def _git(*arguments: str, given: str = "") -> bytes:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], input=given.encode(), capture_output=True, check=True
    ).stdout
