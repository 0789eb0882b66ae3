"""End the wait for a render when its provider says that it has moved.

A webhook is a hint to ask, never the truth: all that it does is that the next question comes at once. So one that is
lost costs the rest of the wait, and one that lies costs a question.
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
from mediaposter.stores.videos import Video, VideoStore
from mediaposter.usecases.steps import Listen, Outcome, StepResult

# How long the machine may listen. A wait that a webhook may end is rounded up to one of these: the webhook ends it in
# time, and each question before that costs three transitions for nothing (bench/transitions.py).
LISTEN_SECONDS = (5, 15, 40, 90, 180, 400, 1_500)

Clock = Callable[[], datetime]
# Verify a webhook of a provider, and give what its jobs are named by there; raises WebhookRejected.
ParseWebhook = Callable[[str, Mapping[str, str], bytes, datetime], str]


class Signaller(Protocol):
    """Whatever waits for a job."""

    def signal(self, task_token: str, result: StepResult) -> None:
        """Carry an execution on; one that does not wait any more is left as it is."""


class ProviderCallbacks:
    """Which jobs this stack listens to, and what was heard of them."""

    def __init__(self, *, waits: JobCallbackStore, providers: Collection[str], public_url: Callable[[], str]) -> None:
        self._waits = waits
        self._providers = providers
        self._public_url = public_url

    def find_address(self, video: Video, model: VideoModelInterface) -> str | None:
        """Give the address that a submission names for its webhook, where the provider asks for one."""
        if not (self._listens(video, model) and model.takes_webhook_url):
            return None
        return f"{self._public_url()}/webhooks/{video.provider}"

    def apply_hint(self, video: Video, model: VideoModelInterface, job_id: str, *, now: datetime) -> datetime | None:
        """Tell when the provider said that the job has moved, if it did since the question before this one.

        Before the question: what is said while it is answered ends the next wait at once.
        """
        if not self._listens(video, model):
            return None
        return self._waits.apply_hint(name_job(video.provider, model.webhook_key(job_id)), now=now)

    def listen(
        self, result: StepResult, video: Video, model: VideoModelInterface, job_id: str, *, now: datetime
    ) -> StepResult:
        """Let the machine listen while it waits, where the provider is heard."""
        if not self._listens(video, model):
            return result
        pk = name_job(video.provider, model.webhook_key(job_id))
        seconds = next((each for each in LISTEN_SECONDS if each >= result.wait_seconds), LISTEN_SECONDS[-1])
        return result.model_copy(update={"listen": Listen(pk=pk, seconds=seconds, ttl=tell_ttl(now))})

    def _listens(self, video: Video, model: VideoModelInterface) -> bool:
        return video.provider in self._providers and model.capabilities.webhook


class WebhookOutcome(StrEnum):
    """What became of a webhook."""

    HEARD = "heard"  # the next question comes at once
    REPEATED = "repeated"  # it came before
    UNKNOWN = "unknown"  # no video of this stack has the job, yet
    REFUSED = "refused"  # it is not the provider's, or not of now


class ReceiveProviderWebhook:
    """Take a webhook of a provider."""

    def __init__(
        self,
        *,
        providers: Collection[str],
        parse_webhook: ParseWebhook,
        library: VideoStore,
        waits: JobCallbackStore,
        signaller: Signaller,
        report: Callable[[str, WebhookOutcome], None],
        clock: Clock,
    ) -> None:
        self._providers = providers
        self._parse_webhook = parse_webhook
        self._library = library
        self._waits = waits
        self._signaller = signaller
        self._report = report
        self._clock = clock

    def __call__(self, provider: str, headers: Mapping[str, str], body: bytes) -> WebhookOutcome:
        """Verify it, write it down, and wake the machine if that waits.

        Raises:
            WebhookRejected: it is not the provider's or not of now, or nobody listens to the provider; nothing was
                done.
            UnknownJob: no video of this stack has the job. It may be about to: so it is remembered for some minutes.
            VideoModelError: nobody could tell whether it is the provider's; nothing was done.
        """
        now = self._clock()
        job = self._verify(provider, headers, body, now)
        # Whoever may sign for a provider may do so for others' jobs too: only the claim says that one is ours.
        is_ours = self._library.find_video_of_job(provider, job) is not None
        pk, digest = name_job(provider, job), sha256(body).hexdigest()
        if not is_ours:
            self._waits.hint(pk, digest, now=now, kept_for=UNKNOWN_KEPT_FOR)
            self._report(provider, WebhookOutcome.UNKNOWN)
            raise UnknownJob("No video here has this job. If one is about to, send the webhook again.")
        hint = self._waits.hint(pk, digest, now=now)
        if hint.task_token is not None:
            self._signaller.signal(hint.task_token, StepResult(outcome=Outcome.HINTED))
        heard = WebhookOutcome.HEARD if hint.is_new else WebhookOutcome.REPEATED
        self._report(provider, heard)
        return heard

    def _verify(self, provider: str, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
        if provider not in self._providers:
            # The name is the caller's text: it goes into no log.
            self._report("", WebhookOutcome.REFUSED)
            raise WebhookRejected("This stack listens to no such provider.")
        try:
            return self._parse_webhook(provider, headers, body, now)
        except WebhookRejected:
            self._report(provider, WebhookOutcome.REFUSED)
            raise
