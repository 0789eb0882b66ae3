"""The whole product in one process: a data folder, the stack on it, and everything that runs by itself."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mediaposter.host.bucket import FolderBucket
from mediaposter.host.database import Database
from mediaposter.host.decoder import ChildDrawer, ChildInspector, build_decoders
from mediaposter.host.edges import HostEdges
from mediaposter.host.executions import Ended, Executions
from mediaposter.host.executions_on_disk import SqliteExecutions
from mediaposter.host.folder import DATABASE_FILE, FILES_FOLDER, SANDBOX_FOLDER
from mediaposter.host.inbox import InboxWatcher
from mediaposter.host.links import Links
from mediaposter.host.lock import HostLock
from mediaposter.host.loop import Loop
from mediaposter.host.machines import build_walkers, follow_end
from mediaposter.host.memory import release_free_pages
from mediaposter.host.outbox import Kind, Message, Outbox
from mediaposter.host.pretend.publisher import PretendedPublisher
from mediaposter.host.pretend.sandbox_provider import RENDER_SECONDS, SandboxProvider
from mediaposter.host.repeat import Repeater
from mediaposter.host.secrets import HostSecrets
from mediaposter.host.series_clock import SeriesClock, ToldTurns
from mediaposter.host.steady_clock import SteadyClock
from mediaposter.host.table import SqliteTable
from mediaposter.host.workflow import HostBatchWorkflow, HostTokens, HostWorkflow
from mediaposter.stack import Stack
from mediaposter.stores.keys import Scope
from mediaposter.usecases.steps import RenderToCancel
from mediaposter.wire.intake import QueuedNotice
from mediaposter.wire.webhooks import QueuedEvent

if TYPE_CHECKING:
    from mediaposter.config import Settings
    from mediaposter.host.environment import HostEnvironment

logger = logging.getLogger(__name__)

OWNER = "local"
# Steps wait for providers and for Blotato most of the time.
_STEPS_AT_ONCE = 8
# Clocks have threads of their own, one for each, so that neither a burst of steps nor another clock delays them.
_CHORES_AT_ONCE = 8
# A receiver that does not answer takes ten seconds, and must not keep a video from its slot.
_SLOW = (Kind.WEBHOOK, Kind.INTAKE, Kind.CANCEL_RENDER)
_QUICK = tuple(kind for kind in Kind if kind not in _SLOW)
_CALLS_AT_ONCE = 8
_SWEEP_EVERY_SECONDS = 60.0
_INBOX_EVERY_SECONDS = 2.0
_TIDY_EVERY_SECONDS = 3_600.0
_MEMORY_EVERY_SECONDS = 20.0
_OUTBOX_EVERY_SECONDS = 5.0
_SERIES_EVERY_SECONDS = 5.0
# Of clocks that tests make faster.
_EVERY_SECONDS_MIN = 0.1
_ACCOUNTS_EVERY_SECONDS = 86_400.0
# Replaced and deleted files are kept as long as template.yaml's bucket keeps old versions.
_OLD_VERSIONS_KEPT_SECONDS = 30 * 86_400


class Host:
    """A data folder in use. Close it, or kill the process: the next one on the folder carries on.

    Attributes:
        stack: the use cases.
        bucket: the files.
        links: signs and verifies the links to them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        environment: HostEnvironment,
        settings: Settings,
        public_url: Callable[[], str],
        wait_scale: float = 1.0,
    ) -> None:
        """Open the folder, or make it; nothing runs yet.

        Args:
            folder: has everything.
            environment: keys and addresses.
            settings: of the stack.
            public_url: where this host is reached, without a slash at the end.
            wait_scale: what a second takes of the machines' waits, the sandbox's renders and the clocks, for tests.

        Raises:
            ConfigurationError: the folder is in use, or cannot be used; the sentence says what to do.
        """
        with ExitStack() as opened:
            opened.callback(HostLock(folder).release)
            self._folder = folder
            self._secrets = HostSecrets.open(folder)
            self._database = Database(folder / DATABASE_FILE)
            opened.callback(self._database.close)
            self._make_threads(wait_scale)
            self.links = Links(self._secrets.link_key.encode(), public_url)
            self.bucket = FolderBucket(folder / FILES_FOLDER, self.links)
            self._outbox = Outbox(self._database)
            self._table = SqliteTable(self._database, record_change=self._outbox.record_change)
            sandbox = folder / SANDBOX_FOLDER
            publisher = PretendedPublisher(sandbox / "posts", clock=_tell_time)
            opened.callback(publisher.close)
            children = build_decoders()
            opened.callback(children.close)
            opened.callback(self._end_threads)
            self._sandbox = SandboxProvider(
                sandbox / "videos",
                ChildDrawer(children),
                clock=_tell_time,
                render_seconds=wait_scale * RENDER_SECONDS,
            )
            opened.callback(self._sandbox.close)
            self.edges = HostEdges(
                settings,
                environment=environment,
                secrets=self._secrets,
                table=self._table,
                bucket=self.bucket,
                outbox=self._outbox,
                public_url=lambda: f"{public_url()}/v1",
                inspect=ChildInspector(self.bucket.locate, children),
                sandbox=self._sandbox,
                pretended_publisher=lambda: publisher,
            )
            self.stack = Stack(settings, self.edges)
            self._carry_executions()
            self._build_watchers()
            self._clocks_of = self._build_clocks(wait_scale)
            self._outbox.wake = self._hasten
            self._opened = opened.pop_all()

    def _make_threads(self, wait_scale: float) -> None:
        """Make the threads, which run from `start` on."""
        self._is_closing = threading.Event()
        self._pool = ThreadPoolExecutor(_STEPS_AT_ONCE, thread_name_prefix="step")
        self._chores = ThreadPoolExecutor(_CHORES_AT_ONCE, thread_name_prefix="chore")
        self._callers = ThreadPoolExecutor(_CALLS_AT_ONCE, thread_name_prefix="call")
        self._loop = Loop(SteadyClock(_tell_time), self._pool, wait_scale=wait_scale)
        self._clocks = Loop(SteadyClock(_tell_time), self._chores)
        self._threads = [
            threading.Thread(target=loop.run, name=name, daemon=True)
            for name, loop in (("machines", self._loop), ("clocks", self._clocks))
        ]

    def _end_threads(self) -> None:
        """Let what runs finish; what waits is dropped."""
        self._is_closing.set()
        for loop in (self._clocks, self._loop):
            loop.stop()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        for pool in (self._pool, self._chores, self._callers):
            pool.shutdown(wait=True, cancel_futures=True)

    def _carry_executions(self) -> None:
        self._store = SqliteExecutions(self._database)
        self._executions = Executions(
            build_walkers(self.stack, self._table, self.bucket),
            store=self._store,
            loop=self._loop,
            on_end=self._see_end,
        )
        self.edges.carry(HostWorkflow(self._executions), HostBatchWorkflow(self._executions), HostTokens(self._loop))

    def _build_watchers(self) -> None:
        """Build what finds requests in the inbox, and the turns of series."""
        self._inbox = InboxWatcher(self._database, self.bucket, lambda notice: self._outbox.add(Kind.INTAKE, notice))
        self._series_clock = SeriesClock(
            self.stack.series,
            ToldTurns(self._database),
            announce=lambda notice: self._outbox.add(Kind.INTAKE, notice),
            report=self.edges.report,
            clock=_tell_time,
        )

    def start(self) -> int:
        """Carry on what was under way, and start the clocks; give the number of executions that go on."""
        for thread in self._threads:
            thread.start()
        resumed = self._executions.resume()
        self._sandbox.start(self._see_render_end)
        for clock in self._clocks_of.values():
            clock.start()
        return resumed

    def ensure_key(self) -> str:
        """Give the key of this host's owner, which may do everything; make it if there is none, or it was revoked."""
        secret = self._secrets.api_key
        if secret is not None and self.stack.keys.find(secret) is not None:
            return secret
        made, _ = self.stack.keys.create(OWNER, scopes=tuple(Scope), owner=OWNER, now=_tell_time())
        self._secrets = self._secrets.model_copy(update={"api_key": made})
        self._secrets.keep(self._folder)
        return made

    def close(self) -> None:
        """Stop: running steps finish, everything else is carried on by the next host on this folder."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _build_clocks(self, wait_scale: float) -> dict[str, Repeater]:
        def every(seconds: float, name: str, call: Callable[[], float | None]) -> Repeater:
            return Repeater(self._clocks, name, call, every_seconds=max(seconds * wait_scale, _EVERY_SECONDS_MIN))

        return {
            "outbox": every(_OUTBOX_EVERY_SECONDS, "the outbox", self._empty_outbox),
            "calls": every(_OUTBOX_EVERY_SECONDS, "the outbox's calls", self._make_calls),
            "sweep": every(_SWEEP_EVERY_SECONDS, "the sweep", self._sweep),
            "series": every(_SERIES_EVERY_SECONDS, "the clock of series", self._series_clock.look),
            "inbox": every(_INBOX_EVERY_SECONDS, "the inbox", self._watch_inbox),
            "memory": every(_MEMORY_EVERY_SECONDS, "releasing memory", self._release_memory),
            "tidy": every(_TIDY_EVERY_SECONDS, "tidying up", self._tidy),
            "accounts": every(_ACCOUNTS_EVERY_SECONDS, "the check of accounts", self._check_accounts),
        }

    # What the clocks do. Each gives the seconds until its next time, if they are not the usual ones.

    def _sweep(self) -> None:
        logger.debug("swept: %s", self.stack.sweep())

    def _watch_inbox(self) -> None:
        self._inbox.look()

    def _release_memory(self) -> None:
        release_free_pages()

    def _tidy(self) -> None:
        self._table.purge()
        self._store.purge()
        self.bucket.forget_versions(older_than_seconds=_OLD_VERSIONS_KEPT_SECONDS)

    def _check_accounts(self) -> None:
        self.stack.read_accounts()

    def _empty_outbox(self) -> float | None:
        while messages := self._take(_QUICK):
            for message in messages:
                self._handle(message)
        return self._outbox.next_in(_QUICK)

    def _make_calls(self) -> float | None:
        while messages := self._take(_SLOW):
            list(self._callers.map(self._handle, messages))
        return self._outbox.next_in(_SLOW)

    def _take(self, kinds: Collection[Kind]) -> list[Message]:
        return [] if self._is_closing.is_set() else self._outbox.take(kinds)

    def _handle(self, message: Message) -> None:
        """Handle a message; one that fails is due again later, and given up in the end."""
        if self._is_closing.is_set():
            return  # the next host takes it
        try:
            is_over = self._act_on(message)
        except Exception:
            if not self._outbox.is_hopeless(message):
                logger.exception("The message %s of %s failed; it is tried again", message.number, message.kind)
                return
            logger.exception("The message %s of %s failed for the last time", message.number, message.kind)
            is_over = True
        if is_over:
            self._outbox.remove(message)

    def _act_on(self, message: Message) -> bool:
        """Do what a message is for; False keeps it."""
        if message.kind is Kind.ANNOUNCE:
            self.stack.announce_video(message.body)
        elif message.kind is Kind.DISPATCH:
            self.stack.dispatch_videos.dispatch_each([message.body])
        elif message.kind is Kind.WATCH_BATCH:
            self.stack.monitor_batch(message.body)
        elif message.kind is Kind.INTAKE:
            self.stack.take_request(QueuedNotice.model_validate({"body": message.body}).body)
        elif message.kind is Kind.CANCEL_RENDER:
            self.stack.cancel_render(RenderToCancel.model_validate_json(message.body))
        else:
            return self._deliver(message)
        return True

    def _deliver(self, message: Message) -> bool:
        queued = QueuedEvent.model_validate(
            {
                "messageId": str(message.number),
                "receiptHandle": message.receipt,
                "attributes": {"ApproximateReceiveCount": message.tries},
                "body": json.dumps({"detail": json.loads(message.body)}),
            }
        )
        delivery = self.stack.deliver_event(queued)
        logger.info("webhook %s: %s (%s)", queued.event.type, delivery.outcome, delivery.reason)
        return delivery.is_over or delivery.outcome == "given_up"

    # What the machines and the edges call.

    def _see_end(self, ended: Ended) -> None:
        follow_end(self.stack, ended)

    def _hasten(self, kind: Kind) -> None:
        self._clocks_of["calls" if kind in _SLOW else "outbox"].hasten()

    def _see_render_end(self, job_id: str) -> None:
        """Wake the video that waits for a job of this machine's model, as a provider's webhook does."""
        headers, body = self._sandbox.write_webhook(job_id)
        self.stack.receive_provider_webhook("sandbox", headers, body)


def _tell_time() -> datetime:
    return datetime.now(UTC)
