"""`python -m mediaposter.host`: the same as `mediaposter up`, with nothing but the host installed."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.up import PORT, Options, run


def main() -> int:
    """Serve; 1 is that it could not start, with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="mediaposter up", description=__doc__)
    parser.add_argument("--data", type=Path, metavar="DIR", help="the data folder")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=PORT, help=f"the port (default: {PORT}; 0 is any free one)")
    parser.add_argument("--env-file", type=Path, metavar="FILE", help="where keys are (default: .env)")
    parser.add_argument("--verbose", action="store_true", help="show the log on the screen, too")
    parser.add_argument("--wait-scale", type=float, default=1.0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    options = Options(given.data, given.host, given.port, given.env_file, given.verbose, given.wait_scale)
    try:
        run(options, environ=os.environ)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
