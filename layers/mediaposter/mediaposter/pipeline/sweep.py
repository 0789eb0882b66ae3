"""Sweep up what a crash left behind, and go on with what no execution waits for any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from mediaposter.errors import Conflict, NotFound
from mediaposter.library.due import DueList
from mediaposter.library.posts import PostLedger, PostState
from mediaposter.library.table import Key
from mediaposter.library.videos import VideoLibrary
from mediaposter.pipeline.steps import CloseInput, PostStepInput
from mediaposter.pipeline.submit import Workflow

Clock = Callable[[], datetime]

# Longer than any submit can run, so that the sweep never meets one at work.
NEVER_STARTED_AFTER = timedelta(minutes=5)


class SweepVideos:
    """Fail what a crash left between the record and its execution, and close what could not be started.

    It is not started late: its caller had an error and was told that sending again is safe, so a late
    start would render, pay for and post the same thing twice. Only one whose caller was told that it is recorded, and
    that waited for a slot, is started.
    """

    def __init__(
        self,
        *,
        library: VideoLibrary,
        workflow: Workflow,
        close: Callable[[CloseInput], object],
        clock: Clock,
    ) -> None:
        self._library = library
        self._workflow = workflow
        self._close = close
        self._clock = clock

    def __call__(self) -> int:
        """Look after the videos that never had an execution, and count them; one that cannot be holds up no other.

        One whose close breaks off is closed again by the next sweep, until its end was told.

        Raises:
            ExceptionGroup: what went wrong; all of them were tried.
        """
        swept = 0
        faults: list[Exception] = []
        listed = self._library.list_never_started(older_than=NEVER_STARTED_AFTER, now=self._clock())
        for video_id in listed:
            try:
                swept += self._sweep(video_id)
            except (Conflict, NotFound):
                continue  # somebody closed or deleted it meanwhile
            except Exception as error:
                faults.append(error)
        if faults:
            raise ExceptionGroup(f"{len(faults)} of {len(listed)} never started videos could not be closed", faults)
        return swept

    def _sweep(self, video_id: str) -> bool:
        """Close a video that is left over, or start it if its caller was told that it will be; tell whether it was."""
        if self._workflow.runs(video_id, self._library.get(video_id).launch):
            return False
        video = self._library.get(video_id)
        # What the index lists may be over by now.
        if not video.is_left_over:
            return False
        if self._workflow.exists(video_id, video.launch):
            self._close(CloseInput(video_id=video_id, fault="its execution ended before it took the video up"))
        elif video.is_accepted:
            self._workflow.start(video_id, video.launch)
        else:
            self._close(CloseInput(video_id=video_id, fault="a crash before its execution was started"))
        return True


class SweepDue:
    """Come back to posts and approvals whose time has come, where nobody else did."""

    def __init__(
        self,
        *,
        due: DueList,
        ledger: PostLedger,
        create_post: Callable[[PostStepInput], object],
        check_post: Callable[[PostStepInput], object],
        start_posts: Callable[[str], None],
        expire_approval: Callable[[str], None],
        look_after_batch: Callable[[str], None],
        reclaim_slot: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._reclaim_slot = reclaim_slot
        self._look_after_batch = look_after_batch
        self._due = due
        self._ledger = ledger
        self._create_post = create_post
        self._check_post = check_post
        self._start_posts = start_posts
        self._expire_approval = expire_approval
        self._clock = clock

    def __call__(self) -> int:
        """Come back to each, and count them; one that cannot be helped now holds up no other.

        Raises:
            ExceptionGroup: what went wrong; all that is due was tried.
        """
        keys = self._due.list(now=self._clock())
        faults = dict(self._try_each(keys))
        if faults:
            # A service shows no more of it than this line, and an error's own text may hold what no log may.
            which = ", ".join(f"{key.pk} {key.sk} ({type(error).__name__})" for key, error in faults.items())
            raise ExceptionGroup(
                f"{len(faults)} of {len(keys)} that are due could not be looked after: {which}", list(faults.values())
            )
        return len(keys)

    def _try_each(self, keys: list[Key]) -> Iterator[tuple[Key, Exception]]:
        for key in keys:
            try:
                self._look_after(key)
            except (Conflict, NotFound):
                continue  # somebody came back to it, or deleted it, meanwhile
            except Exception as error:
                yield key, error

    def _look_after(self, key: Key) -> None:
        if key.sk == "BATCH":
            self._look_after_batch(key.pk.removeprefix("BATCH#"))
            return
        video_id = key.pk.removeprefix("VIDEO#")
        if key.sk == "VIDEO":
            self._reclaim_slot(video_id)
            return
        if not key.sk.startswith("POST#"):
            self._expire_approval(video_id)
            return
        post = self._ledger.get(video_id, key.sk.removeprefix("POST#"))
        step = PostStepInput(video_id=video_id, post_id=post.target.post_id)
        if post.state is PostState.PENDING:
            self._start_posts(video_id)
        elif post.state in (PostState.CALLING, PostState.IN_DOUBT):
            self._create_post(step)
        else:
            self._check_post(step)


def sweep_each(sweeps: Mapping[str, Callable[[], int]]) -> dict[str, int]:
    """Run every sweep, though one of them fails, and count what each found.

    Raises:
        ExceptionGroup: what went wrong; all were run.
    """
    found: dict[str, int] = {}
    faults: list[Exception] = []
    for name, sweep in sweeps.items():
        try:
            found[name] = sweep()
        except Exception as error:
            faults.append(error)
    if faults:
        raise ExceptionGroup(" ".join(str(fault) for fault in faults), faults)
    return found
