"""The data folder of an embedded host, for commands: they read and write it, whether the host runs or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mediaposter.ai.catalog import Catalog, built_in_catalog, built_in_catalog_text, parse_catalog
from mediaposter.cli.host_address import PORT, read_address
from mediaposter.config import Settings
from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.bucket import FolderBucket
from mediaposter.host.database import Database
from mediaposter.host.environment import read_environment
from mediaposter.host.folder import DATABASE_FILE, FILES_FOLDER
from mediaposter.host.links import Links
from mediaposter.host.outbox import Outbox
from mediaposter.host.secrets import HostSecrets
from mediaposter.host.series_clock import HostSchedules, ToldTurns
from mediaposter.host.table import SqliteTable
from mediaposter.stores.keys import KeyStore
from mediaposter.stores.media import MediaStore
from mediaposter.stores.series import SeriesStore
from mediaposter.stores.sheets import SheetStore


@dataclass(frozen=True)
class HostStack:
    """A data folder and its stores; what `DeployedStack` is for a stack on AWS.

    Attributes:
        name: the folder, for sentences.
        base_url: the base URL for a client.
        keys: its API keys.
        series: its series.
        sheets: their sheets.
        scheduler: takes series as EventBridge Scheduler does.
        read_file: reads a small file from its bucket, by key.
        settings: as the host reads them, from this environment and `.env`.
        knows_key_restrictions: whether it enforces all that a key may be restricted to.
        knows_monthly_budgets: the same of monthly budgets.
    """

    name: str
    base_url: str
    keys: KeyStore
    series: SeriesStore
    sheets: SheetStore
    scheduler: HostSchedules
    read_file: Callable[[str], str]
    settings: Settings
    knows_key_restrictions: bool = True
    knows_monthly_budgets: bool = True

    def read_catalog(self) -> Catalog:
        """Read the catalog: all models, also those whose provider has no key here.

        Raises:
            ConfigurationError: its file or its aliases are wrong; the message says where.
        """
        catalog = built_in_catalog()
        if key := self.settings.catalog_key:
            catalog = parse_catalog(self.read_file(key), extending=built_in_catalog_text())
        return catalog.with_aliases(self.settings.model_aliases)


@contextmanager
def open_host_folder(folder: Path, environ: Mapping[str, str], *, clock: Callable[[], datetime]) -> Iterator[HostStack]:
    """Open a data folder; a host may run on it meanwhile, and sees at once what is written.

    Args:
        folder: the folder, which must have been made by a host.
        environ: the variables that `.env` here adds to.
        clock: tells the time.

    Raises:
        ConfigurationError: it is no data folder, or cannot be used; the sentence says what to do.
    """
    path = folder / DATABASE_FILE
    if not path.is_file():
        raise ConfigurationError(
            f"{folder} is no data folder of MediaPoster's: it has no {DATABASE_FILE}. Name yours with --data, or make "
            f"one: mediaposter up --data {folder}"
        )
    env_file = Path(".env")
    _, settings = read_environment(environ, env_file if env_file.is_file() else None)
    address = read_address(folder)
    base_url = f"http://127.0.0.1:{PORT}/v1" if address is None else address.base_url
    links = Links(HostSecrets.open(folder).link_key.encode(), lambda: base_url.removesuffix("/v1"))
    with closing(Database(path)) as database:
        table = SqliteTable(database, record_change=Outbox(database).record_change)
        bucket = FolderBucket(folder / FILES_FOLDER, links, is_shared=True)
        series = SeriesStore(table)
        yield HostStack(
            name=str(folder),
            base_url=base_url,
            keys=KeyStore(table),
            series=series,
            sheets=SheetStore(bucket),
            scheduler=HostSchedules(series, ToldTurns(database), clock=clock),
            read_file=MediaStore(bucket).read_text,
            settings=settings,
        )
