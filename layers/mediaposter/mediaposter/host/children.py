"""Child processes that do jobs: a line of JSON in, a line of JSON out.

What a job loads may crash, hang or fill the memory. Then its child ends, and nothing else does. A child gets none of
the host's keys: its environment has only what Python needs to start. It runs as the same user, so this is no wall
against a file that takes over the decoder (docs/decisions/0037).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from mediaposter.domain.errors import MediaPosterError

# An answer has two pictures of a video, in base64.
_ANSWER_BYTES_MAX = 32 * 1024**2
# Where programs, the home folder and temporary files are; the language; how this Python finds itself and its packages.
# Some Pythons need LD_LIBRARY_PATH to find their own library, and every program on Windows needs SYSTEMROOT.
_INHERITED = (
    *("PATH", "HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "LANG", "LC_ALL", "LC_CTYPE"),
    *("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT"),
)


class ChildFault(MediaPosterError):
    """A child broke down, or used up its time or its memory. The sentence has the child as its subject: `ended …`."""


class Children:
    """Up to `at_once` processes of one program, started on demand. Methods may be called from any thread.

    A child does several jobs, one after another, because its imports take up to a second. It is replaced after
    `jobs_max` of them, and ends after `idle_seconds` without one. When this process ends, by kill -9 too, the input of
    the children ends, and they end themselves.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        at_once: int = 2,
        jobs_max: int = 30,
        idle_seconds: float = 30.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Take a program; the environment it gets a part of is this process's own by default. Nothing starts yet."""
        self._command = command
        self._environment = pick_environment(os.environ if environment is None else environment)
        self._jobs_max = jobs_max
        self._idle_seconds = idle_seconds
        self._turns = threading.Semaphore(at_once)
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._children: set[_Child] = set()
        self._is_closed = False

    def ask(self, job: str, *, seconds: float) -> str:
        """Have one job done, and give the answer. This waits for a free child, however long that takes.

        Args:
            job: one line.
            seconds: how long the job may take once a child has it.

        Raises:
            ChildFault: the child broke down, or did not answer in time.
        """
        with self._turns:
            child = self._take()
            answer: str | None = None
            try:
                answer = child.ask(job, seconds)
            finally:
                self._give_back(child, is_usable=answer is not None and child.jobs_done < self._jobs_max)
            return answer

    def close(self) -> None:
        """End every child at once. A running job and every later one is a ChildFault."""
        with self._lock:
            self._is_closed = True
            children, self._children, self._idle = self._children, set(), []
        for child in children:
            child.end()

    @property
    def process_ids(self) -> list[int]:
        """List the processes there are."""
        with self._lock:
            return [child.process_id for child in self._children]

    def _take(self) -> _Child:
        with self._lock:
            if self._is_closed:
                raise ChildFault("was not started: the host is stopping.")
            while self._idle:
                # The latest, so that the others end for lack of work.
                child = self._idle.pop()
                child.cancel_retirement()
                if child.is_alive:
                    return child
                self._children.discard(child)
                child.end()
            child = _Child(self._command, self._environment)
            self._children.add(child)
            return child

    def _give_back(self, child: _Child, *, is_usable: bool) -> None:
        with self._lock:
            if is_usable and not self._is_closed:
                self._idle.append(child)
                child.retire_after(self._idle_seconds, self._retire)
                return
            self._children.discard(child)
        child.end()

    def _retire(self, child: _Child) -> None:
        with self._lock:
            if child not in self._idle:
                return  # it was taken at this moment
            self._idle.remove(child)
            self._children.discard(child)
        child.end()


class _Child:
    """One process, which one thread at a time uses."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
            )
        except OSError as error:
            raise ChildFault(f"could not be started: {error.strerror}.") from error
        self.jobs_done = 0
        self._lock = threading.Lock()
        self._is_busy = False
        self._is_late = False
        self._retirement: threading.Timer | None = None

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, job: str, seconds: float) -> str:
        stdin, stdout = self._pipes
        with self._limited(seconds):
            try:
                stdin.write(job.encode() + b"\n")
                stdin.flush()
                answer = stdout.readline(_ANSWER_BYTES_MAX)
            except (OSError, ValueError):
                answer = b""  # it ended, or was ended, in the middle
        if self._is_late or not answer.endswith(b"\n"):
            self._process.kill()
            raise ChildFault(self._explain_end(seconds))
        self.jobs_done += 1
        return answer.decode()

    @contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
        """Kill the process if the block takes longer."""
        self._is_busy = True
        timer = _start_timer(seconds, self._kill_if_busy)
        try:
            yield
        finally:
            timer.cancel()
            with self._lock:
                self._is_busy = False

    def _kill_if_busy(self) -> None:
        with self._lock:  # not in the middle of the next job
            if self._is_busy:
                self._is_late = True
                self._process.kill()

    def _explain_end(self, seconds: float) -> str:
        code = self._process.wait()
        if self._is_late:
            return f"did not end within {seconds:g} seconds."
        if code < 0 and signal.Signals(-code).name == "SIGXCPU":
            return "used up its CPU time."
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}."
        return f"ended by itself, with code {code}."

    def retire_after(self, seconds: float, retire: Callable[[_Child], None]) -> None:
        self._retirement = _start_timer(seconds, lambda: retire(self))

    def cancel_retirement(self) -> None:
        if self._retirement is not None:
            self._retirement.cancel()

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.cancel_retirement()
        self._process.kill()
        self._process.wait()
        for pipe in self._pipes:
            with suppress(OSError):  # the rest of a job that it did not read
                pipe.close()

    @property
    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("A child has its pipes.")
        return self._process.stdin, self._process.stdout


def run_module(name: str) -> tuple[str, ...]:
    """Give the command that runs a module by this Python; the folder it is started in has no part in that."""
    return sys.executable, "-P", "-m", name


def pick_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Pick what a child needs to start, and no key."""
    kept = {name: environment[name] for name in _INHERITED if name in environment}
    # glibc reserves address space for every thread that allocates, and a limit on it would count that.
    return {**kept, "MALLOC_ARENA_MAX": "2", "PYTHONUTF8": "1"}


def _start_timer(seconds: float, call: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
    return timer
