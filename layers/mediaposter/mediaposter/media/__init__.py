"""Stream, check and store the bytes of a video in one verified pass."""
