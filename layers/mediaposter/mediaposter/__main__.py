"""`python -m mediaposter`: the same as the command `mediaposter`."""

import sys

from mediaposter.cli import main

if __name__ == "__main__":
    sys.exit(main())
