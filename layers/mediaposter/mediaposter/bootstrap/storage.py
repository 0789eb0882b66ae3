"""Build what keeps: the table with its records, and the bucket with its files."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from mediaposter.bootstrap import stack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from mediaposter.library.accounts import AccountBook
    from mediaposter.library.approvals import ApprovalBook
    from mediaposter.library.batch_files import BatchFiles
    from mediaposter.library.batches import BatchLibrary
    from mediaposter.library.budget import BudgetBook
    from mediaposter.library.job_waits import JobWaits
    from mediaposter.library.keys import KeyRing
    from mediaposter.library.media import MediaLibrary
    from mediaposter.library.posts import PostLedger
    from mediaposter.library.render_times import RenderTimesLibrary
    from mediaposter.library.table import LibraryTable
    from mediaposter.library.videos import VideoLibrary


# ProbeFunction may run 120 s.
_PROBE_READ_TIMEOUT_SECONDS = 125


@cache
def library_table() -> LibraryTable:
    """Build the table."""
    from mediaposter.library.table import LibraryTable

    return LibraryTable(stack.session().client("dynamodb"), stack.settings().require("library_table"))


@cache
def key_ring() -> KeyRing:
    """Build the keys."""
    from mediaposter.library.keys import KeyRing

    return KeyRing(library_table(), clock=stack.now)


@cache
def video_library() -> VideoLibrary:
    """Build the videos."""
    from mediaposter.library.videos import VideoLibrary

    return VideoLibrary(library_table())


@cache
def post_ledger() -> PostLedger:
    """Build the ledger of posts."""
    from mediaposter.library.posts import PostLedger

    return PostLedger(library_table())


@cache
def approval_book() -> ApprovalBook:
    """Build the approvals."""
    from mediaposter.library.approvals import ApprovalBook

    return ApprovalBook(library_table())


@cache
def batch_library() -> BatchLibrary:
    """Build the batches."""
    from mediaposter.library.batches import BatchLibrary

    return BatchLibrary(library_table())


@cache
def job_waits() -> JobWaits:
    """Build the waits for jobs."""
    from mediaposter.library.job_waits import JobWaits

    return JobWaits(library_table())


@cache
def account_book() -> AccountBook:
    """Build what is known of the accounts."""
    from mediaposter.library.accounts import AccountBook

    return AccountBook(library_table())


@cache
def budget_book() -> BudgetBook:
    """Build the figures of what is spent."""
    from mediaposter.library.budget import BudgetBook

    return BudgetBook(library_table())


@cache
def render_times() -> RenderTimesLibrary:
    """Build what is known of how long renders take."""
    from mediaposter.library.render_times import RenderTimesLibrary

    return RenderTimesLibrary(library_table())


@cache
def media_library() -> MediaLibrary:
    """Build the store of the MP4s."""
    from mediaposter.library.media import MediaLibrary

    return MediaLibrary(_s3_client(), stack.settings().require("video_bucket"))


@cache
def inspected_media_library() -> MediaLibrary:
    """Build the store of the MP4s that has each decoded by ProbeFunction."""
    from botocore.config import Config

    from mediaposter.lambda_calls import RemoteInspector
    from mediaposter.library.media import MediaLibrary

    # It answers within its own time, or Lambda says that it did not.
    client = stack.session().client("lambda", config=Config(read_timeout=_PROBE_READ_TIMEOUT_SECONDS))
    inspector = RemoteInspector(client, stack.settings().require("probe_function"))
    return MediaLibrary(_s3_client(), stack.settings().require("video_bucket"), inspect=inspector)


def _s3_client() -> S3Client:
    from botocore.config import Config

    # By default boto3 presigns with version 2, which newer regions and KMS refuse, and for S3's global address, which
    # sends its callers on to the bucket's region: the signature, which names the host, does not hold there. Only a
    # bucket's own name is of its region (Amazon S3 user guide, "Virtual hosting"), and a local cloud has no such names.
    is_elsewhere = any(map(os.environ.get, ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")))
    config = Config(signature_version="s3v4", s3={"addressing_style": "path" if is_elsewhere else "virtual"})
    client: S3Client = stack.session().client("s3", config=config)
    return client


@cache
def batch_files() -> BatchFiles:
    """Build the files of the batches."""
    from mediaposter.library.batch_files import BatchFiles

    return BatchFiles(stack.session().client("s3"), stack.settings().require("video_bucket"))
