"""Write the log of a host into its folder, a JSON object a line; what a person should see goes to the screen, too."""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from mediaposter.observability import logger as lambda_logger

_FILE_BYTES_MAX = 5_000_000
_FILES = 3


def write_logs(folder: Path, *, verbose: bool) -> None:
    """Send every log line of this process to `host.log` in a folder, and warnings to stderr; all of them if verbose."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = RotatingFileHandler(folder / "host.log", maxBytes=_FILE_BYTES_MAX, backupCount=_FILES, encoding="utf-8")
    # The formatter has the keys of each thread, as the id of the request that it answers.
    file.setFormatter(lambda_logger.registered_formatter)
    lambda_logger.append_keys(service="mediaposter")
    screen = logging.StreamHandler(sys.stderr)
    screen.setLevel(logging.INFO if verbose else logging.WARNING)
    screen.setFormatter(_ScreenFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[file, screen], force=True)
    # httpx logs every URL, and those of files are secrets.
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # Its lines go to the same handlers, and to no other.
    lambda_logger.handlers.clear()


class _ScreenFormatter(logging.Formatter):
    """Writes one line a record, with its error's sentence; the traceback is in the file."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{self.formatTime(record)} {record.levelname} {record.getMessage()}"
        error = record.exc_info[1] if record.exc_info else None
        return line if error is None else f"{line}: {error}"
