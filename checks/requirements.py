"""Keep the layers' requirements.txt as uv.lock has them: `python -m checks.requirements --write` exports them."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

from uv import find_uv_bin

# What each layer is built from, and which part of uv.lock that is. boto3 comes with Lambda's runtime.
LAYERS = {
    "layers/mediaposter/requirements.txt": ("--no-dev", "--extra", "lambda"),
    "layers/media/requirements.txt": ("--only-group", "media"),
    # What the package itself needs is in the layer that every function has.
    "layers/webhooks/requirements.txt": (
        *("--no-dev", "--extra", "webhooks"),
        *("--prune", "emoji", "--prune", "httpx", "--prune", "pydantic", "--prune", "regex"),
    ),
}
_FORMAT = ("--no-emit-project", "--no-hashes", "--no-annotate", "--no-header")


def check_requirements(root: Path) -> list[str]:
    """Find a lock that does not fit pyproject.toml, and requirements that do not fit the lock."""
    locked = _run_uv(root, "lock", "--check")
    if locked.returncode != 0:
        return [f"uv.lock: it does not fit pyproject.toml; run `uv lock`. {locked.stderr.strip()}"]
    return [
        f"{name}:{_find_difference(text, export(root, name))}: it is not what uv.lock has; run `make requirements`"
        for name in LAYERS
        if (text := (root / name).read_text(encoding="utf-8")) != export(root, name)
    ]


def write_requirements(root: Path) -> None:
    """Export the requirements of every layer."""
    for name in LAYERS:
        (root / name).write_text(export(root, name), encoding="utf-8")


def export(root: Path, name: str) -> str:
    """Give the requirements of a layer as uv.lock has them."""
    done = _run_uv(root, "export", "--quiet", "--frozen", *LAYERS[name], *_FORMAT)
    done.check_returncode()
    return done.stdout


def _run_uv(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([find_uv_bin(), *arguments], cwd=root, capture_output=True, text=True, check=False)


def _find_difference(text: str, expected: str) -> int:
    """Give the first line that differs."""
    lines, expected_lines = text.splitlines(), expected.splitlines()
    same = 0
    while lines[same : same + 1] == expected_lines[same : same + 1] != []:
        same += 1
    return same + 1


def main() -> None:
    """Check the requirements, or write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parent.parent)
    parser.add_argument("--write", action="store_true", help="export them from uv.lock")
    arguments = parser.parse_args()
    if arguments.write:
        write_requirements(arguments.root)
    findings = check_requirements(arguments.root)
    for finding in findings:
        print(finding)
    raise SystemExit(1 if findings else 0)


if __name__ == "__main__":
    main()
