"""Run the import contracts of pyproject.toml, and name file and line of what breaks them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from checks.command import run
from checks.sources import check_sources

# Where the packages lie, from the root.
SOURCES = ("layers/mediaposter", ".")
# import-linter wraps its report at the width of the terminal, in the middle of a module's name if it must.
_REPORT_COLUMNS = "1000"

_PACKAGES = re.compile(r"^(?P<importer>\S+) is not allowed to import (?P<imported>\S+):$")
_IMPORT = re.compile(r"^[- ] *(?:& )?(?P<module>[\w.]+)(?: -> (?P<imported>[\w.]+))? \((?P<lines>l\.[^)]*)\)$")
# So far in stands one more module that the importer of the line above imports.
_FURTHER = " " * 6 + "&"


def check_imports(root: Path) -> list[str]:
    """Find what breaks a contract or a rule on single files; of an indirect import, every import on the way."""
    return [*_check_contracts(root), *check_sources(root)]


def _check_contracts(root: Path) -> list[str]:
    # The judgement is import-linter's. Its report names modules and lines; here they become files and lines.
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"],
        cwd=root,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(root / source) for source in SOURCES),
            "COLUMNS": _REPORT_COLUMNS,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    findings = list(dict.fromkeys(_rewrite_report(done.stdout, root)))
    if done.returncode != 0 and not findings:
        return [f"pyproject.toml: import-linter could not judge the contracts.\n{done.stdout}{done.stderr}"]
    return findings


def _rewrite_report(report: str, root: Path) -> Iterator[str]:
    previous = rule = sentence = importer = ""
    for text in report.partition("\nBroken contracts\n")[2].splitlines():
        if text.startswith("--"):
            rule = previous
        elif found := _PACKAGES.match(text):
            sentence = f"{found['importer']} must not import {found['imported']}"
        elif found := _IMPORT.match(text):
            if not text.startswith(_FURTHER):
                importer = found["module"]
            imported = found["imported"] or found["module"]
            for line in re.findall(r"\d+", found["lines"]):
                yield f"{_find_file(importer, root)}:{line}: {importer} -> {imported}: {sentence} (rule: {rule})"
        previous = text


def _find_file(module: str, root: Path) -> Path:
    path = module.replace(".", "/")
    for source in SOURCES:
        for candidate in (root / source / f"{path}.py", root / source / path / "__init__.py"):
            if candidate.exists():
                return candidate.relative_to(root)
    return Path(path)


if __name__ == "__main__":
    run(check_imports)
