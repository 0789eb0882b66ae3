"""Keep what is installed as it was resolved, by hash: `python -m checks.requirements --write` exports it anew.

The layers and uv itself come from uv.lock. Each tool has an environment of its own, resolved from its `tools/*.in`.
"""

from __future__ import annotations

import argparse
import subprocess
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel
from uv import find_uv_bin

# What is exported from uv.lock, and which part of it that is. boto3 comes with Lambda's runtime.
EXPORTS = {
    "layers/mediaposter/requirements.txt": ("--no-dev", "--extra", "lambda"),
    "layers/media/requirements.txt": ("--only-group", "media"),
    # What the package itself needs is in the layer that every function has.
    "layers/webhooks/requirements.txt": (
        *("--no-dev", "--extra", "webhooks"),
        *("--prune", "emoji", "--prune", "httpcore", "--prune", "httpx", "--prune", "pydantic", "--prune", "regex"),
    ),
    "tools/uv.txt": ("--only-group", "installer"),
}
TOOLS = ("lambda", "litellm", "ministack", "sam", "sdks")
_EXPORT = ("--no-emit-project", "--no-annotate", "--no-header")
_COMPILE = (
    *("--universal", "--python-version", "3.11", "--fork-strategy", "fewest"),
    *("--generate-hashes", "--no-annotate", "--no-header"),
)


class Requirement(NamedTuple):
    """A requirement of a file that uv wrote, and the line it stands on."""

    line: int
    name: str
    version: str
    is_hashed: bool


class _LockedPackage(BaseModel):
    name: str
    version: str


class _Lock(BaseModel):
    package: tuple[_LockedPackage, ...]


def check_requirements(root: Path) -> list[str]:
    """Find a lock that does not fit pyproject.toml, and requirements that do not fit it, or have no hash."""
    locked = _run_uv(root, "lock", "--check")
    if locked.returncode != 0:
        return [f"uv.lock: it does not fit pyproject.toml; run `uv lock`. {locked.stderr.strip()}"]
    findings = list(check_forks(root))
    findings += [
        f"{name}:{_find_difference(text, export(root, name))}: it is not what uv.lock has; run `make requirements`"
        for name in EXPORTS
        if (text := (root / name).read_text(encoding="utf-8")) != export(root, name)
    ]
    for tool in TOOLS:
        findings += _check_tool(root, tool)
    return findings


def check_forks(root: Path) -> Iterator[str]:
    """Find packages of which uv.lock has several versions."""
    versions: dict[str, list[str]] = defaultdict(list)
    for package in _Lock.model_validate(tomllib.loads((root / "uv.lock").read_text(encoding="utf-8"))).package:
        versions[package.name].append(package.version)
    for name, found in versions.items():
        if len(found) > 1:
            yield (
                f"uv.lock: {name} is {' and '.join(found)}, each on some Pythons or platforms only, and no test loads "
                "all of them: bound it in pyproject.toml (docs/decisions/0020)"
            )


def write_exports(root: Path) -> None:
    """Export what comes from uv.lock."""
    for name in EXPORTS:
        (root / name).write_text(export(root, name), encoding="utf-8")


def resolve_tools(root: Path) -> None:
    """Resolve what the tools need; what is pinned and still fits stays as it is. It asks the registry."""
    for tool in TOOLS:
        place = f"tools/{tool}"
        _run_uv(root, "pip", "compile", "--quiet", *_COMPILE, "-o", f"{place}.txt", f"{place}.in").check_returncode()


def export(root: Path, name: str) -> str:
    """Give the requirements of a file as uv.lock has them."""
    done = _run_uv(root, "export", "--quiet", "--frozen", *EXPORTS[name], *_EXPORT)
    done.check_returncode()
    return done.stdout


def read_requirements(text: str) -> Iterator[Requirement]:
    """Read what uv wrote.

    Raises:
        ValueError: a line is no requirement of one version, as is one that names a registry.
    """
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if line.startswith("    --hash=sha256:"):
            continue
        pinned, _, rest = line.partition(" ")
        name, _, version = pinned.partition("==")
        if not version or name.startswith("-") or "://" in line:
            raise ValueError(f"{number}: it must pin one version, name==version, and nothing else: {line.strip()}")
        is_hashed = rest.endswith("\\") and "".join(lines[number : number + 1]).startswith("    --hash=sha256:")
        yield Requirement(number, name, version, is_hashed)


def _check_tool(root: Path, tool: str) -> Iterator[str]:
    # Not resolved anew: a registry would be asked, and a wheel that came later would change the answer.
    name = f"tools/{tool}.txt"
    again = "run `make requirements`"
    try:
        requirements = list(read_requirements((root / name).read_text(encoding="utf-8")))
    except ValueError as error:
        yield f"{name}:{error}; {again}"
        return
    seen: set[str] = set()
    for requirement in requirements:
        if not requirement.is_hashed:
            yield f"{name}:{requirement.line}: {requirement.name} has no hash; {again}"
        if requirement.name in seen:
            yield f"{name}:{requirement.line}: another {requirement.name}, for some Pythons or platforms only"
        seen.add(requirement.name)
    pinned = {f"{requirement.name}=={requirement.version}" for requirement in requirements}
    for number, line in enumerate((root / f"tools/{tool}.in").read_text(encoding="utf-8").splitlines(), 1):
        if line and not line.startswith("#") and line not in pinned:
            yield f"tools/{tool}.in:{number}: {line} is not what {name} has; {again}"


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
    parser.add_argument("--write", action="store_true", help="export them from uv.lock, and resolve those of the tools")
    arguments = parser.parse_args()
    if arguments.write:
        write_exports(arguments.root)
        resolve_tools(arguments.root)
    findings = check_requirements(arguments.root)
    for finding in findings:
        print(finding)
    raise SystemExit(1 if findings else 0)


if __name__ == "__main__":
    main()
