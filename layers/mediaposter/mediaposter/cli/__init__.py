"""The `mediaposter` command: make and manage videos over HTTP, and run and manage the stack that makes them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from mediaposter.domain.errors import MediaPosterError

if TYPE_CHECKING:
    from mediaposter.cli.session import Session

# The modules that an extra of pyproject.toml installs.
_EXTRAS = {
    **dict.fromkeys(("boto3", "botocore"), "aws"),
    **dict.fromkeys(("rich", "typer"), "cli"),
    **dict.fromkeys(("anyio", "aws_lambda_powertools", "dotenv", "jsonata", "python_multipart"), "local"),
    **dict.fromkeys(("starlette", "uvicorn"), "local"),
}


_INTERRUPTED = 130
_READER_GONE = 141


def main(argv: Sequence[str] | None = None, *, session: Session | None = None) -> int:
    """Run a command and return its exit status: 1 is a failure, 2 a wrong command line, each with one sentence.

    130 is Ctrl-C. A reader of stdout that ends early, as `head`, is no failure of ours: 141, as of a shell's own tools.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        # Imported here, to say what is missing if Typer is.
        run = import_module("mediaposter.cli.app").run
        return int(run(words, session or import_module("mediaposter.cli.session").Session()))
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRAS:
            raise
        return _fail(
            f"This command needs {missing}, which is not installed. Install MediaPoster again with its extra "
            f"{_EXTRAS[missing]}: see docs/local.md."
        )
    except MediaPosterError as error:
        return _fail(str(error), request_id=getattr(error, "request_id", ""))
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped.\n")
        return _INTERRUPTED
    except BrokenPipeError:
        # Else Python writes a traceback when it closes stdout at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_GONE


def _fail(sentence: str, *, request_id: str = "") -> int:
    sys.stderr.write(f"{sentence}\n")
    if request_id:
        import_module("mediaposter.cli.console").write_note(f"x-request-id: {request_id}")
    return 1
