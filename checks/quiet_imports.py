"""Import every module of the package, and tell what it does besides being imported: it should do nothing.

It reads no environment, opens no connection and no data, starts no process, writes no file and builds no client.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
import httpx
import httpx2
import openai

from checks.command import run
from checks.imports import SOURCES

_CLIENTS: tuple[tuple[type, str], ...] = (
    (botocore.session.Session, "create_client"),
    (httpx.Client, "__init__"),
    (httpx2.Client, "__init__"),
    (openai.OpenAI, "__init__"),
)
_DEEDS = {
    "socket.bind": "listens",
    "socket.connect": "opens a connection",
    "socket.getaddrinfo": "looks up a host",
    "subprocess.Popen": "starts a process",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CODE = (".py", ".pyc")


def check_quiet_imports(root: Path) -> list[str]:
    """Find the modules that do something when they are imported.

    It needs a fresh interpreter, and leaves it full of traps: what was imported before is not looked at.
    """
    package = root / SOURCES[0] / "mediaposter"
    findings: list[str] = []

    def note(deed: str) -> None:
        for frame, line in traceback.walk_stack(inspect.currentframe()):
            if frame.f_code.co_filename.startswith(str(package)):
                path = Path(frame.f_code.co_filename).relative_to(root)
                findings.append(f"{path}:{line}: importing this module {deed}")
                return

    _watch_clients(note)
    _watch_environment(note, str(package))
    _watch_system(note, str(package))
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(root / source) for source in SOURCES]
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package.parent).with_suffix("").as_posix().replace("/", ".")
        importlib.import_module(module.removesuffix(".__init__"))
    return list(dict.fromkeys(findings))


def _watch_clients(note: Callable[[str], None]) -> None:
    def watch(owner: type, name: str) -> None:
        build = getattr(owner, name)

        def noted(*arguments: Any, **options: Any) -> Any:
            note(f"builds a client: {owner.__module__}.{owner.__qualname__}")
            return build(*arguments, **options)

        setattr(owner, name, noted)

    for owner, name in _CLIENTS:
        watch(owner, name)


def _watch_environment(note: Callable[[str], None], package: str) -> None:
    environment = type(os.environ)
    read = environment.__getitem__

    def noted(variables: os._Environ[str], name: str) -> str:
        # Every way to read ends here. Libraries may look at what is theirs; the caller is the first frame outside
        # of the modules that os.environ is made of.
        callers = (frame.f_code.co_filename for frame, _ in traceback.walk_stack(inspect.currentframe()))
        caller = next(path for path in callers if path != __file__ and not path.startswith("<frozen "))
        if caller.startswith(package):
            note("reads the environment")
        return read(variables, name)

    environment.__getitem__ = noted  # type: ignore[method-assign]  # nothing less sees every way to read


def _watch_system(note: Callable[[str], None], package: str) -> None:
    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _DEEDS:
            note(_DEEDS[event])
        elif event == "open":
            path, _, flags = arguments
            if flags & _WRITING:
                note(f"writes {path}")
            elif str(path).startswith(package) and not str(path).endswith(_CODE):
                note(f"reads {Path(str(path)).name}")

    sys.addaudithook(hear)


if __name__ == "__main__":
    run(check_quiet_imports)
