"""File names for object keys: one for each key, on every system, and never outside the folder."""

from __future__ import annotations

import re
from pathlib import PurePath
from urllib.parse import unquote_to_bytes

# What Windows takes in no name, what no system shows, our own sign, and half characters.
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*%\ud800-\udfff]|^\.|[. ]$')
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\.|$)", re.IGNORECASE)
_ESCAPED = re.compile(r"(?:%[0-9A-F]{2})+")
# What stands between two slashes that follow each other. Nothing else is a lone percent sign.
_EMPTY = "%"


def encode_key(key: str) -> PurePath:
    """Give the path of a key below the folder. Ordinary names stay as they are; others are escaped as in URLs.

    No part begins with a point: those names are the folder's own. Keys that differ in upper and lower case alone are
    one file where the file system does not tell them apart.
    """
    return PurePath(*(_encode_part(part) for part in key.split("/")))


def decode_path(path: PurePath) -> str | None:
    """Give the key of a path below the folder; None if no key has that path."""
    key = "/".join("" if part == _EMPTY else _ESCAPED.sub(_unescape, part) for part in path.parts)
    return key if encode_key(key) == path else None


def _encode_part(part: str) -> str:
    if not part:
        return _EMPTY
    if _DEVICE.match(part):
        return _escape(part[0]) + _FORBIDDEN.sub(lambda found: _escape(found[0]), part[1:])
    return _FORBIDDEN.sub(lambda found: _escape(found[0]), part)


def _escape(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _unescape(found: re.Match[str]) -> str:
    return unquote_to_bytes(found[0]).decode("utf-8", "surrogatepass")
