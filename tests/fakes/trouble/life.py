"""Lets a history happen: workers that overlap, executions, people and the sweep, in the order of a virtual clock."""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, NoReturn

from mediaposter.domain.errors import (
    BudgetExceeded,
    InvalidRequest,
    MediaPosterError,
    NotAllowedInState,
    NotFound,
    VideoDeleted,
)
from mediaposter.events import BatchEvent, PostEvent, VideoEvent
from mediaposter.host.walker import WaitWrite
from mediaposter.stores.batch_files import parts_key
from mediaposter.stores.posts import Post
from mediaposter.stores.table import Key
from tests.builders import NOW
from tests.fakes.clock import Clock
from tests.fakes.effects import Moment, SimulatedCrash
from tests.fakes.state_machine import Function, StateMachine, StatesError, Status
from tests.fakes.trouble.history import Accident, Deed, DeedKind, History, Who, Wish
from tests.fakes.trouble.stack import STEPS, Stack
from tests.fakes.trouble.tables import BuildTable, keep_in_memory
from tests.fakes.trouble.vendors import Execution, Executions, Job, TroubledEffects
from tests.fakes.world import BATCH_DEFINITION, DEFINITION

SWEEP_SECONDS = 60
BEGIN_SECONDS = 0.5
STREAM_SECONDS = 1.0
ASK_AGAIN_SECONDS = 60
ASKS_MAX = 12
# The rule behind a broken execution: Lambda calls an event's function again after a minute and after two more, and one
# that was throttled for six hours (Lambda developer guide, "Asynchronous invocation").
CLOSE_AGAIN_SECONDS = (60, 120)
THROTTLED_AGAIN_SECONDS = 120
THROTTLED_FOR = timedelta(hours=6)
# Everything ends within so long after there is peace; and what moves nothing for a day and more never ends.
ENDS_WITHIN = timedelta(days=3, hours=2)
STANDS_STILL_AFTER = timedelta(hours=26)
# Where nothing has moved for long, most of the sweeps are left out, or what is stuck would take minutes to try.
SLOWS_DOWN_AFTER = timedelta(hours=2)
SLOW_SWEEP_SECONDS = 1_800
# A run that does not end ends here.
EVENTS_MAX = 60_000
# The sweep may fail, and comes each minute: nothing that is due waits for it longer, unless one of these does not work.
LEFT_BEHIND_AFTER = timedelta(minutes=6)
_NEEDED_TO_SWEEP = ("table", "table writes", "describe", "start", "throttle", "throttle sweep", "bus")

THROTTLED = "Lambda.TooManyRequestsException"


class Worker:
    """One call of something, which may die or sleep at a side of one of its effects.

    Attributes:
        execution: for which it works, if it does for one.
        accident: what happens to it.
        hit: which outages it met.
        wakes_at: until when it sleeps.
    """

    def __init__(
        self,
        life: Life,
        who: Who,
        work: Callable[[], Any],
        accident: Accident | None,
        execution: Execution | None,
    ) -> None:
        self.who = who
        self.execution = execution
        self.accident = accident
        self.wakes_at: datetime | None = None
        self.is_over = False
        self.died = False
        self.hit: set[str] = set()
        self.answer: Any = None
        self.error: BaseException | None = None
        self._life = life
        self._work = work
        self._points = 0
        self._thread: threading.Thread | None = None
        self._sleeps: float | None = None
        self._is_killed = False
        self._turn = threading.Semaphore(0)
        self._back = threading.Semaphore(0)

    def go_on(self) -> float | None:
        """Work until it sleeps, for so many seconds, or until it is done or dead."""
        before, self._life.worker = self._life.worker, self
        met = len(self._life.stack.weather.met)
        self.wakes_at = None
        if self.accident is None or self.accident.what == "dies":
            self._do()
        elif self._thread is None:
            self._thread = threading.Thread(target=self._do_in_turn, daemon=True)
            self._thread.start()
            self._back.acquire()
        else:
            self._turn.release()
            self._back.acquire()
        self.hit |= {what for what, _ in self._life.stack.weather.met[met:]}
        self._life.worker = before
        seconds, self._sleeps = self._sleeps, None
        if seconds is not None:
            self.wakes_at = self._life.clock() + timedelta(seconds=seconds)
        return seconds

    def reach(self, _name: str, _moment: Moment) -> None:
        """Come to a side of an effect."""
        if self._is_killed:
            raise SimulatedCrash("the test is over")
        self._points += 1
        if self.accident is None:
            return
        what, left = self.accident.what, self.accident.point - self._points
        if (what == "dies" and left == 0) or (what == "sleeps and dies" and left == -1):
            self._die()
        if left == 0:
            self._sleep(self.accident.seconds)

    def _die(self) -> NoReturn:
        self.died = True
        raise SimulatedCrash(f"{self.who} at {self._points}")

    def _end_late(self, accident: Accident) -> None:
        """Be done, and sleep before the caller gets the answer, or crash."""
        if accident.what != "dies":
            self._sleep(accident.seconds)
        if accident.what != "sleeps":
            self._die()

    def kill(self) -> None:
        """End its thread."""
        if self._thread is not None and not self.is_over:
            self._is_killed = True
            self._turn.release()
            self._back.acquire()

    def _sleep(self, seconds: float) -> None:
        self._sleeps = seconds
        self._back.release()
        self._turn.acquire()
        if self._is_killed:
            raise SimulatedCrash("the test is over")

    def _do_in_turn(self) -> None:
        self._do()
        self._back.release()

    def _do(self) -> None:
        try:
            self.answer = self._work()
            if self.accident is not None and self._points < self.accident.point:
                self._end_late(self.accident)
        except (Exception, SimulatedCrash) as error:
            self.error = error
        self.is_over = True


class Life:
    """A history, as it happens.

    Attributes:
        stack: the product.
        clock: its time.
        facts: what was asked for, and what happened, as far as promises depend on it.
    """

    def __init__(self, history: History, *, build_table: BuildTable = keep_in_memory) -> None:
        self.history = history
        self.clock = Clock()
        effects = TroubledEffects()
        effects.reach = self._reach
        self.worker: Worker | None = None
        self.stack = Stack(history, self.clock, effects, build_table=build_table)
        self.peace_at = NOW + timedelta(seconds=history.peace_at)
        self._accidents = list(history.accidents)
        self._events: list[tuple[datetime, int, Callable[[], object], Callable[[], bool]]] = []
        self._numbers = count()
        self._swept_at = NOW
        self._moved_at = NOW
        self._workers: list[Worker] = []
        self._dispatches: set[str] = set()
        self._batch_ids: list[str] = []
        self._failed_asks: set[str] = set()
        # What promises depend on.
        self.told: set[str] = set()  # videos whose callers were told that they are taken
        self.not_started: set[str] = set()  # and those whose callers were told that nothing was started
        self.deleted: dict[str, datetime] = {}
        self.gone: set[str] = set()  # whose deletion was confirmed
        self.last_seen: dict[Key, dict[str, Any]] = {}
        self.broken_starts: set[str] = set()  # videos of which a first step died or met a fault of the table
        self.broken_posts: set[str] = set()  # and those of which a post's
        self.in_doubt_unsent: list[str] = []
        self.answered_with_failed: list[str] = []
        self.batches_stopped_at: dict[str, datetime] = {}
        self.sent_again: Counter[tuple[str, str]] = Counter()
        self.own_posts: dict[str, str] = {}
        self.overdrawn: list[str] = []
        self.jobs: list[Job] = []
        self.failed_while_carried: list[str] = []
        self.left_behind: list[str] = []

    def happen(self) -> None:
        """Let all of it happen, and then everything come to its end, if it does."""
        try:
            self._begin()
            self._run()
        finally:
            for worker in self._workers:
                worker.kill()

    # Time

    def after(
        self, seconds: float, happen: Callable[[], object], *, is_off: Callable[[], bool] = lambda: False
    ) -> None:
        """Let something happen in so many seconds, unless it is off by then."""
        at = self.clock() + timedelta(seconds=max(seconds, 0))
        heapq.heappush(self._events, (at, next(self._numbers), happen, is_off))

    def _walk_after(self, seconds: float, execution: Execution) -> None:
        """Let an execution go on in so many seconds, unless it was woken or ended by then."""
        execution.turn += 1
        turn = execution.turn
        self.after(seconds, partial(self._walk, execution), is_off=lambda: execution.turn != turn)

    def at(self, seconds: float, happen: Callable[[], object]) -> None:
        """Let something happen so long after the beginning, or at once."""
        self.after((NOW + timedelta(seconds=seconds) - self.clock()).total_seconds(), happen)

    def _run(self) -> None:
        for _ in range(EVENTS_MAX):
            now = self.clock()
            while self._events and self._events[0][3]():
                heapq.heappop(self._events)
            next_at = self._events[0][0] if self._events else None
            sweeps_at = self._find_sweep()
            if next_at is None and sweeps_at is None:
                return
            if now > self.peace_at + ENDS_WITHIN or now > max(self._moved_at, self.peace_at) + STANDS_STILL_AFTER:
                return
            if sweeps_at is not None and (next_at is None or sweeps_at <= next_at):
                self._pass_until(sweeps_at)
                self._swept_at = sweeps_at
                if not self._is_throttled("sweep"):
                    self.employ("sweep", self.stack.sweep)
                    self._see_sweep()
                continue
            at, _, happen, _ = heapq.heappop(self._events)
            self._pass_until(at)
            self._moved_at = at
            happen()

    def _pass_until(self, at: datetime) -> None:
        self.clock.advance(max((at - self.clock()).total_seconds(), 0))

    def _find_sweep(self) -> datetime | None:
        """Find the next minute in which a sweep has something to do: the others pass without one."""
        need = self.stack.find_need()
        if need is None:
            return None
        step = timedelta(seconds=SLOW_SWEEP_SECONDS if self._stands_still() else SWEEP_SECONDS)
        return NOW - (NOW - max(need, self._swept_at + step, self.clock())) // step * step

    def _stands_still(self) -> bool:
        return self.clock() > max(self._moved_at, self.peace_at) + SLOWS_DOWN_AFTER

    # Workers

    def employ(
        self,
        who: Who,
        work: Callable[[], Any],
        *,
        then: Callable[[Worker], object] = lambda _: None,
        execution: Execution | None = None,
    ) -> Worker:
        """Let a worker do something; `then` is told when it is over."""
        worker = Worker(self, who, work, self._take_accident(who), execution)
        if worker.accident is not None and worker.accident.what != "dies":
            self._workers.append(worker)
        self._go_on(worker, then)
        return worker

    def _go_on(self, worker: Worker, then: Callable[[Worker], object]) -> None:
        seconds = worker.go_on()
        if seconds is not None:
            self.after(seconds, partial(self._go_on, worker, then))
            return
        if isinstance(worker.error, AssertionError):
            raise worker.error
        then(worker)

    def _reach(self, name: str, moment: Moment) -> None:
        if self.worker is not None:
            self.worker.reach(name, moment)

    def _take_accident(self, who: Who) -> Accident | None:
        now = self.clock()
        if now >= self.peace_at:
            return None
        for accident in self._accidents:
            if accident.who == who and NOW + timedelta(seconds=accident.at) <= now:
                self._accidents.remove(accident)
                return accident
        return None

    def _is_throttled(self, who: str) -> bool:
        return self.stack.weather.find(f"throttle {who}", "throttle") is not None

    def _serve(self, who: Who, function: Function, execution: Execution) -> Function:
        """Give a function as the machine calls it: it may be throttled, break down, and take its time."""

        def handle(payload: dict[str, Any]) -> Generator[float, None, Any]:
            if self._is_throttled(who):
                raise StatesError(THROTTLED)
            if self.stack.weather.find(f"break {who}"):
                raise StatesError("Runtime.ExitError")
            note = partial(self._note, str(payload.get("video_id", "")))
            worker = self.employ(who, partial(function, payload), then=note, execution=execution)
            while not worker.is_over:
                if worker.accident is not None and worker.accident.what == "is cut off":
                    raise StatesError("Lambda.SdkClientException")
                assert worker.wakes_at is not None
                yield (worker.wakes_at - self.clock()).total_seconds()
            if worker.error is None:
                return worker.answer
            if isinstance(worker.error, SimulatedCrash):
                raise StatesError(self.history.setting.crash_error)
            raise worker.error

        return handle

    def _note(self, video_id: str, worker: Worker) -> None:
        """Note what promises depend on."""
        is_broken = worker.died or bool(worker.hit & {"table", "table writes"})
        if worker.who == "start" and is_broken:
            self.broken_starts.add(video_id)
        if worker.who == "create_post" and is_broken:
            self.broken_posts.add(video_id)

    # Executions

    def _take_up(self, execution: Execution) -> None:
        execution.walk = self._build_walk(execution)
        self._walk_after(BEGIN_SECONDS, execution)

    def _build_walk(self, execution: Execution) -> Generator[float, None, Status]:
        functions = {
            name: self._serve(STEPS[name], self._open_token(execution, function), execution)
            for name, function in self.stack.list_functions().items()
        }
        machine = StateMachine(
            DEFINITION,
            functions,
            self.clock,
            await_token=partial(self._await_token, execution),
            write_wait=partial(self._write_wait, execution),
        )
        return machine.walk(execution.given)

    def _build_batch_walk(self, execution: Execution) -> Generator[float, None, Status]:
        functions = {
            name: self._serve("batch", function, execution)
            for name, function in self.stack.list_batch_functions().items()
        }
        machine = StateMachine(BATCH_DEFINITION, functions, self.clock, read_items=self._read_parts)
        return machine.walk(execution.given)

    def _read_parts(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        batch_id = arguments["Key"].split("/")[1]
        assert arguments == {"Bucket": "${VideoBucket}", "Key": parts_key(batch_id)}
        return self.stack.read_parts(batch_id)

    def _take_up_batch(self, execution: Execution) -> None:
        execution.walk = self._build_batch_walk(execution)
        self._walk_after(BEGIN_SECONDS, execution)

    def _walk(self, execution: Execution) -> None:
        """Carry an execution to its next wait."""
        assert execution.walk is not None
        try:
            seconds = next(execution.walk)
        except StopIteration as end:
            if execution.status == "RUNNING":
                executions = self._find_executions(execution)
                executions.finish(execution, str(Status(end.value)))
                self._see_end(execution)
            return
        if execution.status == "RUNNING":  # what it did may have stopped it
            self._walk_after(seconds, execution)

    def _find_executions(self, execution: Execution) -> Executions:
        is_video = self.stack.executions.all.get(execution.name) is execution
        return self.stack.executions if is_video else self.stack.batch_executions

    def _see_end(self, execution: Execution) -> None:
        """Let the rule behind the machine of videos see how an execution ended."""
        if execution.status == "SUCCEEDED" or self._find_executions(execution) is self.stack.batch_executions:
            return
        self.after(1, partial(self._close, execution, 0, self.clock()))
        again = self.history.setting.closes_again_after
        if again and self.clock() < self.peace_at:
            self.after(again, partial(self._close, execution, 0, self.clock()))

    def _close(self, execution: Execution, tries: int, since: datetime) -> None:
        if self._is_throttled("close"):
            if self.clock() - since < THROTTLED_FOR:
                self.after(THROTTLED_AGAIN_SECONDS, partial(self._close, execution, tries, since))
            return

        def then(worker: Worker) -> None:
            if worker.error is not None and tries < len(CLOSE_AGAIN_SECONDS):
                self.after(CLOSE_AGAIN_SECONDS[tries], partial(self._close, execution, tries + 1, since))

        if self.stack.weather.find("break close"):
            if tries < len(CLOSE_AGAIN_SECONDS):
                self.after(CLOSE_AGAIN_SECONDS[tries], partial(self._close, execution, tries + 1, since))
            return
        close = partial(self.stack.close_execution, execution.name, execution.status)
        self.employ("close", close, then=then, execution=execution)

    def _open_token(self, execution: Execution, function: Function) -> Function:
        def handle(payload: dict[str, Any]) -> Any:
            if "task_token" in payload:
                token = f"{execution.name}/{payload['task_token']}"
                execution.tokens.add(token)
                payload = {**payload, "task_token": token}
            return function(payload)

        return handle

    def _await_token(
        self, execution: Execution, token: str, seconds: float
    ) -> Generator[float, None, dict[str, Any] | None]:
        token = f"{execution.name}/{token}"
        signals = self._find_executions(execution).signals
        until = self.clock() + timedelta(seconds=seconds)
        execution.waits_with = token
        while token not in signals and self.clock() < until:
            yield (until - self.clock()).total_seconds()
        execution.waits_with = None
        execution.tokens.discard(token)
        return signals.pop(token, None)

    def _signal(self, execution: Execution) -> None:
        if execution.waits_with is not None:
            self._walk_after(0, execution)

    def _write_wait(self, execution: Execution, write: WaitWrite) -> bool:
        """Write as DynamoDB would; tests/unit/stores/test_job_callbacks.py holds moto to the same."""
        if self.stack.weather.find("table"):
            raise StatesError("DynamoDb.ProvisionedThroughputExceededException")
        token = f"{execution.name}/{write.task_token}"
        execution.tokens.add(token)
        return self.stack.table.write_wait(write._replace(task_token=token))

    # What is asked for

    def _begin(self) -> None:
        stack, history = self.stack, self.history
        stack.executions.on_start = self._take_up
        stack.executions.on_end = self._see_end
        stack.executions.on_signal = self._signal
        stack.batch_executions.on_start = self._take_up_batch
        stack.table.watch(self._see_write)
        stack.on_event = self._hear_event
        for provider in stack.providers.values():
            provider.on_job = self._see_job
        for number, wish in enumerate(history.wishes):
            self.at(wish.at, partial(self._submit, wish, f"wish {number}"))
        if history.batch is not None:
            self.at(history.batch.at, self._open_batch)
        for deed in history.deeds:
            self.at(deed.at, partial(self._do, deed))
        for outage in history.outages:
            self.at(outage.at + outage.seconds, _nothing)
        self.at(history.peace_at, _nothing)

    def _ask(
        self,
        call: Callable[[], Any],
        *,
        then: Callable[[Any], object] = lambda _: None,
        refused: Callable[[MediaPosterError], object] = lambda _: None,
        failed: Callable[[], object] = lambda: None,
        asks: int = 1,
    ) -> None:
        """Let a caller send a request, and repeat it while the answer is an error of ours."""
        again = partial(self._ask, call, then=then, refused=refused, failed=failed)

        def ended(worker: Worker) -> None:
            if worker.error is None:
                then(worker.answer)
            elif isinstance(worker.error, _REFUSALS):
                refused(worker.error)
            else:
                failed()
                if asks < ASKS_MAX and (self.history.setting.insists or self.clock() >= self.peace_at):
                    self.after(ASK_AGAIN_SECONDS, partial(again, asks=asks + 1))
                elif self.history.setting.insists and self.clock() < self.peace_at:
                    self.after((self.peace_at - self.clock()).total_seconds() + 1, again)

        self.employ("owner", call, then=ended)

    def _submit(self, wish: Wish, key: str) -> None:
        def answered(video_id: str) -> None:
            self.told.add(video_id)
            is_again = key in self._failed_asks
            for video in self.stack.videos if is_again else ():
                if video.id == video_id and self.stack.was_never_started(video) and video_id not in self.deleted:
                    self.answered_with_failed.append(f"{key} was not started, and sent again it is {video_id}, failed")

        self._ask(partial(self.stack.submit, wish, key), then=answered, failed=lambda: self._failed_asks.add(key))

    def _open_batch(self) -> None:
        assert self.history.batch is not None
        rows = self.history.batch.rows
        self._ask(partial(self.stack.open_batch, rows, "batch"), then=self._batch_ids.append)

    def _do(self, deed: Deed) -> None:
        """Let a person do something to the current records."""
        if deed.what.startswith("cancel batch"):
            self._cancel_batches(running=deed.what != "cancel batch")
        elif deed.what == "resend":
            if self.history.wishes:
                number = deed.number % len(self.history.wishes)
                self._submit(self.history.wishes[number], f"wish {number}")
        elif deed.what == "abort":
            self._abort(deed.number)
        elif self.stack.videos:
            self._do_to(self.stack.videos[deed.number % len(self.stack.videos)].id, deed)

    def _do_to(self, video_id: str, deed: Deed) -> None:
        stack = self.stack
        posts = [post for post in stack.posts if post.video_id == video_id]
        doings: dict[DeedKind, Callable[[], object]] = {
            "delete": partial(self._delete, video_id),
            "webhook": partial(self._call_back_all, video_id, f"{deed.at}"),
            "repost": partial(self._ask, partial(stack.post_again, video_id, "103")),
            "repost what failed": partial(self._ask, partial(stack.post_again, video_id, None)),
        }
        for post in posts[:1]:
            cancel = partial(stack.cancel_post, video_id, post.target.post_id)
            doings["cancel post"] = partial(self._ask, cancel)
            doings["move post"] = partial(self._ask, partial(stack.move_post, video_id, post.target.post_id))
            doings["resolve"] = partial(self._resolve, video_id, post.target.post_id)
            doings["post it by hand"] = partial(self._post_own, post)
        doings.get(deed.what, _nothing)()

    def _abort(self, number: int) -> None:
        """End one of the executions from outside."""
        executions = self.stack.executions
        running = [execution for execution in executions.all.values() if execution.status == "RUNNING"]
        if running:
            execution = running[number % len(running)]
            executions.finish(execution, "ABORTED")
            self._see_end(execution)

    def _cancel_batches(self, *, running: bool) -> None:
        for batch_id in self._batch_ids:
            stopped = partial(self._note_stopped, batch_id)
            self._ask(partial(self.stack.cancel_batch, batch_id, running=running), then=stopped)

    def _call_back_all(self, video_id: str, body: str) -> None:
        for job in self.jobs:
            if job.video_id == video_id:
                self._call_back(job, body)

    def _post_own(self, post: Post) -> None:
        own = self.stack.publisher.post_own(post, account_id="999")
        if own is not None:
            self.own_posts[own] = post.video_id

    def _note_stopped(self, batch_id: str, _: object) -> None:
        self.batches_stopped_at.setdefault(batch_id, self.clock())

    def _delete(self, video_id: str) -> None:
        self.deleted.setdefault(video_id, self.clock())
        self._ask(
            partial(self.stack.delete, video_id),
            then=lambda _: self.gone.add(video_id),
            refused=lambda error: self.gone.add(video_id) if isinstance(error, NotFound) else None,
        )

    def _hear_event(self, event: VideoEvent | PostEvent | BatchEvent) -> None:
        """Let a person who is told of something do something about it."""
        setting = self.history.setting
        if event.type == "video.awaiting_approval":
            answers = [wish.answer for wish in self._list_wishes() if wish.answer is not None]
            answer = answers[0] if answers else "nothing"
            if answer != "nothing":
                self.after(
                    setting.answers_after, partial(self._ask, partial(self.stack.decide, event.video_id, answer))
                )
        if isinstance(event, PostEvent) and event.type == "post.in_doubt":
            self._see_doubt(event)
        if isinstance(event, PostEvent) and event.type == "post.in_doubt" and setting.resolves:
            post_id = f"{event.platform}#{event.account_id}"
            self.after(setting.answers_after, partial(self._resolve, event.video_id, post_id))

    def _resolve(self, video_id: str, post_id: str) -> None:
        """Let a person look at the network, and say what is there."""
        posts = [post for post in self.stack.posts if (post.video_id, post.target.post_id) == (video_id, post_id)]
        if not posts:
            return
        is_public = bool(self.stack.publisher.list_copies(video_id, posts[0].target))

        def sent_again(_: object) -> None:
            if not is_public:
                self.sent_again[video_id, post_id] += 1

        self._ask(partial(self.stack.resolve, video_id, post_id, is_public=is_public), then=sent_again)

    def _list_wishes(self) -> list[Wish]:
        rows = self.history.batch.rows if self.history.batch else ()
        return [*self.history.wishes, *rows]

    # What is seen

    def _see_write(self, key: Key, before: dict[str, Any], after: dict[str, Any]) -> None:
        if after:
            self.last_seen[key] = after
        provider = self.stack.waits_for_slot(key, after)
        if provider is not None and provider not in self._dispatches:
            self._dispatches.add(provider)
            self.after(STREAM_SECONDS, partial(self._dispatch, provider))
        if key.sk == "VIDEO" and self.stack.is_failure(before, after):
            self._see_failure(after)
        limit = self.history.setting.limit_micros
        is_day = key.pk.startswith("BUDGET#") and len(key.sk) == len("2026-12-01")
        if limit is not None and is_day and after.get("committed_micros", 0) > limit:
            self.overdrawn.append(f"{key.pk} {key.sk}: {after['committed_micros']} of {limit}")

    def _see_failure(self, video: Mapping[str, Any]) -> None:
        """See whether a video is failed that another execution continues than the one that ended."""
        who = self.worker.who if self.worker else None
        if who not in ("sweep", "dispatch", "close"):
            return
        for execution in self.stack.executions.all.values():
            is_own = self.worker is not None and self.worker.execution is execution
            if execution.status == "RUNNING" and not is_own and self.stack.carries(execution, str(video["id"])):
                self.failed_while_carried.append(f"{video['id']}: {video['failure']['message']}")

    def _see_sweep(self) -> None:
        """See whether the sweep comes to all that is due, as long as nothing keeps it from that."""
        since = self.clock() - LEFT_BEHIND_AFTER
        if self._stands_still() or not self.stack.weather.was_fine(*_NEEDED_TO_SWEEP, since=since):
            return
        for key in self.stack.list_overdue(since):
            if self.stack.table.read_at.get(key, NOW) < since:
                self.left_behind.append(f"{key.pk} {key.sk}")

    def _see_doubt(self, event: PostEvent) -> None:
        """See whether a person is asked about a post that was not sent, without a crash in its call."""
        is_called = self.stack.publisher.was_called(event.video_id, event.platform, event.account_id)
        if not is_called and event.video_id not in self.broken_posts:
            self.in_doubt_unsent.append(f"{event.platform} {event.account_id} of {event.video_id}")

    def _dispatch(self, provider: str) -> None:
        self._dispatches.discard(provider)
        if not self._is_throttled("dispatch"):
            self.employ("dispatch", partial(self.stack.dispatch, provider))

    def _see_job(self, job: Job) -> None:
        self.jobs.append(job)
        if job.provider == "knows":
            wait = (job.ends_at - self.clock()).total_seconds() + 0.2
            self.after(wait, partial(self._call_back, job, "is done"))

    def _call_back(self, job: Job, body: str) -> None:
        self.employ("webhook", partial(self.stack.hear, job.provider, job.job_id, body))


# What an answer says of the request, not of us: asking again would not help.
_REFUSALS = (NotAllowedInState, BudgetExceeded, InvalidRequest, NotFound, VideoDeleted)


def _nothing() -> None:
    """Let nothing happen but the time."""
