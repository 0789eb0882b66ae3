"""Files in the folder inbox/: announced once they no longer grow, and again with each new version."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mediaposter.host.bucket import FolderBucket
from mediaposter.host.database import Database
from mediaposter.host.inbox import InboxWatcher
from mediaposter.host.links import Links
from mediaposter.stores.bucket import StoredObject
from mediaposter.wire.intake import QueuedNotice

KEY = "inbox/kite.json"


class Folder(FolderBucket):
    """A bucket in a folder, some of whose files cannot be read."""

    forbidden: str | None = None

    def head(self, key: str) -> StoredObject:
        if key == self.forbidden:
            raise PermissionError(13, "Permission denied", key)
        return super().head(key)


class Inbox:
    """A watched folder, and what was announced."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / "host.sqlite")
        self.bucket = Folder(folder / "files", Links(b"k" * 32, lambda: "http://127.0.0.1"))
        self.notices: list[str] = []
        self.watch()

    def watch(self) -> None:
        """Begin anew, as a host does."""
        self.watcher = InboxWatcher(self.database, self.bucket, self.announce)

    def announce(self, notice: str) -> None:
        self.notices.append(notice)

    def put(self, content: str, key: str = KEY) -> None:
        self.bucket.put(key, content.encode(), content_type="application/json")

    def look(self, times: int = 2) -> list[int]:
        """Look so often, and count what was announced each time."""
        return [self.watcher.look() for _ in range(times)]


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    opened = Inbox(tmp_path)
    yield opened
    opened.database.close()


def test_a_file_is_announced_once_as_the_bucket_of_aws_would(inbox: Inbox) -> None:
    inbox.put("{}")

    assert inbox.look(4) == [0, 1, 0, 0]
    notice = QueuedNotice.model_validate({"body": inbox.notices[0]}).body
    assert json.loads(inbox.notices[0])["detail"]["object"] == {
        "key": KEY,
        "version-id": inbox.bucket.head(KEY).version_id,
    }
    assert notice is not None


def test_a_file_that_grows_waits_until_it_does_no_more(inbox: Inbox) -> None:
    grown = []
    for content in ("{", '{"prompt"', '{"prompt": "A kite"}'):
        inbox.put(content)
        grown += inbox.look(1)

    assert (grown, inbox.look()) == ([0, 0, 0], [1, 0])


def test_a_new_version_is_announced_again(inbox: Inbox) -> None:
    inbox.put("{}")
    inbox.look()
    inbox.put('{"prompt": "A kite"}')

    assert inbox.look(3) == [0, 1, 0]
    assert len(set(inbox.notices)) == 2


def test_a_file_that_was_removed_is_forgotten(inbox: Inbox) -> None:
    inbox.put("{}")
    inbox.look()
    inbox.bucket.delete(KEY)
    inbox.look(1)

    with inbox.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM inbox_seen").fetchone() == (0,)


def test_what_was_announced_is_known_to_the_next_process(inbox: Inbox) -> None:
    inbox.put("{}")
    inbox.look()

    inbox.watch()

    assert inbox.look() == [0, 0]


def test_a_crash_between_the_notice_and_its_note_repeats_the_same_notice(inbox: Inbox) -> None:
    class Killed(InboxWatcher):
        def _note(self, key: str, version: str) -> None:
            raise KeyboardInterrupt

    inbox.put("{}")
    inbox.watcher = Killed(inbox.database, inbox.bucket, inbox.announce)
    with suppress(KeyboardInterrupt):
        inbox.look()
    inbox.watch()

    assert inbox.look() == [0, 1]
    assert len(inbox.notices) == 2
    assert len(set(inbox.notices)) == 1, "so that the outbox takes them for one"


def test_nothing_outside_of_the_inbox_is_announced(inbox: Inbox) -> None:
    inbox.put("{}", "outbox/kite.json")
    inbox.put("{}", "inboxes/kite.json")

    assert inbox.look() == [0, 0]


def test_a_file_that_cannot_be_read_keeps_no_other_waiting_and_is_warned_of_once(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.put("{}", "inbox/a.json")
    inbox.put("{}")
    inbox.bucket.forbidden = "inbox/a.json"

    with caplog.at_level(logging.WARNING):
        assert inbox.look(3) == [0, 1, 0]

    assert caplog.messages == ["inbox/a.json cannot be read, and is left where it is: Permission denied"]
