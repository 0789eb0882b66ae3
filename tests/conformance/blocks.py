"""The blocks of a page that run, and what the page says that they print."""

from __future__ import annotations

import re
from typing import NamedTuple

BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n+)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
RUN = {"sh", "bash", "python"}


class Block(NamedTuple):
    """A block of a page, and what the page says that it prints."""

    line: int
    language: str
    text: str
    reason: str | None
    expected: str


def read_blocks(text: str) -> list[Block]:
    found = list(BLOCK.finditer(text))
    blocks = []
    for number, block in enumerate(found):
        if block["language"] in RUN:
            after = found[number + 1] if number + 1 < len(found) else None
            expected = after["text"] if after is not None and after["language"] == "text" else ""
            line = text.count("\n", 0, block.start("text"))
            blocks.append(Block(line, block["language"], block["text"], block["reason"], expected))
    return blocks


def mask(line: str) -> str:
    """Replace what differs from run to run: keys, ids and numbers."""
    # The time of a step is filled up with blanks.
    words = " ".join(line.split()).replace("[ ", "[")
    for pattern, name in ((r"\bmp_[\w-]{43}(?![\w-])", "mp_key"), (r"(?<=_)[0-9a-f]{16,32}\b", "id"), (r"\d+", "0")):
        words = re.sub(pattern, name, words)
    return words


def tell_difference(expected: str, output: str) -> str | None:
    """Find the first line that a page shows and a block did not print."""
    printed = iter(output.splitlines())
    for line in filter(str.strip, expected.splitlines()):
        pattern = " *.* *".join(re.escape(mask(part)) for part in line.split("…"))
        if not any(re.fullmatch(pattern, mask(one)) for one in printed):
            return line
    return None
