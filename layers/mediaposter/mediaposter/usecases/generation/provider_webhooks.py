"""Receive a provider's webhook about a render, and end the wait for it.

A webhook is only a hint: it makes the next poll come at once. So a lost webhook costs the rest of the wait, and a false
one costs one poll.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

from mediaposter.ai.video_model_interface import VideoModelInterface
from mediaposter.domain.errors import UnknownJob, WebhookRejected
from mediaposter.stores.job_callbacks import UNKNOWN_KEPT_FOR, JobCallbackStore, name_job, tell_ttl
from mediaposter.stores.video_record import Video
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.steps import Listen, Outcome, StepResult

# How long the state machine can wait for a webhook. Such a wait is rounded up to one of these: the webhook ends it in
# time, and each earlier poll costs three transitions for nothing (bench/transitions.py).
LISTEN_SECONDS = (5, 15, 40, 90, 180, 400, 1_500)

Clock = Callable[[], datetime]
# Verifies a provider's webhook, and gives the job's name in webhooks; raises WebhookRejected.
ParseWebhook = Callable[[str, Mapping[str, str], bytes, datetime], str]


class Signaller(Protocol):
    """Resumes executions that wait for a job."""

    def signal(self, task_token: str, result: StepResult) -> None:
        """Resume an execution; does nothing if it no longer waits."""


class ProviderCallbacks:
    """The webhook addresses of jobs, and the webhooks received for them."""

    def __init__(self, *, waits: JobCallbackStore, providers: Collection[str], public_url: Callable[[], str]) -> None:
        self._waits = waits
        self._providers = providers
        self._public_url = public_url

    def find_address(self, video: Video, model: VideoModelInterface) -> str | None:
        """Give the webhook address for a submission, if the provider needs one with each job."""
        if not (self._listens(video, model) and model.takes_webhook_url):
            return None
        return f"{self._public_url()}/webhooks/{video.provider}"

    def apply_hint(self, video: Video, model: VideoModelInterface, job_id: str, *, now: datetime) -> datetime | None:
        """Give the time of the job's webhook, if one came since the previous poll.

        Call it before the poll: a webhook that comes during the poll ends the next wait at once.
        """
        if not self._listens(video, model):
            return None
        return self._waits.apply_hint(name_job(video.provider, model.webhook_key(job_id)), now=now)

    def listen(
        self, result: StepResult, video: Video, model: VideoModelInterface, job_id: str, *, now: datetime
    ) -> StepResult:
        """Let the state machine wait for a webhook, if the provider sends them."""
        if not self._listens(video, model):
            return result
        pk = name_job(video.provider, model.webhook_key(job_id))
        seconds = next((each for each in LISTEN_SECONDS if each >= result.wait_seconds), LISTEN_SECONDS[-1])
        return result.model_copy(update={"listen": Listen(pk=pk, seconds=seconds, ttl=tell_ttl(now))})

    def _listens(self, video: Video, model: VideoModelInterface) -> bool:
        return video.provider in self._providers and model.capabilities.webhook


class WebhookOutcome(StrEnum):
    """The outcome of a webhook."""

    HEARD = "heard"  # the next poll comes at once
    REPEATED = "repeated"  # it came before
    UNKNOWN = "unknown"  # no video of this stack has the job, yet
    REFUSED = "refused"  # it is not the provider's, or not recent


class ReceiveProviderWebhook:
    """Receive a webhook of a provider."""

    def __init__(
        self,
        *,
        providers: Collection[str],
        parse_webhook: ParseWebhook,
        videos: VideoStore,
        waits: JobCallbackStore,
        signaller: Signaller,
        report: Callable[[str, WebhookOutcome], None],
        clock: Clock,
    ) -> None:
        self._providers = providers
        self._parse_webhook = parse_webhook
        self._videos = videos
        self._waits = waits
        self._signaller = signaller
        self._report = report
        self._clock = clock

    def __call__(self, provider: str, headers: Mapping[str, str], body: bytes) -> WebhookOutcome:
        """Verify it, record it, and resume the state machine if that waits.

        Raises:
            WebhookRejected: it is not the provider's, not recent, or the provider has no webhooks here; nothing was
                done.
            UnknownJob: no video of this stack has the job. One may get it soon, so the webhook is kept some minutes.
            VideoModelError: its signature could not be checked; nothing was done.
        """
        now = self._clock()
        job = self._verify(provider, headers, body, now)
        # A valid signature can belong to another customer's job: only the claim says that a job is ours.
        is_ours = self._videos.find_video_of_job(provider, job) is not None
        pk, digest = name_job(provider, job), sha256(body).hexdigest()
        if not is_ours:
            self._waits.hint(pk, digest, now=now, kept_for=UNKNOWN_KEPT_FOR)
            self._report(provider, WebhookOutcome.UNKNOWN)
            raise UnknownJob("No video here has this job. If a submission is just returning, send the webhook again.")
        hint = self._waits.hint(pk, digest, now=now)
        if hint.task_token is not None:
            self._signaller.signal(hint.task_token, StepResult(outcome=Outcome.HINTED))
        heard = WebhookOutcome.HEARD if hint.is_new else WebhookOutcome.REPEATED
        self._report(provider, heard)
        return heard

    def _verify(self, provider: str, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
        if provider not in self._providers:
            # The name is the caller's text, so it is not logged.
            self._report("", WebhookOutcome.REFUSED)
            raise WebhookRejected("This stack accepts no webhooks of such a provider.")
        try:
            return self._parse_webhook(provider, headers, body, now)
        except WebhookRejected:
            self._report(provider, WebhookOutcome.REFUSED)
            raise
