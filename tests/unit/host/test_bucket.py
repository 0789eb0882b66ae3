"""What the bucket in a folder has of its own; its contract is in tests/unit/stores/test_bucket.py."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mediaposter.domain.errors import Contention, MediaError, NotFound, StorageFull
from mediaposter.host.bucket import FolderBucket
from mediaposter.host.keys_on_disk import decode_path, encode_key
from mediaposter.host.links import Links
from mediaposter.media.video_stream import VideoStream
from mediaposter.stores.media import MediaStore

LINKS = Links(bytes(32), lambda: "http://127.0.0.1:8000")
JSON = "application/json"
WRITER = """
import sys
from pathlib import Path
from mediaposter.host.bucket import FolderBucket
from mediaposter.host.links import Links

bucket = FolderBucket(Path(sys.argv[1]), Links(bytes(32), str))
number = 0
while True:
    number += 1
    bucket.put("counted", b"%08d" % number * 5_000, content_type="text/plain")
    with bucket.create(f"once/{number}", content_type="text/plain") as new:
        new.write(b"%08d" % number * 5_000)
        new.complete()
    print("x", end="", flush=True)
"""


@pytest.fixture
def bucket(tmp_path: Path) -> FolderBucket:
    return FolderBucket(tmp_path / "media", LINKS)


def list_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@given(
    st.text() | st.lists(st.sampled_from(["..", ".", "", "a", "CON", "nul.mp4", "%2E", "%", "\\", " "])).map("/".join)
)
@example("../../etc/passwd")
@example("/etc/passwd")
@example("C:\\Windows\\system.ini")
def test_a_key_is_one_name_below_the_folder_and_no_other(key: str) -> None:
    path = encode_key(key)

    assert not path.is_absolute()
    assert not any(part.startswith(".") or set(part) & set('\\:*?"<>|\0') for part in path.parts)
    assert not any(part.endswith((".", " ")) for part in path.parts)
    assert PurePath(str(path)) == path
    assert decode_path(path) == key


def test_a_file_that_a_person_put_there_is_read_and_its_change_is_another_version(
    bucket: FolderBucket, tmp_path: Path
) -> None:
    dropped = tmp_path / "media" / "inbox" / "Drachen über Meer.json"
    dropped.parent.mkdir()
    dropped.write_bytes(b"{}")
    first = bucket.head("inbox/Drachen über Meer.json")
    dropped.write_bytes(b"changed")
    second = bucket.head("inbox/Drachen über Meer.json")

    assert (first.content_type, first.size_bytes, second.size_bytes) == (JSON, 2, 7)
    assert list(bucket.list_keys("inbox/")) == [first.key]
    with pytest.raises(NotFound), bucket.open(first.key, version_id=first.version_id):
        pass
    bucket.put(first.key, b"ours", content_type=JSON)
    with bucket.open(first.key, version_id=second.version_id) as found:
        assert b"".join(found.chunks) == b"changed"


def test_objects_are_files_of_their_names(bucket: FolderBucket, tmp_path: Path) -> None:
    bucket.put("videos/video_1/video.mp4", b"", content_type="video/mp4")
    bucket.put("outbox/kite.result.json", b"", content_type=JSON)

    assert list_files(tmp_path / "media") == ["outbox/kite.result.json", "videos/video_1/video.mp4"]


def test_what_is_deleted_leaves_no_empty_folders(bucket: FolderBucket, tmp_path: Path) -> None:
    for content in (b"a", b"b"):
        bucket.put("videos/video_1/upload", content, content_type="image/png")

    assert bucket.delete_all("videos/video_1/") == 2
    assert [path.name for path in (tmp_path / "media").rglob("*")] == [".bucket", "unfinished", "versions"]


def test_old_versions_are_forgotten_by_the_time_at_which_they_became_old(tmp_path: Path) -> None:
    seconds = [1_790_000_000]
    bucket = FolderBucket(tmp_path, LINKS, clock_ns=lambda: seconds[0] * 10**9)
    versions = []
    for content in (b"1", b"2", b"3"):
        versions.append(bucket.put("a.json", content, content_type=JSON))
        seconds[0] += 1_000

    assert bucket.forget_versions(older_than_seconds=2_000) == 0
    assert bucket.forget_versions(older_than_seconds=1_999) == 1

    with pytest.raises(NotFound), bucket.open("a.json", version_id=versions[0].version_id):
        pass
    with bucket.open("a.json", version_id=versions[1].version_id) as found:
        assert b"".join(found.chunks) == b"2"
    assert bucket.read("a.json") == b"3"


def test_a_version_that_was_removed_for_good_is_not_named_again(tmp_path: Path) -> None:
    bucket = FolderBucket(tmp_path, LINKS, clock_ns=lambda: 1_790_000_000 * 10**9)
    removed = bucket.put("a.json", b"the same", content_type=JSON)
    bucket.delete("a.json", version_id=removed.version_id)

    assert bucket.put("a.json", b"the same", content_type=JSON).version_id != removed.version_id


def test_a_clock_that_was_set_back_names_no_version_twice(tmp_path: Path) -> None:
    versions = []
    for content in (b"1st", b"2nd", b"3rd"):
        restarted = FolderBucket(tmp_path, LINKS, clock_ns=lambda: 1_790_000_000 * 10**9)
        versions.append(restarted.put("a.json", content, content_type=JSON).version_id)

    assert len(set(versions)) == 3
    with restarted.open("a.json", version_id=versions[0]) as found:
        assert b"".join(found.chunks) == b"1st"


def test_what_a_killed_process_left_unfinished_is_removed_at_the_next_start(tmp_path: Path) -> None:
    first = FolderBucket(tmp_path, LINKS)
    with first.create("a", content_type=JSON) as new:
        new.write(b"half")
        FolderBucket(tmp_path, LINKS)
        assert list_files(tmp_path) == []


@pytest.mark.parametrize("rounds", [1, 12])
def test_a_kill_leaves_whole_objects_alone(tmp_path: Path, rounds: int) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        answered = len(writer.stdout.read(rounds))
        writer.kill()
        answered += len(writer.stdout.read())

    bucket = FolderBucket(tmp_path, LINKS)
    contents = [bucket.read(key) for key in bucket.list_keys("")]

    assert {content for content in contents if content[:8] * 5_000 != content} == set()
    assert int(bucket.read("counted")[:8]) in (answered, answered + 1)
    assert len(list(bucket.list_keys("once/"))) in (answered, answered + 1)


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path) -> None:
    def be_full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    FolderBucket(tmp_path, LINKS).put("a.json", b"kept", content_type=JSON)
    full = FolderBucket(tmp_path, LINKS, replace=be_full)

    with pytest.raises(StorageFull, match=r"is full, so a\.json was not stored; what was there is as it was"):
        full.put("a.json", b"new", content_type=JSON)

    assert full.read("a.json") == b"kept"
    assert list((tmp_path / ".bucket" / "unfinished").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is Linux's")
def test_a_disk_that_becomes_full_while_a_video_comes_is_told(bucket: FolderBucket, tmp_path: Path) -> None:
    unfinished = tmp_path / "media" / ".bucket" / "unfinished"

    def stream() -> None:
        with bucket.create("video.mp4", content_type="video/mp4") as new:
            [path] = unfinished.iterdir()
            with path.open("rb") as file, Path("/dev/full").open("wb") as full:
                # What is written from now on meets a full disk.
                os.dup2(full.fileno(), find_descriptor(path, but=file.fileno()))
            new.write(bytes(100_000))
            new.complete()

    with pytest.raises(StorageFull):
        stream()
    assert (list(bucket.list_keys("")), list(unfinished.iterdir())) == ([], [])


def find_descriptor(path: Path, *, but: int) -> int:
    descriptors = {int(entry.name): entry for entry in Path("/proc/self/fd").iterdir()}
    [found] = [number for number, entry in descriptors.items() if number != but and leads_to(entry, path)]
    return found


def leads_to(entry: Path, path: Path) -> bool:
    try:
        return entry.readlink() == path
    except OSError:
        return False


def test_a_file_that_windows_holds_is_waited_for_and_told_in_the_end(tmp_path: Path) -> None:
    waits: list[float] = []
    tries = [0]

    def be_held(source: Path, target: Path) -> None:
        tries[0] += 1
        if tries[0] != 3:
            error = PermissionError(errno.EACCES, "The process cannot access the file")
            error.winerror = 32  # type: ignore[attr-defined]  # only Windows has it
            raise error
        source.replace(target)

    bucket = FolderBucket(tmp_path, LINKS, replace=be_held, sleep=waits.append)
    bucket.put("a.json", b"third time", content_type=JSON)
    assert (bucket.read("a.json"), len(waits)) == (b"third time", 2)

    with pytest.raises(Contention, match=r"Another program reads .*a\.json; it is as it was"):
        bucket.put("a.json", b"never", content_type=JSON)
    assert bucket.read("a.json") == b"third time"


def test_a_disk_without_links_keeps_versions_as_copies(tmp_path: Path) -> None:
    def refuse(_source: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    bucket = FolderBucket(tmp_path, LINKS, link=refuse)
    first = bucket.put("a.json", b"first", content_type=JSON)
    bucket.put("a.json", b"second", content_type=JSON)

    with bucket.open("a.json", version_id=first.version_id) as found:
        assert b"".join(found.chunks) == b"first"
    assert bucket.read("a.json") == b"second"


def test_a_reader_goes_on_while_its_object_is_replaced_and_removed(bucket: FolderBucket) -> None:
    bucket.put("a.json", b"1" * 100_000, content_type=JSON)
    with bucket.open("a.json", chunk_bytes=50_000) as found:
        first = next(found.chunks)
        bucket.put("a.json", b"2", content_type=JSON)
        bucket.delete_all("a.json")
        assert first + b"".join(found.chunks) == b"1" * 100_000


def test_a_version_that_is_none_of_its_own_leads_nowhere(bucket: FolderBucket) -> None:
    bucket.put("upload_1", b"secret", content_type="image/png")
    for version_id in ("type", "../../../upload_1", "/etc/passwd", "", "."):
        with pytest.raises(NotFound), bucket.open("upload_1", version_id=version_id):
            pass
        bucket.delete("upload_1", version_id=version_id)
    assert bucket.head("upload_1").content_type == "image/png"


def serve(body: bytes) -> Iterator[VideoStream]:
    yield VideoStream(chunks=iter([body[:1_000], body[1_000:]]), size_bytes=len(body))


def test_a_video_is_stored_once_and_removed_with_all_that_is_kept_of_it(
    bucket: FolderBucket, moov_first_mp4: bytes, tmp_path: Path
) -> None:
    video_store = MediaStore(bucket)
    opened = contextmanager(lambda *_: serve(moov_first_mp4))
    stored = video_store.store_video("video_1", opened, deadline=10, clock=lambda: 0)
    again = video_store.store_video("video_1", contextmanager(lambda *_: serve(b"")), deadline=10, clock=lambda: 0)

    assert again == stored
    assert stored.sha256 == sha256((tmp_path / "media" / stored.key).read_bytes()).hexdigest()
    assert video_store.delete_video("video_1") == 3
    with pytest.raises(MediaError):
        video_store.store_video(
            "video_1", contextmanager(lambda *_: serve(b"<html>" * 9)), deadline=10, clock=lambda: 0
        )
    assert list(bucket.list_keys("")) == []
