"""Keep what is installed as it was resolved: `python -m checks.requirements --write` exports and resolves it anew.

The layers and uv itself come from uv.lock. Each tool has an environment of its own, resolved from its `tools/*.in`.
That each requirement has its hash is seen to by `--require-hashes`, with which all of them are installed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from uv import find_uv_bin

from checks.command import ROOT, compare, keep

# What is exported from uv.lock, and which part of it that is. boto3 comes with Lambda's runtime.
EXPORTS = {
    "layers/mediaposter/requirements.txt": ("--only-group", "lambda"),
    "layers/media/requirements.txt": ("--only-group", "media"),
    "layers/webhooks/requirements.txt": ("--only-group", "webhooks"),
    "tools/uv.txt": ("--only-group", "installer"),
}
TOOLS = ("lambda", "litellm", "mcp", "ministack", "node", "parliament", "sam", "samlocal", "sdks")

_EXPORT = ("export", "--quiet", "--frozen", "--no-emit-project", "--no-annotate", "--no-header")
_COMPILE = (
    *("pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--fork-strategy", "fewest"),
    *("--generate-hashes", "--no-annotate", "--no-header"),
)
_COMMAND = "make requirements"


def export_requirements(root: Path) -> dict[str, str]:
    """Give the requirements that come from uv.lock, by the path of their file."""
    return {name: _run_uv(root, *_EXPORT, *arguments).stdout for name, arguments in EXPORTS.items()}


def resolve_tools(root: Path) -> None:
    """Resolve what the tools need; what is pinned and still fits stays as it is. It asks the registry."""
    for tool in TOOLS:
        _run_uv(root, *_COMPILE, "-o", f"tools/{tool}.txt", f"tools/{tool}.in")


def check_requirements(root: Path) -> Iterator[str]:
    """Find a lock that does not fit pyproject.toml, requirements that do not fit it, and what has two versions."""
    try:
        _run_uv(root, "lock", "--check")
    except subprocess.CalledProcessError as error:
        yield f"uv.lock: it does not fit pyproject.toml; run `uv lock`. {error.stderr.strip()}"
        return
    lock = tomllib.loads((root / "uv.lock").read_text(encoding="utf-8"))
    yield from check_forks("uv.lock", [package["name"] for package in lock["package"]])
    yield from compare(root, export_requirements(root), _COMMAND)
    for tool in TOOLS:
        yield from _check_tool(root, tool)


def check_forks(place: str, names: list[str]) -> Iterator[str]:
    """Find packages that are there in several versions."""
    for name, count in Counter(names).items():
        if count > 1:
            yield (
                f"{place}: {name} is there in {count} versions, each for some Pythons or platforms only, and no test "
                "loads all of them: bound it (docs/decisions/0020)"
            )


def _check_tool(root: Path, tool: str) -> Iterator[str]:
    # Not resolved anew: a registry would be asked, and a wheel that came later would change the answer.
    name = f"tools/{tool}.txt"
    resolved = (root / name).read_text(encoding="utf-8")
    pinned = re.findall(r"^([\w.-]+)==(\S+)", resolved, re.MULTILINE)
    yield from check_forks(name, [package for package, _ in pinned])
    if "://" in resolved:
        yield f"{name}: it names a registry; run `{_COMMAND}`"
    for number, line in enumerate((root / f"tools/{tool}.in").read_text(encoding="utf-8").splitlines(), 1):
        if line and not line.startswith("#") and tuple(line.split("==")) not in pinned:
            yield f"tools/{tool}.in:{number}: {line} is not what {name} has; run `{_COMMAND}`"


def _run_uv(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([find_uv_bin(), *arguments], cwd=root, capture_output=True, text=True, check=True)


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        resolve_tools(ROOT)
    keep(export_requirements, check_requirements)
