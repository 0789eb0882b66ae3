"""The bucket's interface: files by key, with versions, on every host."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import IO, NamedTuple, Protocol
from urllib.parse import quote

READ_BYTES = 256 * 1024


class StoredObject(NamedTuple):
    """One version of an object. `etag` is strong and quoted; `version_id` is None where no versions are kept."""

    key: str
    version_id: str | None
    size_bytes: int
    content_type: str
    etag: str


class OpenObject(NamedTuple):
    """An object that is being read: its metadata, and its bytes as they come."""

    stored: StoredObject
    chunks: Iterator[bytes]


class NewObject(Protocol):
    """An object that is being written. It is not visible before `complete`."""

    def write(self, chunk: bytes) -> None: ...

    def complete(self) -> str | None:
        """Make the object visible, unless its key is taken, and give its version.

        Raises:
            VersionConflict: another writer was first, or the upload was removed; this copy is dropped.
        """


class Bucket(ABC):
    """Objects by their keys. A key is any text; parts are separated by slashes.

    An object is visible whole or not at all. Once a method has returned, its effect survives a crash.
    """

    name: str

    @abstractmethod
    def head(self, key: str) -> StoredObject:
        """Read an object's metadata.

        Raises:
            NotFound: there is no object under the key.
        """

    @abstractmethod
    def open(
        self,
        key: str,
        *,
        version_id: str | None = None,
        first_byte: int = 0,
        size_bytes: int | None = None,
        chunk_bytes: int = READ_BYTES,
    ) -> AbstractContextManager[OpenObject]:
        """Open an object, or a version of it, for one read in chunks of up to `chunk_bytes`.

        Args:
            key: of the object.
            version_id: one of its versions; otherwise the newest.
            first_byte: where to begin. An empty object has no range to read.
            size_bytes: how much to read at most; by default everything that follows.
            chunk_bytes: the size of a chunk.

        Raises:
            NotFound: there is no such object, or no such version.
        """

    def read(self, key: str, *, first_byte: int = 0, size_bytes: int | None = None) -> bytes:
        """Read an object, or some of it, into memory.

        Raises:
            NotFound: there is none.
        """
        with self.open(key, first_byte=first_byte, size_bytes=size_bytes) as found:
            return b"".join(found.chunks)

    @abstractmethod
    def put(self, key: str, content: bytes | IO[bytes], *, content_type: str) -> StoredObject:
        """Put an object. It replaces an earlier one, which stays readable by its version for a while."""

    @abstractmethod
    def create(self, key: str, *, content_type: str) -> AbstractContextManager[NewObject]:
        """Stream in an object whose key must be free. Leaving the block before `complete` drops it."""

    @abstractmethod
    def delete(self, key: str, *, version_id: str | None = None) -> None:
        """Remove an object (its versions stay readable for a while), or one version permanently.

        Removing an object that does not exist changes nothing.
        """

    @abstractmethod
    def delete_all(self, prefix: str) -> int:
        """Permanently remove every version and unfinished upload whose key begins with `prefix`, and count them.

        An upload that begins during the call stays.
        """

    @abstractmethod
    def list_keys(self, prefix: str) -> Iterator[str]:
        """List the keys that begin with `prefix`, sorted."""

    @abstractmethod
    def sign_get(self, key: str, *, filename: str, seconds: int) -> str:
        """Sign a URL with which anyone can download the object as `filename`, for `seconds`."""

    @abstractmethod
    def sign_put(self, key: str, *, content_type: str, size_bytes: int, seconds: int) -> str:
        """Sign a URL with which anyone can put one object of this type and size, for `seconds`."""


def write_disposition(filename: str) -> str:
    """Write a Content-Disposition header with which a browser saves a file under a name.

    A name beyond plain ASCII is added in the form of RFC 8187 (RFC 6266). Neither form can break out of the header.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", filename)
    exact = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'attachment; filename="{plain}"{exact}'
