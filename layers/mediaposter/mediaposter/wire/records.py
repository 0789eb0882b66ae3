"""Split the bytes of a file into records: the lines of JSONL or the rows of CSV, with one in memory at a time."""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mediaposter.domain.errors import InvalidRequest, RequestTooLarge

ROW_MAX_BYTES = 256 * 1024
FILE_MAX_BYTES = 100 * 1024 * 1024
# Includes blank ones: as many as a sheet has, since some programs write all of them.
RECORDS_MAX = 1_048_576

_PIECE_BYTES = 64 * 1024
_HEAD_BYTES = 4 * 1024
_BOM = b"\xef\xbb\xbf"
# The beginning of Excel's "Unicode Text", or of a file that PowerShell wrote.
_UTF_16_BOM = re.compile(rb"\xff\xfe(?!\0\0)|\xfe\xff")

_LINE_END = re.compile(rb"\r\n?|\n")
# In many countries Excel writes CSV with semicolons, and people add such a line for other programs.
_SEPARATORS = (",", ";", "\t")
_SEPARATOR_LINE = re.compile(rb"\"?sep=([^\r\n])\"?\1*[ \t]*(?=[\r\n]|$)", re.IGNORECASE)
_SEPARATOR_OR_QUOTE = re.compile(rb'[,;\t]|"[^"]*"?')
_NOT_BLANK = re.compile(rb'[^\s,;"]')


class BrokenFile(InvalidRequest):
    """The whole file is unreadable, whichever row shows it: none of its rows may be used."""


class _Foreign(NamedTuple):
    """A kind of file that people send instead of text, and advice for them."""

    signature: re.Pattern[bytes]
    kind: str
    advice: str
    code: str = "unsupported_file"


_UNPACK = "Unpack it, and send the file that is in it."
_SEND_TEXT = "Send the file that has the requests as text."
_SAVE_AS_CSV = "Save it as CSV in UTF-8."
_DOWNLOAD = "It may ask to sign in: download the sheet as CSV, and send that file."
_SAVE_AS_UTF_8 = "Save it as UTF-8."
_FOREIGN = (
    # A workbook is also a zip archive; the names of its members are near its beginning.
    _Foreign(
        re.compile(rb"PK\x03\x04.*(\[Content_Types\]\.xml|docProps/|_rels/|xl/)", re.DOTALL),
        "an Excel workbook or another Office file",
        _SAVE_AS_CSV,
    ),
    _Foreign(
        re.compile(rb"PK\x03\x04.{26}mimetypeapplication/vnd\.(oasis|sun)", re.DOTALL),
        "an OpenDocument file, as LibreOffice writes it",
        _SAVE_AS_CSV,
    ),
    _Foreign(
        re.compile(rb"PK\x03\x04.*(Index/[A-Za-z0-9/_-]+\.iwa|Index\.zip|preview(-micro|-web)?\.jpg)", re.DOTALL),
        "a document of Apple Numbers",
        "Export it as CSV in UTF-8.",
    ),
    _Foreign(re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an old Excel workbook or Office file", _SAVE_AS_CSV),
    _Foreign(re.compile(rb"PK(\x03\x04|\x05\x06|\x07\x08)"), "a zip archive", _UNPACK),
    _Foreign(re.compile(rb"\x1f\x8b"), "a gzip archive", _UNPACK),
    _Foreign(re.compile(rb"\x28\xb5\x2f\xfd"), "a Zstandard archive", _UNPACK),
    _Foreign(re.compile(rb"%PDF-"), "a PDF", _SEND_TEXT),
    _Foreign(re.compile(rb"\{\\rtf"), "a document with formatting (RTF)", "Save it as plain text."),
    _Foreign(re.compile(rb"\s*(<!doctype\s+html|<html)", re.IGNORECASE), "a web page", _DOWNLOAD),
    _Foreign(re.compile(rb"\x89PNG\r\n\x1a\n"), "a PNG picture", _SEND_TEXT),
    _Foreign(re.compile(rb"\xff\xd8\xff"), "a JPEG picture", _SEND_TEXT),
    _Foreign(re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "a WebP picture", _SEND_TEXT),
    _Foreign(re.compile(rb"GIF8[79]a"), "a GIF picture", _SEND_TEXT),
    _Foreign(re.compile(rb"\0\0.{2}ftyp", re.DOTALL), "a video", _SEND_TEXT),
    # The marks of UTF-32 begin with those of UTF-16. Without a mark, the text usually begins with ASCII.
    _Foreign(re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff"), "UTF-32", _SAVE_AS_UTF_8, "invalid_encoding"),
    _Foreign(re.compile(rb"\xff\xfe|\xfe\xff|([^\0]\0){2}|(\0[^\0]){2}"), "UTF-16", _SAVE_AS_UTF_8, "invalid_encoding"),
)


class Record(NamedTuple):
    """A record of a file, without its line ending.

    `number` counts records from 1, blank ones included, and `line` counts lines. The content of a record that is too
    large is dropped. `open_line` is the line of a quote that the file never closes. `separator` separates the cells.
    """

    content: bytes | None
    number: int
    line: int
    open_line: int | None = None
    separator: str = ","

    @property
    def is_blank(self) -> bool:
        """Tell whether the record is empty, or has only separators."""
        return self.content is not None and self.open_line is None and not _NOT_BLANK.search(self.content)

    @property
    def names_separator(self) -> bool:
        """Tell whether it is the line before the header that names the separator, as `sep=;`."""
        return self.number == 1 and bool(_SEPARATOR_LINE.match(self.content or b""))

    def decode(self, *, name: str | None = None) -> str:
        """Return the text of the record. It keeps a lone surrogate: the caller, which knows the column, refuses it.

        Args:
            name: the record's name in error messages; without it, an error about the file names the line.

        Raises:
            BrokenFile: it has a quote that is never closed, or is not UTF-8.
            InvalidRequest: it is too large.
        """
        if self.open_line is not None:
            raise BrokenFile(
                f"{name or f'Line {self.open_line}'} opens a quote that is never closed: all that follows it in the "
                'file became part of a cell. Close it; a quote within a quoted cell is written twice, as "".',
                code="invalid_csv",
            )
        if self.content is None:
            raise InvalidRequest(
                f"{name or 'The row'} has more than {ROW_MAX_BYTES // 1024} KB, which is the most that one may have. "
                "PUT a picture to the URL that POST /uploads returns, and name it by the id from that answer.",
                code="row_too_large",
            )
        try:
            return self.content.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            lines = _LINE_END.split(self.content[: error.start])
            raise BrokenFile(
                f"{name or f'Line {self.line + len(lines) - 1}'} is not UTF-8: byte {len(lines[-1]) + 1} of it is "
                f"0x{self.content[error.start]:02X}. The file may be Windows-1252 or Latin-1, as Excel saves CSV by "
                'default. No row of it was taken: save it as UTF-8, which Excel calls "CSV UTF-8", and send it again.',
                code="invalid_encoding",
            ) from error


def decode_text(content: bytes, *, name: str) -> str:
    """Decode UTF-8.

    Raises:
        InvalidRequest: it has another encoding (which the message names), or null bytes.
    """
    if b"\0" in content:
        raise InvalidRequest(f"{name} has null bytes, which are not text.", code="invalid_encoding")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"{name} is not UTF-8: byte {error.start + 1} of it is 0x{content[error.start]:02X}. It may be Latin-1 or "
            "Windows-1252; save the file as UTF-8.",
            code="invalid_encoding",
        ) from error


def drop_bom(head: bytes) -> bytes:
    """Refuse another kind of file by its beginning, and strip the byte order mark.

    Raises:
        InvalidRequest: it is empty, or not UTF-8 text; names what it is.
    """
    for foreign in _FOREIGN:
        if foreign.signature.match(head):
            message = f"The file is {foreign.kind}, and must be UTF-8 text. {foreign.advice}"
            raise InvalidRequest(message, code=foreign.code)
    text = head.removeprefix(_BOM)
    if not text:
        raise _refuse_empty()
    return text


def read_records(chunks: Iterable[bytes], *, has_quotes: bool) -> Iterator[Record]:
    """Split a file into its records, independently of how its bytes are chunked.

    Args:
        chunks: the bytes of the file, in order.
        has_quotes: whether a quoted cell may hold line breaks, as in CSV.

    Raises:
        InvalidRequest: the file is empty, not UTF-8 text, or too large; in the last case after the records within the
            limit were yielded.
    """
    for record in _split(chunks, has_quotes=has_quotes):
        if record.number > RECORDS_MAX:
            raise InvalidRequest(
                f"The file has more than {RECORDS_MAX:,} rows, blank ones included. Remove the blank ones.",
                code="too_many_rows",
            )
        yield record


def _split(chunks: Iterable[bytes], *, has_quotes: bool) -> Iterator[Record]:
    pieces = _open(chunks)
    head = next(pieces)
    splitter = _Splitter(separator=_find_separator(head) if has_quotes else None)
    yield from splitter.add(head)
    for piece in pieces:
        yield from splitter.add(piece)
    yield from splitter.end()


def _find_separator(head: bytes) -> str:
    """Find the separator of a CSV: from its `sep=` line, or else the first separator in its header."""
    named = _SEPARATOR_LINE.match(head)
    if named:
        separator = named[1].decode("latin-1")
        if separator in _SEPARATORS:
            return separator
        raise BrokenFile(
            f"The file names {separator!r} as its separator. Save it with commas, semicolons or tabs.",
            code="invalid_csv",
        )
    for line in _LINE_END.split(head):
        if _NOT_BLANK.search(line):
            marks = (mark[0] for mark in _SEPARATOR_OR_QUOTE.finditer(line))
            return next((mark.decode() for mark in marks if not mark.startswith(b'"')), ",")
    return ","


def _open(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a file as UTF-8 without its mark. Its first 4 KB are one piece, so that detection ignores the chunks."""
    pieces = _cut(chunks)
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _HEAD_BYTES:
            break
    head, rest = head[:_HEAD_BYTES], head[_HEAD_BYTES:]
    if bom := _UTF_16_BOM.match(head):
        if head == bom[0]:
            raise _refuse_empty()
        yield from _recode(itertools.chain([head, rest], pieces))
        return
    yield drop_bom(head)
    yield rest
    yield from pieces


def _recode(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Recode UTF-16 with its mark to UTF-8. A lone surrogate, which a formula of Excel may produce, is kept."""
    decoder = codecs.getincrementaldecoder("utf-16")("surrogatepass")
    for piece in pieces:
        yield decoder.decode(piece).encode("utf-8", "surrogatepass")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise BrokenFile(
            "The file ends within a character, so it is incomplete. No row of it was taken; send the complete file.",
            code="invalid_encoding",
        ) from error


def _refuse_empty() -> InvalidRequest:
    return InvalidRequest("The file is empty.", code="empty_file")


def _cut(chunks: Iterable[bytes]) -> Iterator[bytes]:
    left = FILE_MAX_BYTES
    for chunk in chunks:
        for start in range(0, len(chunk), _PIECE_BYTES):
            piece = chunk[start : start + _PIECE_BYTES]
            yield piece[:left]
            left -= len(piece)
            if left < 0:
                raise RequestTooLarge(
                    f"The file has more than {FILE_MAX_BYTES // 1024**2} MB, which is the most that one may have. "
                    "Split it into several."
                )


# Within quotes, two quotes mean one; a single quote closes.
_QUOTED = re.compile(rb'[^"]*+(?:""[^"]*+)*+')


class _Splitter:
    """Finds the ends of records in bytes that arrive in pieces; it drops a record that is too large."""

    def __init__(self, *, separator: str | None) -> None:
        self._has_quotes = separator is not None
        self._separator = separator or ","
        # Outside of quotes, a quote only counts at the beginning of a cell, as for Python's csv.
        self._quoted_cell = self._separator.encode() + b'"'
        self._mark = re.compile(rb"\r\n?|\n|" + self._quoted_cell) if self._has_quotes else _LINE_END
        self._buffer = bytearray()  # the bytes received of the record, and after it
        self._position = 0  # in the buffer, the end of the scanned part
        self._is_begun = False
        self._is_quoted = False
        self._opened_at: int | None = 0  # in the buffer, the last quote that was opened, unless it was dropped
        self._opened_line = 1  # of that quote, if it was
        self._is_too_large = False
        self._number = 1
        self._line = 1  # the line on which the record begins
        self._next_line = 1  # in the buffer after bytes were dropped

    def add(self, piece: bytes) -> Iterator[Record]:
        """Return the records that end in the bytes so far."""
        self._buffer += piece
        yield from self._take_records(is_last=False)
        if self._position > ROW_MAX_BYTES:
            self._is_too_large = True
            # The two bytes of a line ending are counted together.
            is_halved = self._buffer[self._position - 1] == ord("\r")
            self._opened_line, self._opened_at = self._find_opened_line(), None
            self._drop(self._position - is_halved)

    def end(self) -> Iterator[Record]:
        """Return the last record of the file."""
        yield from self._take_records(is_last=True)
        if self._buffer or self._is_too_large:
            open_line = self._find_opened_line() if self._is_quoted else None
            yield self._take(len(self._buffer))._replace(open_line=open_line)

    def _find_opened_line(self) -> int:
        if self._opened_at is None:
            return self._opened_line
        return self._next_line + _count_line_ends(self._buffer[: self._opened_at])

    def _take_records(self, *, is_last: bool) -> Iterator[Record]:
        while line_end := self._find_line_end(is_last=is_last):
            start, end = line_end.span()
            record = self._take(start)
            self._drop(end - start)
            self._line = self._next_line
            yield record

    def _take(self, size_bytes: int) -> Record:
        is_kept = not self._is_too_large and size_bytes <= ROW_MAX_BYTES
        content = bytes(self._buffer[:size_bytes]) if is_kept else None
        record = Record(content, self._number, self._line, separator=self._separator)
        self._drop(size_bytes)
        self._number += 1
        self._is_begun = self._is_quoted = self._is_too_large = False
        return record

    def _drop(self, size_bytes: int) -> None:
        self._next_line += _count_line_ends(self._buffer[:size_bytes])
        del self._buffer[:size_bytes]
        self._position = max(0, self._position - size_bytes)

    def _find_line_end(self, *, is_last: bool) -> re.Match[bytes] | None:
        """Find the end of the record, or wait if it depends on bytes that are still to come."""
        buffer = self._buffer
        if self._has_quotes and not self._is_begun and buffer:
            self._is_begun = True
            self._is_quoted = buffer.startswith(b'"')
            self._position = int(self._is_quoted)
            self._opened_at = 0
        while True:
            if self._is_quoted:
                text = _QUOTED.match(buffer, self._position)
                self._position = text.end() if text else self._position
                left = len(buffer) - self._position
                if left == 0 or (left == 1 and not is_last):
                    return None
                self._position += 1
                self._is_quoted = False
            mark = self._mark.search(buffer, self._position)
            if mark is None:
                is_halved = self._has_quotes and not is_last and buffer.endswith(self._quoted_cell[:1])
                self._position = max(self._position, len(buffer) - is_halved)
                return None
            if mark[0] == b"\r" and mark.end() == len(buffer) and not is_last:
                self._position = mark.start()
                return None
            if mark[0] != self._quoted_cell:
                return mark
            self._is_quoted = True
            self._opened_at = mark.start()
            self._position = mark.end()


def _count_line_ends(text: bytearray) -> int:
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")
