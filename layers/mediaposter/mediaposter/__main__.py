"""`python -m mediaposter`: the same as the command `mediaposter`."""

import sys

from mediaposter.cli import main

sys.exit(main())
