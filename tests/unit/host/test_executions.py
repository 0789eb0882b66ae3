"""How executions start, wait, are stopped, end, and begin anew, and that waiting costs no thread."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mediaposter.domain.errors import NotStarted
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.host.database import Database
from mediaposter.host.definition import Definition
from mediaposter.host.executions import Ended, Execution, Executions, ExecutionStore
from mediaposter.host.executions_on_disk import SqliteExecutions
from mediaposter.host.loop import Loop
from mediaposter.host.walker import Services, Walker
from mediaposter.host.workflow import HostBatchWorkflow, HostTokens, HostWorkflow
from mediaposter.usecases.steps import Outcome, PostReference, StepResult
from tests.fakes.clock import Clock
from tests.fakes.host import WAIT_WRITE, Host, InMemoryExecutions, a_machine, a_task

REST = {"Type": "Wait", "Seconds": 100, "Next": "Work"}
RESTING = a_machine(Rest=REST, Work=a_task())
IN_A_MAP = {
    "Type": "Map",
    "Items": [1, 2],
    "ItemProcessor": {
        "ProcessorConfig": {"Mode": "INLINE"},
        "StartAt": "Rest",
        "States": {"Rest": REST, "Work": a_task()},
    },
    "End": True,
}


def test_an_execution_is_started_once_under_its_name() -> None:
    host = Host(a_machine(Work=a_task()))

    for _ in range(2):
        host.start({"a": 1})
    host.start({"b": 1}, "two")

    assert host.calls == [{"a": 1}, {"b": 1}]


@pytest.mark.parametrize(
    "machine",
    [RESTING, a_machine(Map=IN_A_MAP), a_machine(Listen=WAIT_WRITE | {"End": True})],
    ids=["in a wait", "in a map", "with a token"],
)
def test_an_execution_that_is_stopped_does_nothing_more(machine: dict[str, Any]) -> None:
    host = Host(machine)
    host.start()

    host.executions.stop("machine", "one")
    assert host.find_status() is ExecutionStatus.ABORTED, "at once"
    host.loop.run_ready()
    host.send({})
    host.pass_time(1_000)

    assert (host.calls, host.loop.timers_count, host.loop.list_tokens()) == ([], 0, [])
    assert [ended.status for ended in host.ends] == [ExecutionStatus.ABORTED]


def test_a_step_that_is_being_taken_while_its_execution_is_stopped_leads_nowhere() -> None:
    def work(_: Any) -> None:
        host.executions.stop("machine", "one")

    host = Host(a_machine(Work=a_task("stopping", Next="More"), More=a_task()), functions={"stopping": work})
    host.start()

    assert (host.calls, host.find_status()) == ([], ExecutionStatus.ABORTED)


def test_an_execution_that_has_ended_cannot_be_stopped() -> None:
    host = Host(a_machine(Work=a_task()))
    host.start()

    host.executions.stop("machine", "one")
    host.loop.run_ready()

    assert host.find_status() is ExecutionStatus.SUCCEEDED
    assert len(host.ends) == 1


def test_what_runs_begins_anew_when_the_host_starts_and_what_has_ended_does_not() -> None:
    store = InMemoryExecutions()
    before = Host(RESTING, store=store)
    for name in ("one", "two", "three"):
        before.start({"name": name}, name)
    before.executions.stop("machine", "two")

    after = Host(RESTING, store=store, clock=before.clock)
    assert after.executions.resume() == 2
    after.loop.run_ready()
    after.pass_time(100)

    assert after.calls == [{"name": "one"}, {"name": "three"}]
    assert after.find_status("one") is ExecutionStatus.SUCCEEDED


def test_what_was_started_before_the_others_begin_anew_runs_once() -> None:
    host = Host(RESTING)
    host.start()

    host.executions.resume()
    host.loop.run_ready()
    host.pass_time(100)

    assert len(host.calls) == 1


def test_what_is_stopped_while_the_host_starts_does_not_begin_anew() -> None:
    class StoppedMeanwhile(InMemoryExecutions):
        def list_running(self) -> list[Execution]:
            running = super().list_running()
            after.executions.stop("machine", "one")
            return running

    store = StoppedMeanwhile()
    Host(RESTING, store=store).start()
    after = Host(RESTING, store=store)

    after.executions.resume()
    after.loop.run_ready()

    assert after.states == []


def test_a_token_of_the_process_before_is_nothing_to_the_one_after() -> None:
    store = InMemoryExecutions()
    machine = a_machine(Listen=WAIT_WRITE | {"End": True})
    Host(machine, store=store).start()
    after = Host(machine, store=store)
    after.executions.resume()
    after.loop.run_ready()

    after.send({}, "a token of before")

    assert after.find_status() is ExecutionStatus.RUNNING


def test_the_end_is_told_before_it_is_written_down() -> None:
    seen: list[ExecutionStatus | None] = []

    def note(_: Ended) -> None:
        seen.append(host.find_status())

    host = Host(a_machine(Work=a_task()), on_end=note)
    host.start()

    assert (seen, host.find_status()) == ([ExecutionStatus.RUNNING], ExecutionStatus.SUCCEEDED)


def test_what_breaks_down_behind_an_end_does_not_keep_it_from_being_written_down() -> None:
    def break_down(_: Ended) -> None:
        raise OSError("the disk is full")

    host = Host(a_machine(Work=a_task()), on_end=break_down)
    host.start()

    assert host.find_status() is ExecutionStatus.SUCCEEDED


def test_an_end_that_cannot_be_written_down_is_written_later() -> None:
    class Stumbling(InMemoryExecutions):
        faults = 2

        def finish(self, machine: str, name: str, status: ExecutionStatus) -> bool:
            if self.faults:
                self.faults -= 1
                raise OSError("the disk is full")
            return super().finish(machine, name, status)

    host = Host(a_machine(Work=a_task()), store=Stumbling())
    host.start()
    assert host.find_status() is ExecutionStatus.RUNNING

    host.pass_time(10)

    assert (host.find_status(), len(host.ends)) == (ExecutionStatus.SUCCEEDED, 1)


def test_timers_of_what_has_ended_are_cleared_away() -> None:
    host = Host(a_machine(700_000, Work=a_task()))
    host.loop.after(1, list)

    for number in range(2_500):
        host.start(name=str(number))

    assert len(host.loop._timers) <= 1_100


# The store, in memory and in SQLite


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ExecutionStore]:
    if request.param == "memory":
        yield InMemoryExecutions()
        return
    database = Database(tmp_path / "host.sqlite")
    yield SqliteExecutions(database)
    database.close()


ONE, TWO = Execution("video", "one", '{"a": 1}'), Execution("video", "two", "{}")


def test_a_name_is_put_once_whatever_the_input_and_however_it_ended(store: ExecutionStore) -> None:
    assert store.insert(ONE)
    assert not store.insert(ONE._replace(input="{}"))
    assert store.list_running() == [ONE]

    store.finish("video", "one", ExecutionStatus.FAILED)

    assert not store.insert(ONE)
    assert store.find_status("video", "one") is ExecutionStatus.FAILED


def test_machines_have_names_of_their_own(store: ExecutionStore) -> None:
    assert store.insert(ONE)
    assert store.insert(ONE._replace(machine="batch"))
    store.finish("batch", "one", ExecutionStatus.SUCCEEDED)

    assert store.find_status("video", "one") is ExecutionStatus.RUNNING


def test_an_end_is_final(store: ExecutionStore) -> None:
    store.insert(ONE)

    assert store.finish("video", "one", ExecutionStatus.ABORTED)
    assert not store.finish("video", "one", ExecutionStatus.SUCCEEDED)
    assert store.find_status("video", "one") is ExecutionStatus.ABORTED


def test_what_was_never_put_has_no_status_and_does_not_end(store: ExecutionStore) -> None:
    assert store.find_status("video", "one") is None
    assert not store.finish("video", "one", ExecutionStatus.ABORTED)


def test_those_that_run_are_listed_from_the_oldest_on(store: ExecutionStore) -> None:
    three = ONE._replace(name="a third")
    for execution in (TWO, ONE, three):
        store.insert(execution)
    store.finish("video", "one", ExecutionStatus.SUCCEEDED)

    assert store.list_running() == [TWO, three]


def test_one_of_many_threads_starts_an_execution(store: ExecutionStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(store.insert, [ONE] * 40)).count(True) == 1


def test_what_runs_is_known_to_the_next_process_and_what_ended_is_not_resumed(tmp_path: Path) -> None:
    for _ in range(2):
        database = Database(tmp_path / "host.sqlite")
        store = SqliteExecutions(database)
        store.insert(ONE)
        store.insert(TWO)
        store.finish("video", "one", ExecutionStatus.SUCCEEDED)
        assert store.list_running() == [TWO]
        database.close()


def test_a_name_is_free_again_90_days_after_its_execution_ended(tmp_path: Path) -> None:
    clock = Clock()
    database = Database(tmp_path / "host.sqlite")
    store = SqliteExecutions(database, clock=clock.monotonic)
    store.insert(ONE)
    store.insert(TWO)
    store.finish("video", "one", ExecutionStatus.SUCCEEDED)

    clock.advance(90 * 86_400)
    assert store.purge() == 0
    clock.advance(1)
    assert store.purge() == 1

    assert store.find_status("video", "one") is None
    assert store.list_running() == [TWO], "however long it runs"
    database.close()


def test_a_start_that_finds_the_file_held_is_not_started(tmp_path: Path) -> None:
    database = Database(tmp_path / "host.sqlite", busy_seconds=0)
    store = SqliteExecutions(database)
    holder = sqlite3.connect(database.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(NotStarted, match="The execution one was not started"):
        store.insert(ONE)

    holder.close()
    assert store.insert(ONE)
    database.close()


# The same public methods as mediaposter.workflow


def a_workflow() -> tuple[Executions, InMemoryExecutions, Loop]:
    store = InMemoryExecutions()
    walker = Walker(
        Definition.load(json.dumps(RESTING)), Services({"work": lambda _: {}}, lambda _: True, lambda *_: b""),
        new_token=lambda: "",
    )  # fmt: skip
    loop = Loop(Clock(), ThreadPoolExecutor(1))
    walkers = {"video": walker, "batch": walker}
    return Executions(walkers, store=store, loop=loop, on_end=lambda _: None), store, loop


def test_executions_are_named_and_given_what_step_functions_is_given() -> None:
    executions, store, _ = a_workflow()
    post = PostReference(video_id="video_1", post_id="twitter#101")

    HostWorkflow(executions).start("video_1")
    HostWorkflow(executions).start("video_1", 2, [post])
    HostBatchWorkflow(executions).start("batch_1", "take", 1)

    assert [(each.machine, each.name, json.loads(each.input)) for each in store.list_running()] == [
        ("video", "video_1", {"video_id": "video_1", "launch": 0}),
        ("video", "video_1-launch-2", {"video_id": "video_1", "launch": 2, "posts": [post.model_dump()]}),
        ("batch", "batch_1-take-1", {"batch_id": "batch_1", "step": "take"}),
    ]


def test_executions_are_found_and_stopped_by_what_they_carry() -> None:
    executions, _, _ = a_workflow()
    workflow, batches = HostWorkflow(executions), HostBatchWorkflow(executions)
    workflow.start("video_1", 2)
    batches.start("batch_1", "take", 1)

    workflow.stop("video_1", 2)
    workflow.stop("video_2")

    assert workflow.find_status("video_1", 2) is ExecutionStatus.ABORTED
    assert workflow.find_status("video_1") is None
    assert batches.find_status("batch_1", "take", 1) is ExecutionStatus.RUNNING


def test_a_signal_carries_on_what_waits_with_its_token() -> None:
    host = Host(a_machine(Listen=WAIT_WRITE | {"Next": "Tell"}, Tell=a_task()))
    host.start()

    HostTokens(host.loop).signal("token-1", StepResult(outcome=Outcome.HINTED))
    host.loop.run_ready()

    assert [call["outcome"] for call in host.calls] == [Outcome.HINTED]


# On threads


@contextmanager
def running(machine: dict[str, Any], work: Callable[[Any], Any], *, threads: int) -> Iterator[Executions]:
    """Run a machine in real time."""
    pool = ThreadPoolExecutor(threads)
    loop = Loop(lambda: datetime.now(UTC), pool)
    walker = Walker(
        Definition.load(json.dumps(machine)), Services({"work": work}, lambda _: True, lambda *_: b""),
        new_token=lambda: "",
    )  # fmt: skip
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield Executions({"machine": walker}, store=InMemoryExecutions(), loop=loop, on_end=lambda _: None)
    finally:
        loop.stop()
        thread.join()
        pool.shutdown()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    until = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.005)


def test_two_hundred_executions_wait_without_a_thread_each() -> None:
    calls: list[Any] = []
    resting = a_machine(Work=a_task(Next="Rest"), Rest={"Type": "Wait", "Seconds": 3_600, "End": True})
    with running(resting, calls.append, threads=4) as executions:
        for number in range(200):
            executions.start(Execution("machine", str(number), "{}"))
        wait_until(lambda: len(calls) == 200)

        assert threading.active_count() < 12
        assert executions.find_status("machine", "199") is ExecutionStatus.RUNNING


def test_a_call_that_takes_too_long_times_out_and_its_answer_is_nothing() -> None:
    released = threading.Event()
    seen: list[Any] = []

    def work(given: Any) -> None:
        seen.append(given)
        if given == "slow":
            released.wait(10)

    catch = {"ErrorEquals": ["States.Timeout"], "Output": "late", "Next": "After"}
    slow = a_task(TimeoutSeconds=1, Catch=[catch], Next="Never")
    machine = a_machine(Slow=slow, Never=a_task(payload="never"), After=a_task())
    with running(machine, work, threads=2) as executions:
        executions.start(Execution("machine", "one", '"slow"'))
        wait_until(lambda: seen == ["slow", "late"])
        released.set()
        wait_until(lambda: executions.find_status("machine", "one") is ExecutionStatus.SUCCEEDED)

    assert seen == ["slow", "late"]


class BusyExecutor(Executor):
    """Has no thread for anything until a test lets it."""

    def __init__(self) -> None:
        self._held: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._held.append((future, lambda: fn(*args, **kwargs)))
        return future

    def release(self) -> None:
        held, self._held = self._held, []
        for future, call in held:
            if future.set_running_or_notify_cancel():
                future.set_result(call())


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_call_that_waits_for_a_thread_is_not_made_when_its_execution_is_stopped(*, is_stopped: bool) -> None:
    pool = BusyExecutor()
    host = Host(a_machine(Work=a_task()), pool=pool)
    host.start()
    if is_stopped:
        host.executions.stop("machine", "one")
        host.loop.run_ready()

    pool.release()

    assert len(host.calls) == (0 if is_stopped else 1)


def test_the_time_of_a_call_does_not_begin_while_it_waits_for_a_thread() -> None:
    def work(_: Any) -> None:
        time.sleep(0.3)

    with running(a_machine(Work=a_task(TimeoutSeconds=1)), work, threads=1) as executions:
        names = [str(number) for number in range(5)]
        for name in names:
            executions.start(Execution("machine", name, "{}"))
        wait_until(
            lambda: all(executions.find_status("machine", name) is not ExecutionStatus.RUNNING for name in names)
        )

        assert {executions.find_status("machine", name) for name in names} == {ExecutionStatus.SUCCEEDED}
