"""A stack in memory, and what a command ended with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mediaposter.cli.deployed_stack import DeployedStack
from mediaposter.cli.scheduler import Places, Scheduler
from mediaposter.config import Settings
from mediaposter.stores.keys import KeyStore
from mediaposter.stores.series import SeriesStore
from tests.fakes.scheduler import FakeSchedulerClient
from tests.fakes.sheets import FakeSheetStore
from tests.fakes.table import InMemoryTable

BASE_URL = "https://abc123.execute-api.eu-central-1.amazonaws.com/v1"
PLACES = Places(
    group="mediaposter",
    role_arn="arn:aws:iam::123456789012:role/mediaposter-SeriesScheduleRole",
    queue_arn="arn:aws:sqs:eu-central-1:123456789012:mediaposter-IntakeQueue",
    dead_letter_arn="arn:aws:sqs:eu-central-1:123456789012:mediaposter-DeadLetterQueue",
)


class Outcome(NamedTuple):
    """What a command ended with."""

    status: int
    out: str
    err: str


Run = Callable[..., Outcome]


class StackInMemory:
    """A stack, and by which name and address it was looked for."""

    def __init__(self) -> None:
        self.table = InMemoryTable()
        self.keys = KeyStore(self.table)
        self.series = SeriesStore(self.table)
        self.sheets = FakeSheetStore()
        self.scheduler = FakeSchedulerClient()
        self.places = PLACES
        self.files: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self.settings = Settings()
        self.knows_key_restrictions = True
        self.knows_monthly_budgets = True
        self.looked_for: list[tuple[str, str | None]] = []

    def open(self, name: str, *, endpoint_url: str | None) -> DeployedStack:
        """Find it, as the command line does."""
        self.looked_for.append((name, endpoint_url))
        return DeployedStack(
            name=name,
            base_url=BASE_URL,
            api_id="abc123",
            keys=self.keys,
            series=self.series,
            sheets=self.sheets,
            scheduler=Scheduler(self.scheduler, self.places),
            read_file=self.files.__getitem__,
            read_secret=self.secrets.__getitem__,
            write_secret=self.secrets.__setitem__,
            settings=self.settings,
            knows_key_restrictions=self.knows_key_restrictions,
            knows_monthly_budgets=self.knows_monthly_budgets,
        )
