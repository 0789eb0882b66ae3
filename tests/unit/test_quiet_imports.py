"""Importing a module builds no client, opens no connection, starts no process, and reads and writes no file."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import mediaposter

PROGRAM = """
import importlib, os, sys
import botocore.session, httpx, httpx2

package, *modules = sys.argv[1:]
DEEDS = ("socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen")

def refuse(*arguments, **options):
    raise RuntimeError("builds a client")

def hear(event, arguments):
    if event == "open":
        path, _, flags = arguments
        is_written = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if not is_written and not (str(path).startswith(package) and not str(path).endswith((".py", ".pyc"))):
            return
    elif event not in DEEDS:
        return
    raise RuntimeError(f"{event} {arguments}")

botocore.session.Session.create_client = httpx.Client.__init__ = httpx2.Client.__init__ = refuse
sys.addaudithook(hear)
failed = False
for module in modules:
    try:
        importlib.import_module(module)
    except RuntimeError as deed:
        failed = True
        print(f"{module}: {deed}", file=sys.stderr)
sys.exit(failed)
"""
PACKAGE = Path(mediaposter.__path__[0])


def import_quietly(*modules: str, folder: Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Import modules in a fresh interpreter that tells of anything else they do."""
    command = [sys.executable, "-B", "-c", PROGRAM, str(folder), *modules]
    return subprocess.run(command, cwd=cwd or folder, capture_output=True, text=True, check=False)


def test_importing_any_module_does_nothing_else() -> None:
    modules = [module.name for module in pkgutil.walk_packages([str(PACKAGE)], "mediaposter.")]

    done = import_quietly(*modules, folder=PACKAGE, cwd=PACKAGE.parent)

    assert len(modules) > 100
    assert (done.returncode, done.stderr) == (0, "")


DEEDS = {
    "client": ("import httpx; httpx.Client()", "builds a client"),
    "address": ("import socket; socket.getaddrinfo('127.0.0.1', 80)", "socket.getaddrinfo"),
    "written": ("import pathlib; pathlib.Path(__file__).with_name('left.txt').write_text('')", "open"),
    "read": ("import pathlib; pathlib.Path(__file__).with_name('catalog.toml').read_text()", "open"),
}


def test_what_a_module_does_when_it_is_imported_is_found(tmp_path: Path) -> None:
    (tmp_path / "catalog.toml").touch()
    for name, (statement, _) in DEEDS.items():
        (tmp_path / f"loud_{name}.py").write_text(statement)

    done = import_quietly(*(f"loud_{name}" for name in DEEDS), folder=tmp_path)

    assert done.returncode == 1
    for line, (name, (_, deed)) in zip(done.stderr.splitlines(), DEEDS.items(), strict=True):
        assert line.startswith(f"loud_{name}: {deed}")
