"""The image that `sam local` starts functions from, without a registry of images: Debian's Python 3.13, and PyPI.

SAM CLI puts its own emulator of Lambda's runtime interface into it; that needs sh, mv and cp there.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from uv import find_uv_bin

from sandbox.cloud import ROOT, TOOLS

IMAGE = "public.ecr.aws/lambda/python:3.13-x86_64"
ROOT_FILES = TOOLS / "sam-local" / "base.tar"
_DEBIAN = "trixie"
# Lambda's own starts the same client (AWS Lambda developer guide, "Using a non-AWS base image").
_BOOTSTRAP = """#!/bin/sh
export PYTHONPATH=/opt/python/lib/python3.13/site-packages:/opt/python:/var/runtime
cd "$LAMBDA_TASK_ROOT"
exec python3.13 -m awslambdaric "$_HANDLER"
"""


def make_root_files() -> Path:
    """Make the files of the image once, and give the archive that has them; about two minutes."""
    if not ROOT_FILES.exists():
        ROOT_FILES.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="making-", dir=ROOT_FILES.parent) as directory:
            root = Path(directory) / "root"
            _run("debootstrap", "--variant=minbase", "--include=python3,ca-certificates", _DEBIAN, str(root))
            _add_runtime(root)
            _run("tar", "-C", str(root), "-cf", f"{directory}/base.tar", "--exclude=./dev/*", "--exclude=./proc/*", ".")
            Path(directory, "base.tar").rename(ROOT_FILES)
    return ROOT_FILES


def _add_runtime(root: Path) -> None:
    runtime, task = root / "var/runtime", root / "var/task"
    requirements = ("--require-hashes", "-r", str(ROOT / "tools/samlocal.txt"))
    target = ("--python-version", "3.13", "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:")
    _run(find_uv_bin(), "pip", "install", "--quiet", "--target", str(runtime), *target, *requirements)
    bootstrap = runtime / "bootstrap"
    bootstrap.write_text(_BOOTSTRAP)
    bootstrap.chmod(0o755)
    task.mkdir(parents=True)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
