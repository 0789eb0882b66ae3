"""A backup of a data folder that is being written: the database of one moment, and every file that it names."""

from __future__ import annotations

import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.backup import back_up
from mediaposter.host.bucket import FolderBucket
from mediaposter.host.database import Database
from mediaposter.host.folder import DATABASE_FILE, FILES_FOLDER
from mediaposter.host.links import Links

LINKS = Links(b"k" * 32, lambda: "http://host")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a data folder with one file that a record names."""
    folder = tmp_path / "data"
    with closing(Database(folder / DATABASE_FILE)) as database, database.write() as connection:
        connection.execute("CREATE TABLE videos (key TEXT, version TEXT)")
    (folder / "secrets.json").write_text("{}")
    with closing(Writer(folder)) as writer:
        writer.store("videos/first/video.mp4")
    return folder


class Writer:
    """Stores files, each before the record that names it and its version, as the host does."""

    def __init__(self, folder: Path) -> None:
        self._bucket = FolderBucket(folder / FILES_FOLDER, LINKS)
        self._database = Database(folder / DATABASE_FILE)
        self._is_over = threading.Event()
        self.stored = 0

    def store(self, key: str) -> None:
        """Store a file, and then its record."""
        version = self._bucket.put(key, b"mp4" * 100, content_type="video/mp4").version_id
        with self._database.write() as connection:
            connection.execute("INSERT INTO videos VALUES (?, ?)", (key, version))
        self.stored += 1

    def run(self) -> None:
        """Store new files, and replace others, until it is stopped."""
        while not self._is_over.is_set():
            self.store(f"videos/{self.stored}/video.mp4")
            self.store("videos/first/video.mp4")

    def wait_for(self, count: int) -> None:
        """Wait until it has stored so many."""
        while self.stored < count:
            time.sleep(0.001)

    def stop(self) -> None:
        """Let it end after what it stores now."""
        self._is_over.set()

    def close(self) -> None:
        """Close its database."""
        self._database.close()


@pytest.fixture
def writer(folder: Path) -> Iterator[Writer]:
    """Give a writer that stores files all the time."""
    writer = Writer(folder)
    thread = threading.Thread(target=writer.run)
    thread.start()
    yield writer
    writer.stop()
    thread.join()
    writer.close()


def list_records(folder: Path) -> list[tuple[str, str]]:
    with closing(Database(folder / DATABASE_FILE)) as database, database.read() as connection:
        return connection.execute("SELECT key, version FROM videos").fetchall()


def test_every_file_of_every_record_is_there_in_its_version_though_the_host_writes(
    folder: Path, writer: Writer, tmp_path: Path
) -> None:
    backups = [tmp_path / f"backup-{number}" for number in range(3)]
    for number, backup in enumerate(backups):
        writer.wait_for(10 * (number + 1))
        back_up(folder, backup)

    for backup in backups:
        bucket = FolderBucket(backup / FILES_FOLDER, LINKS)
        records = list_records(backup)
        for key, version in records:
            with bucket.open(key, version_id=version) as found:
                assert found.stored.size_bytes == 300
    assert len(records) >= 30


def test_an_archive_keeps_the_times_of_files_to_the_nanosecond(folder: Path, tmp_path: Path) -> None:
    back_up(folder, tmp_path / "backup.tar")

    with tarfile.open(tmp_path / "backup.tar") as archive:
        names = archive.getnames()
        times = archive.getmember("files/videos/first/video.mp4").pax_headers["mtime"]
    assert names == ["secrets.json", "files/videos/first/video.mp4", DATABASE_FILE]
    assert int(times.replace(".", "")) == (folder / "files/videos/first/video.mp4").stat().st_mtime_ns


def test_what_is_half_written_and_what_belongs_to_a_process_is_left_out(folder: Path, tmp_path: Path) -> None:
    (folder / "host.lock").touch()
    (folder / "host.json").touch()
    bucket = FolderBucket(folder / FILES_FOLDER, LINKS)
    with bucket.create("videos/half/video.mp4", content_type="video/mp4") as upload:
        upload.write(b"half")
        made = back_up(folder, tmp_path / "backup")

    assert sorted(path.name for path in (tmp_path / "backup").iterdir()) == ["files", DATABASE_FILE, "secrets.json"]
    assert (made.files, made.size_bytes) == (2, 302)


def test_a_backup_replaces_nothing(folder: Path, tmp_path: Path) -> None:
    for name in ("old.tar", "old/video.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
        target = tmp_path / name.partition("/")[0]
        with pytest.raises(ConfigurationError, match="a backup replaces nothing"):
            back_up(folder, target)
        assert path.read_text() == "mine"


def test_a_backup_into_the_data_folder_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="within the data folder"):
        back_up(folder, folder / "backup")


def test_a_folder_that_no_host_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no data folder"):
        back_up(tmp_path, tmp_path / "backup")


def test_a_backup_that_fails_leaves_nothing_and_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    (folder / "secrets.json").unlink()
    (folder / FILES_FOLDER / "videos" / "loop").symlink_to("loop")  # cannot be opened
    before = sorted(tmp_path.iterdir())

    with pytest.raises(ConfigurationError, match="Nothing was kept there; the data folder is as it was"):
        back_up(folder, tmp_path / "backup")
    assert sorted(tmp_path.iterdir()) == before


def test_a_damaged_database_is_not_taken_for_a_backup(folder: Path, tmp_path: Path) -> None:
    with closing(Database(folder / DATABASE_FILE)) as database, database.write() as connection:
        connection.executemany("INSERT INTO videos VALUES (?, '')", [(str(number) * 50,) for number in range(1_000)])
    damaged = bytearray((folder / DATABASE_FILE).read_bytes())
    page = 4_096 * (len(damaged) // 4_096 // 2)
    damaged[page : page + 4_096] = b"\xff" * 4_096
    (folder / DATABASE_FILE).write_bytes(damaged)

    with pytest.raises(ConfigurationError, match=r"mediaposter\.sqlite is damaged"):
        back_up(folder, tmp_path / "backup.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
