"""The files in the folder of a bucket: their keys, versions and content types."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import BinaryIO

from mediaposter.host.disk import is_file
from mediaposter.host.keys_on_disk import decode_path, encode_key

# A content type that the file name does not show is stored in a separate file.
_TYPES = {
    ".csv": "text/csv",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".toml": "application/toml",
    ".webp": "image/webp",
}
_UNKNOWN_TYPE = "application/octet-stream"


def walk_keys(root: Path, prefix: str, *, are_hidden: bool = False) -> Iterator[str]:
    """List the keys of files below a folder that begin so; of hidden files, the key of their folder and a slash."""
    start = root / encode_key(prefix.rpartition("/")[0]) if "/" in prefix else root
    for place, folders, files in os.walk(start):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = PurePath(place).relative_to(root)
        for name in files:
            is_hidden = name.startswith(".")
            key = None if is_hidden is not are_hidden else decode_path(below if is_hidden else below / name)
            if key is not None and key.startswith(prefix):
                yield f"{key}/" if is_hidden else key


def read_chunks(file: BinaryIO, wanted_bytes: int, chunk_bytes: int) -> Iterator[bytes]:
    """Read so many bytes of a file, in chunks."""
    while wanted_bytes > 0 and (chunk := file.read(min(chunk_bytes, wanted_bytes))):
        wanted_bytes -= len(chunk)
        yield chunk


def name_version_of(path: Path) -> str | None:
    """Name the version of a file by its time and its size; None if there is none."""
    if not is_file(path):
        return None
    found = path.stat()
    return f"{found.st_mtime_ns:x}-{found.st_size:x}"


def guess_type(key: str) -> str:
    """Give the content type that the name of a key shows."""
    return _TYPES.get(PurePath(key).suffix.lower(), _UNKNOWN_TYPE)


def order_by_bytes(key: str) -> bytes:
    """Order keys as S3 does, by their UTF-8 bytes."""
    return key.encode("utf-8", "surrogatepass")
