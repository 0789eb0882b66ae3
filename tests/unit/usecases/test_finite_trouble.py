"""The fourth rule: after any history whose trouble is finite, everything ends, and every promise was kept.

The real use cases and the shipped state machines on a virtual clock (tests/fakes/trouble). Vendors, table, bucket, bus
and functions fail for a time; workers die, sleep and overlap; people ask for things, and for others. Then there is
peace: the sweep runs each minute, executions go on, and the rule behind a broken execution closes it.

`MEDIAPOSTER_EXAMPLES=2000` tries more, `MEDIAPOSTER_TROUBLE=close,store` these themes alone, and
`MEDIAPOSTER_SQLITE_EXAMPLES=300` more on the table of a host. How many examples it takes until a theme breaks a promise
tells `python -m tests.unit.usecases.find_trouble`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediaposter.host.database import Database
from tests.fakes.trouble.history import History
from tests.fakes.trouble.life import Life
from tests.fakes.trouble.promises import check
from tests.fakes.trouble.tables import KeptInSqlite
from tests.fakes.trouble.themes import THEMES, draw_histories

CHOSEN = os.environ.get("MEDIAPOSTER_TROUBLE") or ",".join(name for name, theme in THEMES.items() if not theme.is_alone)
HISTORIES = st.sampled_from(CHOSEN.split(",")).flatmap(lambda name: draw_histories(THEMES[name]))


@settings(
    max_examples=int(os.environ.get("MEDIAPOSTER_EXAMPLES", "200")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(HISTORIES)
def test_after_finite_trouble_everything_ends_as_promised(history: History) -> None:
    life = Life(history)
    life.happen()

    check(life)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Give a file, which each history finds empty."""
    opened = Database(tmp_path_factory.mktemp("trouble") / "mediaposter.sqlite")
    yield opened
    opened.close()


@settings(
    max_examples=int(os.environ.get("MEDIAPOSTER_SQLITE_EXAMPLES", "25")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(history=HISTORIES)
def test_after_finite_trouble_everything_on_sqlite_ends_as_promised(database: Database, history: History) -> None:
    with database.write() as connection:
        connection.execute("DROP TABLE IF EXISTS items")
        connection.execute("DROP TABLE IF EXISTS items_indexes")
    life = Life(history, build_table=partial(KeptInSqlite, database))
    life.happen()

    check(life)
