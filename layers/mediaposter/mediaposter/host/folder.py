"""What lies where in the data folder of a host."""

from __future__ import annotations

DATABASE_FILE = "mediaposter.sqlite"
FILES_FOLDER = "files"
# The clips and the pretended posts of this machine's own model and publisher.
SANDBOX_FOLDER = "sandbox"
# Where a running host is reached, for the other commands.
ADDRESS_FILE = "host.json"
