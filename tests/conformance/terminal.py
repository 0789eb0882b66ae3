"""Drive the `mediaposter` command in a pseudo-terminal of 80 columns, as a person does."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

COLUMNS = 80
CTRL_C = b"\x03"
# A busy machine makes a test slow, and not red.
_ENDS_WITHIN_SECONDS = 600.0
_SHOWN_CHARACTERS = 2_000
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command that runs in a terminal, until its block ends."""

    def __init__(self, *words: str, folder: Path, variables: Mapping[str, str]) -> None:
        self._output = b""
        self._status: int | None = None
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm-256color", **variables}
        self._process, self._screen = pty.fork()
        if self._process == 0:
            # As a terminal's shell does: a job in the background of a script ignores Ctrl-C, and so would this.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.chdir(folder)
            os.execve(sys.executable, [sys.executable, "-m", "mediaposter", *words], environment)
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is None:
            os.kill(self._process, 9)
            os.waitpid(self._process, 0)
        os.close(self._screen)

    @property
    def text(self) -> str:
        """Give all that was written, without colours and moves of the cursor."""
        return _ESCAPE.sub("", self._output.decode("utf-8", "replace"))

    @property
    def lines(self) -> list[str]:
        """Give all lines that were shown, also those that were written over."""
        return [line for line in re.split(r"[\r\n]+", self.text) if line]

    def wait_for(self, words: str) -> None:
        """Wait until it shows these words."""
        ends_at = time.monotonic() + _ENDS_WITHIN_SECONDS
        while words not in self.text:
            assert time.monotonic() < ends_at, f"{words!r} does not come: {self._end}"
            assert self._read(), f"it ended without {words!r}: {self._end}"

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._screen, keys)

    def wait(self) -> int:
        """Wait until it ends, and give its exit status."""
        ends_at = time.monotonic() + _ENDS_WITHIN_SECONDS
        while self._read():
            assert time.monotonic() < ends_at, f"it does not end: {self._end}"
        _, status = os.waitpid(self._process, 0)
        self._status = os.waitstatus_to_exitcode(status)
        return self._status

    @property
    def _end(self) -> str:
        """Give the end of it: a bar is drawn ten times a second."""
        return self.text[-_SHOWN_CHARACTERS:]

    def _read(self) -> bool:
        """Read what comes within a moment; tell whether it may go on."""
        ready, _, _ = select.select([self._screen], [], [], 0.1)
        if not ready:
            return True
        try:
            piece = os.read(self._screen, 65_536)
        except OSError:  # Linux says so that the other end is closed
            return False
        self._output += piece
        return bool(piece)
