"""One item where a webhook and the machine's wait meet, whichever comes first; the machine's own write among them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from mediaposter.domain.errors import Contention
from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.job_callbacks import HINTS_MAX, KEPT_FOR, UNKNOWN_KEPT_FOR, Hint, JobCallbackStore, name_job
from mediaposter.stores.table import Key, Table
from tests.builders import NOW
from tests.fakes.aws import connect_dynamodb
from tests.fakes.table import InMemoryTable
from tests.unit.stores.test_table import read_schema

PK = name_job("fal", "job-1")
KEY = Key(PK, "WAIT")
LATER = NOW + timedelta(seconds=30)
_DEFINITION = Path(__file__).parents[3] / "statemachine" / "video.asl.json"
_LISTEN = json.loads(_DEFINITION.read_text())["States"]["Listen"]


class Machine:
    """Makes the write of the state Listen, as it stands in the definition."""

    def __init__(self, table: Table, client: Any) -> None:
        self._table = table
        self._client = client
        self._arguments = _LISTEN["Arguments"]

    def wait(self, token: str, *, ttl: int = 1) -> bool:
        """Tell whether it waits: it does not where a webhook has come."""
        told = {
            "{% $states.context.Task.Token %}": token,
            "{% $string($states.input.listen.ttl) %}": str(ttl),
            "{% $states.input.listen.pk %}": PK,
            "${LibraryTable}": self._table.name,
        }
        text = json.dumps(self._arguments)
        for expression, value in told.items():
            assert expression in text
            text = text.replace(expression, value)
        try:
            self._client.update_item(**json.loads(text))
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


@pytest.fixture
def table() -> Iterator[Table]:
    with mock_aws():
        client = connect_dynamodb()
        client.create_table(TableName="library", **read_schema())
        yield LibraryTable(client, "library")


@pytest.fixture
def waits(table: Table) -> JobCallbackStore:
    return JobCallbackStore(table)


@pytest.fixture
def machine(table: Table) -> Machine:
    return Machine(table, connect_dynamodb())


def test_a_webhook_takes_what_the_machine_waits_with(waits: JobCallbackStore, machine: Machine) -> None:
    assert machine.wait("token-1")

    assert waits.hint(PK, "digest", now=NOW) == Hint(is_new=True, task_token="token-1")


def test_the_machine_waits_again_after_a_step_has_acted_on_the_webhook(
    waits: JobCallbackStore, machine: Machine
) -> None:
    assert waits.hint(PK, "digest", now=NOW) == Hint(is_new=True, task_token=None)
    assert not machine.wait("token-1")

    assert waits.apply_hint(PK, now=LATER) == NOW
    assert machine.wait("token-1")
    assert waits.apply_hint(PK, now=LATER) is None


def test_what_woke_a_wait_that_is_over_wakes_nothing(waits: JobCallbackStore, machine: Machine) -> None:
    machine.wait("token-1")
    waits.apply_hint(PK, now=NOW)

    assert waits.hint(PK, "digest", now=NOW) == Hint(is_new=True, task_token=None)


def test_the_machines_item_is_forgotten_in_time(table: Table, machine: Machine) -> None:
    machine.wait("token-1", ttl=1_800_000_000)

    assert table.get(KEY)["ttl"] == 1_800_000_000


def test_a_repeated_webhook_is_no_news(waits: JobCallbackStore) -> None:
    waits.hint(PK, "digest", now=NOW)
    waits.apply_hint(PK, now=NOW)

    assert waits.hint(PK, "digest", now=LATER) == Hint(is_new=False, task_token=None)
    assert waits.apply_hint(PK, now=LATER) is None


def test_a_repeated_webhook_wakes_a_machine_that_still_waits(waits: JobCallbackStore, machine: Machine) -> None:
    # The function that took it the first time crashed before that.
    machine.wait("token-1")
    waits.hint(PK, "digest", now=NOW)

    assert waits.hint(PK, "digest", now=LATER) == Hint(is_new=False, task_token="token-1")


def test_a_repeated_webhook_does_not_wake_a_later_wait(waits: JobCallbackStore, machine: Machine) -> None:
    waits.hint(PK, "digest", now=NOW)
    waits.apply_hint(PK, now=NOW)
    machine.wait("token-2")

    assert waits.hint(PK, "digest", now=LATER) == Hint(is_new=False, task_token=None)


def test_webhooks_cut_a_jobs_waits_short_only_so_often(waits: JobCallbackStore, machine: Machine) -> None:
    heard = []
    for number in range(HINTS_MAX + 3):
        machine.wait(f"token-{number}")
        heard.append(waits.hint(PK, f"digest-{number}", now=NOW).task_token)
        waits.apply_hint(PK, now=NOW)

    assert heard == [*(f"token-{number}" for number in range(HINTS_MAX)), None, None, None]


def test_jobs_do_not_hear_each_other(waits: JobCallbackStore) -> None:
    waits.hint(PK, "digest", now=NOW)

    assert waits.apply_hint(name_job("fal", "job-2"), now=NOW) is None
    assert waits.apply_hint(name_job("pika", "job-1"), now=NOW) is None


def test_a_webhook_of_an_unclaimed_job_expires_sooner(table: Table, waits: JobCallbackStore) -> None:
    waits.hint(PK, "digest", now=NOW, kept_for=UNKNOWN_KEPT_FOR)
    assert table.get(KEY)["ttl"] == (NOW + UNKNOWN_KEPT_FOR).timestamp()

    waits.hint(PK, "another", now=NOW)
    assert table.get(KEY)["ttl"] == (NOW + KEPT_FOR).timestamp()
    waits.hint(PK, "a third", now=NOW, kept_for=UNKNOWN_KEPT_FOR)
    assert table.get(KEY)["ttl"] == (NOW + KEPT_FOR).timestamp()


def test_a_wait_that_is_written_all_the_time_is_given_up() -> None:
    class Contended(InMemoryTable):
        def commit(self, changes: Any) -> None:
            self.items[KEY] = {**self.items.get(KEY, KEY._asdict()), "version": 99 + len(self.items), "ttl": 1}
            self.items[KEY]["version"] += self.raised
            self.raised += 1
            super().commit(changes)

        raised = 0

    with pytest.raises(Contention):
        JobCallbackStore(Contended()).hint(PK, "digest", now=NOW)


def test_what_wakes_the_machine_shows_in_no_text(waits: JobCallbackStore) -> None:
    assert "token" not in repr(Hint(is_new=True, task_token="secret")).replace("task_token", "")
