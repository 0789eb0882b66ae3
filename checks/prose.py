"""Check README and docs: no broken link, no page of long sentences, a README that is one screen and three doors.

`python -m checks.prose` prints the figures of each page as well.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from checks.command import ROOT, run

README_MAX_BYTES = 9_000
WORDS_MAX = 15.0
# Written by `make pictures` and by the command line's own generator.
_GENERATED = ("docs/pictures/", "docs/cli.md")
_FENCE = re.compile(r"^ *(```|~~~).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"\[[^\]\[]*(?:\[[^\]]*\][^\]\[]*)*\]\(([^)\s]+)\)")
_CODE = re.compile(r"(`+).+?\1", re.DOTALL)
# A line that begins a block of its own: an item of a list, a quotation.
_BLOCK_START = re.compile(r"^ *(?:[-*>]|\d+\.) +")
_SENTENCE_END = re.compile(r"[.!?][)*\"]*(?= +[^a-z]|$)")
_WORD = re.compile(r"\w[\w'.,/-]*")


class Figures(NamedTuple):
    """How a page reads, without its code, headings and tables."""

    sentences: int
    words: int

    @property
    def average(self) -> float:
        """Words a sentence."""
        return self.words / self.sentences if self.sentences else 0.0


def check_prose(root: Path) -> Iterator[str]:
    """Find broken links, pages whose sentences are too long on average, and a README that is too large."""
    size = (root / "README.md").stat().st_size
    if size > README_MAX_BYTES:
        yield f"README.md: {size} bytes, more than {README_MAX_BYTES}"
    for page in list_pages(root):
        average = count(page.read_text(encoding="utf-8")).average
        if average > WORDS_MAX:
            yield f"{page.relative_to(root)}: {average:.1f} words a sentence on average, more than {WORDS_MAX:g}"
    for page in [*list_pages(root), *sorted((root / "docs/decisions").glob("*.md")), *sorted(root.glob("C*.md"))]:
        yield from find_broken_links(root, page)


def list_pages(root: Path) -> list[Path]:
    """List README and the pages of docs; decisions are records, and stay as they were written."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def count(text: str) -> Figures:
    """Count the sentences and words of a page's paragraphs and lists."""
    sentences = [sentence for block in _list_blocks(text) for sentence in _SENTENCE_END.split(block)]
    words = [len(_WORD.findall(sentence)) for sentence in sentences]
    return Figures(sum(1 for number in words if number), sum(words))


def find_broken_links(root: Path, page: Path) -> Iterator[str]:
    """Find links of a page to files, or headings, that are not there."""
    text = _blank(_FENCE, page.read_text(encoding="utf-8"))
    for found in _LINK.finditer(_blank(_CODE, text, keep_links=True)):
        target = found[1]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        line = text.count("\n", 0, found.start()) + 1
        named = f"{page.relative_to(root)}:{line}: {target}"
        if not file.exists():
            if not str(file.relative_to(root.resolve())).startswith(_GENERATED):
                yield f"{named}: there is no such file"
        elif anchor and file.suffix == ".md" and anchor not in list_anchors(file):
            yield f"{named}: there is no such heading"


@cache
def list_anchors(page: Path) -> frozenset[str]:
    """List the anchors of a page's headings, as GitHub makes them."""
    text = _blank(_FENCE, page.read_text(encoding="utf-8"))
    seen: dict[str, int] = {}
    anchors = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", text, re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        number = seen.get(slug, 0)
        seen[slug] = number + 1
        anchors.add(f"{slug}-{number}" if number else slug)
    return frozenset(anchors)


def _blank(pattern: re.Pattern[str], text: str, *, keep_links: bool = False) -> str:
    """Remove what a pattern finds; lines keep their numbers."""

    def replace(found: re.Match[str]) -> str:
        is_text_of_link = keep_links and text[found.end() : found.end() + 2] == "]("
        return found[0] if is_text_of_link else "\n" * found[0].count("\n")

    return pattern.sub(replace, text)


def _list_blocks(text: str) -> Iterator[str]:
    """List paragraphs and list items, with a word for each piece of code."""
    lines: list[str] = []
    for line in [*_COMMENT.sub("", _FENCE.sub("\n", text)).splitlines(), ""]:
        is_skipped = not line.strip() or line.lstrip().startswith(("#", "|", "<"))
        if (is_skipped or _BLOCK_START.match(line)) and lines:
            yield _CODE.sub("Code", re.sub(r"\]\([^)]*\)", "]", " ".join(lines)))
            lines = []
        if not is_skipped:
            lines.append(_BLOCK_START.sub("", line).strip())


def _show_figures(root: Path) -> None:
    total = Figures(0, 0)
    for page in list_pages(root):
        figures = count(page.read_text(encoding="utf-8"))
        total = Figures(total.sentences + figures.sentences, total.words + figures.words)
        size = page.stat().st_size
        name = str(page.relative_to(root))
        sys.stdout.write(f"{name:30} {size:6} bytes  {figures.sentences:4} sentences  {figures.average:5.1f} words\n")
    sys.stdout.write(f"{'all':30} {'':6}        {total.sentences:4} sentences  {total.average:5.1f} words\n")


if __name__ == "__main__":
    _show_figures(ROOT)
    run(check_prose)
