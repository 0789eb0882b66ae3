"""The bytes of a file as its records: the lines of JSONL, the rows of CSV, one in memory at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mediaposter.errors import InvalidRequest

ROW_MAX_BYTES = 256 * 1024
FILE_MAX_BYTES = 100 * 1024 * 1024
# Blank ones among them: as many as a sheet has, for some programs write all of them.
RECORDS_MAX = 1_048_576

_PIECE_BYTES = 64 * 1024
_HEAD_BYTES = 4 * 1024
_BOM = b"\xef\xbb\xbf"


class _Foreign(NamedTuple):
    """A kind of file that people send for text, and what they can do about it."""

    signature: re.Pattern[bytes]
    kind: str
    advice: str
    code: str = "unsupported_file"


_UNPACK = "Unpack it, and send the file that is in it."
_SEND_TEXT = "Send the file that has the requests as text."
_SAVE_AS_CSV = "Save it as CSV in UTF-8."
_SAVE_AS_UTF_8 = "Save it as UTF-8."
_FOREIGN = (
    # A workbook is a zip archive, too: the names of what is in one stand at its beginning.
    _Foreign(
        re.compile(rb"PK\x03\x04.*(\[Content_Types\]\.xml|docProps/|_rels/|xl/)", re.DOTALL),
        "an Excel workbook or another Office file",
        _SAVE_AS_CSV,
    ),
    _Foreign(re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an old Excel workbook or Office file", _SAVE_AS_CSV),
    _Foreign(re.compile(rb"PK(\x03\x04|\x05\x06|\x07\x08)"), "a zip archive", _UNPACK),
    _Foreign(re.compile(rb"\x1f\x8b"), "a gzip archive", _UNPACK),
    _Foreign(re.compile(rb"\x28\xb5\x2f\xfd"), "a Zstandard archive", _UNPACK),
    _Foreign(re.compile(rb"%PDF-"), "a PDF", _SEND_TEXT),
    _Foreign(re.compile(rb"\x89PNG\r\n\x1a\n"), "a PNG picture", _SEND_TEXT),
    _Foreign(re.compile(rb"\xff\xd8\xff"), "a JPEG picture", _SEND_TEXT),
    _Foreign(re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "a WebP picture", _SEND_TEXT),
    _Foreign(re.compile(rb"GIF8[79]a"), "a GIF picture", _SEND_TEXT),
    _Foreign(re.compile(rb"\0\0.{2}ftyp", re.DOTALL), "a video", _SEND_TEXT),
    # The marks of UTF-32 begin with those of UTF-16. Without a mark, it is ASCII at first more often than not.
    _Foreign(re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff"), "UTF-32", _SAVE_AS_UTF_8, "invalid_encoding"),
    _Foreign(re.compile(rb"\xff\xfe|\xfe\xff|([^\0]\0){2}|(\0[^\0]){2}"), "UTF-16", _SAVE_AS_UTF_8, "invalid_encoding"),
)


class Record(NamedTuple):
    """A record of a file, without the end of its line.

    `number` counts records from 1, the blank ones too, and `line` lines. The content of one that is too large is not
    kept. One is open when the file ends within a quoted cell.
    """

    content: bytes | None
    number: int
    line: int
    is_open: bool = False

    def decode(self, *, name: str = "The row") -> str:
        """Give the text of the record.

        Raises:
            InvalidRequest: it is too large, open, or no text.
        """
        if self.is_open:
            raise InvalidRequest(
                f"{name} opens a quote that is never closed: all that follows it in the file became part of a cell. "
                'Close it; a quote within a quoted cell is written twice, as "".',
                code="invalid_csv",
            )
        if self.content is None:
            raise InvalidRequest(
                f"{name} has more than {ROW_MAX_BYTES // 1024} KB, which is the most that one may have. A picture is "
                "put to the URL that POST /uploads gives, and named by the id that comes with it.",
                code="row_too_large",
            )
        return decode_text(self.content, name=name)


def decode_text(content: bytes, *, name: str) -> str:
    """Decode UTF-8.

    Raises:
        InvalidRequest: it is of another encoding, or has null bytes; naming it.
    """
    if b"\0" in content:
        raise InvalidRequest(f"{name} has null bytes, which are no text.", code="invalid_encoding")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"{name} is not UTF-8: byte {error.start + 1} of it is 0x{content[error.start]:02X}. It may be Latin-1 or "
            "Windows-1252; save the file as UTF-8.",
            code="invalid_encoding",
        ) from error


def drop_bom(head: bytes) -> bytes:
    """Give the beginning of a file without its byte order mark, once it is known to be no other kind of file.

    Raises:
        InvalidRequest: it is empty, or is something else than UTF-8 text; naming what it is.
    """
    for foreign in _FOREIGN:
        if foreign.signature.match(head):
            message = f"The file is {foreign.kind}, and must be UTF-8 text. {foreign.advice}"
            raise InvalidRequest(message, code=foreign.code)
    text = head.removeprefix(_BOM)
    if not text:
        raise InvalidRequest("The file is empty.", code="empty_file")
    return text


def read_records(chunks: Iterable[bytes], *, has_quotes: bool) -> Iterator[Record]:
    """Split a file into its records, however its bytes come.

    Args:
        chunks: the bytes of the file, in order.
        has_quotes: a line may end within a quoted cell, as in CSV, without ending the record.

    Raises:
        InvalidRequest: the file is empty, no UTF-8 text, or too large; in the last case once its records within the
            bound were given.
    """
    for record in _split(chunks, has_quotes=has_quotes):
        if record.number > RECORDS_MAX:
            raise InvalidRequest(
                f"The file has more than {RECORDS_MAX:,} rows, blank ones included. Remove those.",
                code="too_many_rows",
            )
        yield record


def _split(chunks: Iterable[bytes], *, has_quotes: bool) -> Iterator[Record]:
    splitter = _Splitter(has_quotes=has_quotes)
    for piece in _open(chunks):
        yield from splitter.add(piece)
    yield from splitter.end()


def _open(chunks: Iterable[bytes]) -> Iterator[bytes]:
    pieces = _cut(chunks)
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _HEAD_BYTES:
            break
    # What lies further on than that would depend on how the bytes came.
    yield drop_bom(head[:_HEAD_BYTES])
    yield head[_HEAD_BYTES:]
    yield from pieces


def _cut(chunks: Iterable[bytes]) -> Iterator[bytes]:
    left = FILE_MAX_BYTES
    for chunk in chunks:
        for start in range(0, len(chunk), _PIECE_BYTES):
            piece = chunk[start : start + _PIECE_BYTES]
            yield piece[:left]
            left -= len(piece)
            if left < 0:
                raise InvalidRequest(
                    f"The file has more than {FILE_MAX_BYTES // 1024**2} MB, which is the most that one may have. "
                    "Split it into several.",
                    code="request_too_large",
                )


_LINE_END = re.compile(rb"\r\n?|\n")
# Outside of quotes, a quote means something at the beginning of a cell alone, as to Python's csv.
_LINE_END_OR_QUOTE = re.compile(rb'\r\n?|\n|,"')
# Within them two are one in the text; a single one closes.
_QUOTED = re.compile(rb'[^"]*+(?:""[^"]*+)*+')


class _Splitter:
    """Finds where records end in bytes that come in pieces; of one that is too large it keeps nothing."""

    def __init__(self, *, has_quotes: bool) -> None:
        self._has_quotes = has_quotes
        self._mark = _LINE_END_OR_QUOTE if has_quotes else _LINE_END
        self._buffer = bytearray()  # what has come of the record, and after it
        self._position = 0  # in the buffer, up to where it was looked at
        self._is_begun = False
        self._is_quoted = False
        self._is_too_large = False
        self._number = 1
        self._line = 1  # on which the record begins
        self._next_line = 1  # after what was dropped

    def add(self, piece: bytes) -> Iterator[Record]:
        """Give the records that end in what has come."""
        self._buffer += piece
        yield from self._take_records(is_last=False)
        if self._position > ROW_MAX_BYTES:
            self._is_too_large = True
            # The two bytes of a line's end are counted together.
            is_halved = self._buffer[self._position - 1] == ord("\r")
            self._drop(self._position - is_halved)

    def end(self) -> Iterator[Record]:
        """Give what the file ends with."""
        yield from self._take_records(is_last=True)
        if self._buffer or self._is_too_large:
            is_open = self._is_quoted
            yield self._take(len(self._buffer))._replace(is_open=is_open)

    def _take_records(self, *, is_last: bool) -> Iterator[Record]:
        while line_end := self._find_line_end(is_last=is_last):
            start, end = line_end.span()
            record = self._take(start)
            self._drop(end - start)
            self._line = self._next_line
            yield record

    def _take(self, size_bytes: int) -> Record:
        is_kept = not self._is_too_large and size_bytes <= ROW_MAX_BYTES
        record = Record(bytes(self._buffer[:size_bytes]) if is_kept else None, self._number, self._line)
        self._drop(size_bytes)
        self._number += 1
        self._is_begun = self._is_quoted = self._is_too_large = False
        return record

    def _drop(self, size_bytes: int) -> None:
        dropped = self._buffer[:size_bytes]
        self._next_line += dropped.count(b"\n") + dropped.count(b"\r") - dropped.count(b"\r\n")
        del self._buffer[:size_bytes]
        self._position = max(0, self._position - size_bytes)

    def _find_line_end(self, *, is_last: bool) -> re.Match[bytes] | None:
        """Find the end of the record; what depends on bytes that are still to come is left for then."""
        buffer = self._buffer
        if self._has_quotes and not self._is_begun and buffer:
            self._is_begun = True
            self._is_quoted = buffer.startswith(b'"')
            self._position = int(self._is_quoted)
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
                is_halved = self._has_quotes and not is_last and buffer.endswith(b",")
                self._position = max(self._position, len(buffer) - is_halved)
                return None
            if mark[0] == b"\r" and mark.end() == len(buffer) and not is_last:
                self._position = mark.start()
                return None
            if mark[0] != b',"':
                return mark
            self._is_quoted = True
            self._position = mark.end()
