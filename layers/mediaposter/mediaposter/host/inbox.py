"""Watch the folder inbox/: a file that is put there is a request, as an object in the inbox of a bucket is."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

from mediaposter.domain.errors import NotFound
from mediaposter.host.bucket import FolderBucket
from mediaposter.host.database import Database
from mediaposter.stores.inbox import INBOX

logger = logging.getLogger(__name__)


class InboxWatcher:
    """Finds new files and new versions of files; each is announced once it no longer grows.

    Args:
        database: where what was announced is recorded.
        bucket: has the folder.
        announce: takes the message that S3 would send; called again after a crash between the two.
    """

    def __init__(self, database: Database, bucket: FolderBucket, announce: Callable[[str], None]) -> None:
        """Make the table if the file lacks it."""
        self._database = database
        self._bucket = bucket
        self._announce = announce
        self._growing: dict[str, str | None] = {}
        self._unreadable: set[str] = set()
        with database.write() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS inbox_seen (key TEXT PRIMARY KEY, version TEXT NOT NULL) WITHOUT ROWID"
            )

    def look(self) -> int:
        """Look once, and count what was announced. A file is announced if it is as it was at the last look."""
        found: dict[str, str | None] = {}
        for key in self._bucket.list_keys(INBOX):
            try:
                found[key] = self._bucket.head(key).version_id
            except NotFound:
                continue  # removed since it was listed
            except OSError as error:
                self._report_unreadable(key, error)
        with self._database.read() as connection:
            seen = dict(connection.execute("SELECT key, version FROM inbox_seen").fetchall())
        new = {key: version for key, version in found.items() if seen.get(key) != version}
        ready = {key: version for key, version in new.items() if self._growing.get(key) == version}
        self._growing = new
        for key, version in ready.items():
            self._announce(_write_notice(key, version))
            self._note(key, str(version))
        self._forget(seen.keys() - found.keys())
        return len(ready)

    def _report_unreadable(self, key: str, error: OSError) -> None:
        """Warn of a file that keeps no other from being taken, once."""
        if key not in self._unreadable:
            self._unreadable.add(key)
            logger.warning("%s cannot be read, and is left where it is: %s", key, error.strerror)

    def _note(self, key: str, version: str) -> None:
        with self._database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO inbox_seen VALUES (?, ?)", (key, version))

    def _forget(self, gone: set[str]) -> None:
        if not gone:
            return
        with self._database.write() as connection:
            connection.executemany("DELETE FROM inbox_seen WHERE key = ?", [(key,) for key in gone])


def _write_notice(key: str, version: str | None) -> str:
    """Write what EventBridge tells of a new object (Amazon S3 user guide, "EventBridge event message structure")."""
    return json.dumps(
        {
            "detail-type": "Object Created",
            "source": "aws.s3",
            "detail": {"object": {"key": key, **({"version-id": version} if version else {})}},
        },
        sort_keys=True,
    )
