"""What an adapter answers in each situation, the same for every provider, over its vendor's recorded replies.

A provider is found by its file, `ai/<provider>_model.py`. Beside its replies lies `contract.json`: the catalog's row it
is tried with, the address and a job of the replies, and for each of `SITUATIONS` the name of the reply that the vendor
gives then, or of several in their order. What only a vendor has is tested in the file of its adapter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn, Self
from urllib.parse import quote

import httpx
import pytest
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from mediaposter.ai.catalog import Capabilities, CatalogEntry, built_in_catalog
from mediaposter.ai.video_model_factory import find_model_class, list_providers
from mediaposter.ai.video_model_interface import (
    SourceVideo,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStatus,
)
from mediaposter.domain.errors import (
    ErrorCode,
    SubmissionUnknown,
    UnsupportedOperation,
    VideoModelError,
    WebhookRejected,
)
from tests.fakes.bedrock import make_session
from tests.fakes.provider import REPLIES, Answer, Host, Internet, allowing, read_reply, row

KEY = "key-of-the-test"
PICTURE = "data:image/png;base64,iVBORw0KGgo="
MOVIE = b"movie"
WEBHOOK_SECRET = "whsec_YSBzZWNyZXQgb2YgdGhlIHRlc3QncyBvd24="

# Stands in a list of replies for the bytes of the finished video.
VIDEO = "@video"

SITUATIONS: Mapping[str, str] = MappingProxyType(
    {
        "started": "a create that is accepted; the job is `job_id`",
        "running": "the status of a job that is being made",
        "unknown_status": "the status of a job, in a word that no adapter knows",
        "done": "the status of a finished job",
        "failed": "the status of a job that failed by a fault of the vendor's",
        "blocked": "the status of a job that the vendor's moderation ended",
        "cancelled": "the status of a job that was cancelled",
        "video": f'a finished video is opened: the answers of the vendor\'s server, with "{VIDEO}" for the bytes; '
        "bytes from any other host come by themselves",
        "video_expired": "a finished video is opened whose address is not valid any more: the answers of the vendor's "
        "server; a 403 of any other host comes by itself",
        "unauthorized": "any call with a key that the vendor does not know",
        "no_credit": "a create that the account cannot pay for",
        "model_gone": "a create with a model that is not there",
        "job_gone": "the status of a job that is not there",
        "rate_limited": "any call, when there were too many; Retry-After is put in here",
        "broken": "any call, when the vendor's server fails",
    }
)

WHAT_TO_WRITE = (
    'Name for each situation a recorded reply beside it ("created"), one of another provider ("fal/created"), several '
    'in their order (["completed", "result"]), or say why the vendor has none: {"absent": "…"}.'
)


# A model, its vendor's server and the rest of the internet


class Absent(BaseModel):
    """Why a vendor cannot be in a situation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    absent: str


class Contract(BaseModel):
    """Which recorded replies a provider gives in which situation.

    Attributes:
        provider: whose replies they are.
        model: a row of the built-in catalog.
        base_url: where the vendor's server is in the replies.
        job_id: of the job in the replies.
        situations: the replies, by their names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    model: str
    base_url: str
    job_id: str
    situations: dict[str, str | tuple[str, ...] | Absent]

    def find_replies(self, situation: str) -> list[tuple[str, str]] | Absent:
        """List the provider and the name of each reply in a situation."""
        said = self.situations[situation]
        if isinstance(said, Absent):
            return said
        names = (said,) if isinstance(said, str) else said
        return [(name.rpartition("/")[0] or self.provider, name.rpartition("/")[2]) for name in names]


def read_contract(provider: str, replies: Path = REPLIES) -> Contract:
    """Read the contract of a provider, or of the one whose wire it speaks, and say what is missing in it."""
    path = replies / provider / "contract.json"
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if said.keys() == {"same_as"}:
            return read_contract(said["same_as"], replies)
        contract = Contract.model_validate({"provider": provider, **said})
    except FileNotFoundError:
        example = {"model": "…", "base_url": "https://…", "job_id": "…", "situations": dict.fromkeys(SITUATIONS, "…")}
        _fail(
            path,
            f'is missing: write {json.dumps(example, ensure_ascii=False)}, or {{"same_as": "sora"}} for a provider '
            f"that only gives another's wire a name. {WHAT_TO_WRITE}",
            SITUATIONS,
        )
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        _fail(path, f"is wrong at {'.'.join(map(str, problem['loc']))}: {problem['msg']}. {WHAT_TO_WRITE}", SITUATIONS)
    _check_situations(path, contract, replies)
    return contract


def _check_situations(path: Path, contract: Contract, replies: Path) -> None:
    missing = {name: SITUATIONS[name] for name in SITUATIONS if name not in contract.situations}
    if missing:
        _fail(path, f"lacks a situation. {WHAT_TO_WRITE}", missing)
    if unknown := sorted(contract.situations.keys() - SITUATIONS.keys()):
        _fail(path, f"has a situation that is none: {', '.join(unknown)}.", SITUATIONS)
    for situation in contract.situations:
        found = contract.find_replies(situation)
        for provider, name in [] if isinstance(found, Absent) else found:
            if name != VIDEO and not (replies / provider / f"{name}.json").exists():
                _fail(
                    path,
                    f"names a reply that is not recorded: {provider}/{name}.json.",
                    {situation: SITUATIONS[situation]},
                )


def _fail(path: Path, what: str, situations: Mapping[str, str]) -> NoReturn:
    place = "/".join(["tests/unit/ai/replies", *path.parts[-2:]])
    listed = "".join(f"\n  {name}: {meaning}" for name, meaning in situations.items())
    pytest.fail(f"{place} {what}\nThe situations:{listed}", pytrace=False)


Build = Callable[[type[VideoModelInterface], CatalogEntry, str, Host, Internet], VideoModelInterface]


def build_over_httpx(
    model_class: type[VideoModelInterface], entry: CatalogEntry, base_url: str, server: Host, internet: Internet
) -> VideoModelInterface:
    """Build a model whose calls to its vendor come to `server`, and all others to `internet`."""
    make: Callable[..., VideoModelInterface] = model_class
    return make(entry=entry, api_key=KEY, base_url=base_url, http_client=server.client(), internet=internet.way)


def build_over_boto3(
    model_class: type[VideoModelInterface], entry: CatalogEntry, base_url: str, server: Host, internet: Internet
) -> VideoModelInterface:
    """Build a model whose calls to AWS come to `server`, and all others to `internet`."""
    make: Callable[..., VideoModelInterface] = model_class
    return make(entry=entry, base_url=base_url, session=make_session(server), internet=internet.way)


# The providers whose adapters take no `http_client=`. Such a builder makes a client of the adapter's own kind, which
# turns each of its requests into an httpx.Request for `server.take`, and back what comes of it: a reply, or for
# httpx.ConnectTimeout and httpx.ReadTimeout its own exceptions of that meaning.
BUILDERS: Mapping[str, Build] = MappingProxyType({"bedrock": build_over_boto3})


class Stage(NamedTuple):
    """A provider's model between its vendor's server and the rest of the internet."""

    model: VideoModelInterface
    contract: Contract
    server: Host
    internet: Internet

    def answer(self, *answers: Answer) -> Self:
        """Let the vendor's server forget what it was asked, and answer like this from now on."""
        self.server.answers[:] = answers
        self.server.requests.clear()
        return self

    def create(self, **fields: object) -> VideoGenerationJob:
        """Ask for the first video of the model's row."""
        source = first_video(self.model.entry)
        shape = {"width": source.width, "height": source.height, "duration_seconds": source.seconds}
        return self.model.create_video(VideoGenerationRequest.model_validate({"prompt": "A lake", **shape, **fields}))

    def derive(self, kind: str) -> object:
        """Make another video from the first of the model's row."""
        return DERIVATIONS[kind](self.model, self.contract.job_id, first_video(self.model.entry))

    def refuse_create(self, **fields: object) -> VideoModelError:
        with pytest.raises(VideoModelError) as raised:
            self.create(**fields)
        # Whatever comes of it, a paid call is made once.
        assert len(self.server.requests) == 1
        return raised.value

    def ask(self) -> VideoGenerationJob:
        job = self.model.get_status(self.contract.job_id)
        assert job.job_id == self.contract.job_id
        return job

    def refuse_question(self) -> VideoModelError:
        with pytest.raises(VideoModelError) as raised:
            self.ask()
        assert not isinstance(raised.value, SubmissionUnknown)
        return raised.value

    def refuse_unsent(self, **fields: object) -> VideoModelError:
        """Ask for a video that is refused before anything is sent."""
        with pytest.raises(VideoModelError) as raised:
            self.create(**fields)
        assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
        assert (self.server.requests, self.internet.requests) == ([], [])
        return raised.value

    def download(self) -> bytes:
        with self.model.open_video(self.contract.job_id) as stream:
            return b"".join(stream.chunks)

    def refuse_download(self) -> VideoModelError:
        with pytest.raises(VideoModelError) as raised:
            self.download()
        assert not isinstance(raised.value, SubmissionUnknown)
        return raised.value


def first_video(entry: CatalogEntry) -> SourceVideo:
    width, height = map(int, entry.sizes[0].split("x"))
    return SourceVideo(width, height, seconds=entry.durations_seconds[0])


def set_stage(
    provider: str, *answers: Answer, elsewhere: Answer | None = None, entry: CatalogEntry | None = None
) -> Stage:
    contract = read_contract(provider)
    server = Host(*answers or [httpx.Response(200)])
    internet = Internet(elsewhere or httpx.Response(200, content=MOVIE))
    build = BUILDERS.get(provider, build_over_httpx)
    model = build(find_model_class(provider), entry or row(contract.model), contract.base_url, server, internet)
    return Stage(model, contract, server, internet)


def set_bare_stage(provider: str) -> Stage:
    """Set the stage for a model whose row offers nothing."""
    return set_stage(provider, entry=row(read_contract(provider).model, Capabilities()))


def list_answers(
    provider: str, situation: str, *, video: httpx.Response | None = None, retry_after: str | None = None
) -> list[Answer]:
    """List what the vendor's server answers in a situation; one that the vendor cannot be in is skipped."""
    found = read_contract(provider).find_replies(situation)
    if isinstance(found, Absent):
        pytest.skip(f"{provider} knows no {situation}: {found.absent}")
    headers = {} if retry_after is None else {"retry-after": retry_after}
    movie = video or httpx.Response(200, headers={"content-type": "video/mp4"}, content=MOVIE)
    return [movie if name == VIDEO else read_reply(folder, name, **headers) for folder, name in found]


def play(provider: str, situation: str, *, elsewhere: Answer | None = None, retry_after: str | None = None) -> Stage:
    return set_stage(provider, *list_answers(provider, situation, retry_after=retry_after), elsewhere=elsewhere)


# A provider that only gives another's wire a name is not asked again what the other was asked.
NAMES_ONLY = {
    path.parent.name: json.loads(path.read_text(encoding="utf-8"))["same_as"]
    for path in REPLIES.glob("*/contract.json")
    if "same_as" in json.loads(path.read_text(encoding="utf-8"))
}
PROVIDERS = pytest.mark.parametrize("provider", [name for name in list_providers() if name not in NAMES_ONLY])


@PROVIDERS
def test_every_provider_has_recorded_what_its_vendor_answers_in_each_situation(provider: str) -> None:
    assert read_contract(provider).situations.keys() == SITUATIONS.keys()


@pytest.mark.parametrize(("name", "wire"), NAMES_ONLY.items())
def test_a_provider_that_gives_anothers_wire_a_name_changes_nothing_else(name: str, wire: str) -> None:
    own, other = find_model_class(name), find_model_class(wire)
    assert issubclass(own, other)
    assert not {key for key in vars(own) if callable(getattr(VideoModelInterface, key, None))} - {"__init__"}


# Creating


@PROVIDERS
def test_an_accepted_create_is_a_job_that_has_not_ended(provider: str) -> None:
    stage = play(provider, "started")
    job = stage.create()
    assert job.job_id == stage.contract.job_id
    assert not job.status.is_terminal
    assert len(stage.server.requests) == 1


@PROVIDERS
def test_the_model_goes_by_its_name_at_the_vendor_and_one_named_in_the_request_wins(provider: str) -> None:
    entry = row(read_contract(provider).model).model_copy(update={"provider_model": "theirs-7"})
    stage = set_stage(provider, httpx.Response(400), entry=entry)
    stage.refuse_create()
    # fal, where Pika is too, has an address for each model, which the row alone names.
    is_named = provider not in {"fal", "pika"}
    assert stage.server.saw("theirs-7") == is_named
    stage.answer(httpx.Response(400)).refuse_create(model="asked-for-8")
    assert stage.server.saw("asked-for-8") == is_named
    assert not stage.server.saw("theirs-7")


CREATE_REFUSALS = {
    "unauthorized": ErrorCode.AUTHENTICATION,
    "no_credit": ErrorCode.INSUFFICIENT_CREDIT,
    "model_gone": ErrorCode.MODEL_NOT_FOUND,
}


@PROVIDERS
@pytest.mark.parametrize("situation", CREATE_REFUSALS)
def test_a_refused_create_is_certain_and_final(provider: str, situation: str) -> None:
    error = play(provider, situation).refuse_create()
    assert not isinstance(error, SubmissionUnknown)
    assert (error.code, error.transient) == (CREATE_REFUSALS[situation], False)


@PROVIDERS
def test_a_create_that_came_too_often_is_certain_and_may_be_sent_later(provider: str) -> None:
    error = play(provider, "rate_limited", retry_after="7").refuse_create()
    assert not isinstance(error, SubmissionUnknown)
    assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, True, 7.0)


@PROVIDERS
def test_a_create_that_did_not_reach_the_server_is_certain_and_may_be_sent_again(provider: str) -> None:
    error = set_stage(provider, httpx.ConnectTimeout("no connection")).refuse_create()
    assert not isinstance(error, SubmissionUnknown)
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, True)


GARBAGE = [b"", b"<html>It works!</html>", b"null", b"[]", b"{}", b'{"id": "cut o']


@PROVIDERS
def test_a_create_that_was_sent_is_unknown_wherever_no_job_can_be_read(provider: str) -> None:
    accepted = list_answers(provider, "started")[-1]
    assert isinstance(accepted, httpx.Response)
    stage = set_stage(provider)
    answers: list[Answer] = [
        *list_answers(provider, "broken"),
        *(httpx.Response(code) for code in (408, 409, 502)),
        # An error may look like a job.
        httpx.Response(503, json=accepted.json()),
        *(httpx.Response(200, content=content) for content in GARBAGE),
        httpx.ReadTimeout("no answer"),
    ]
    for answer in answers:
        assert isinstance(stage.answer(answer).refuse_create(), SubmissionUnknown), answer
    assert not isinstance(stage.answer(httpx.Response(400, json=accepted.json())).refuse_create(), SubmissionUnknown)


@PROVIDERS
def test_a_picture_that_the_model_has_no_role_for_is_refused_before_anything_is_sent(provider: str) -> None:
    for role in ("input_image", "last_frame_image"):
        assert "takes no picture" in set_bare_stage(provider).refuse_unsent(**{role: PICTURE}).message


@PROVIDERS
def test_what_is_no_picture_is_refused_before_anything_is_sent(provider: str) -> None:
    stage = set_stage(provider)
    if stage.model.capabilities.image_input:
        assert "PNG, JPEG or WebP" in stage.refuse_unsent(input_image="data:text/plain,hello").message


@PROVIDERS
def test_a_size_that_the_vendor_has_no_word_for_is_refused_before_anything_is_sent(provider: str) -> None:
    stage = set_stage(provider)
    if stage.model.entry.aspect_ratios:
        assert "not 1000x1000. Nothing was submitted" in stage.refuse_unsent(width=1000, height=1000).message


# What is no business of a caller's, in the words of the vendors and of the servers that speak for them: where it is
# sent and who is told, what is fetched, what it costs, how it is moderated, and whose jobs it goes on from.
UNLISTED = {
    "addresses": ["api_base", "base_url", "webhook_config", "webhook_url", "callback_url", "fal_webhook"],
    "files": ["input_reference[image_url]", "input_reference", "image_url", "video_url", "video_path", "output_path"],
    "price": ["num_frames", "width", "height", "fps", "n", "num_outputs_per_prompt", "outputFormat", "service_tier"],
    "moderation": ["enable_safety_checker", "contentModeration", "safety_settings", "respect_moderation"],
    "others' jobs": ["previous_interaction_id", "previous_job_id", "video[id]", "agent", "tools", "store"],
}


@PROVIDERS
def test_an_option_that_the_row_does_not_list_is_refused_before_anything_is_sent(provider: str) -> None:
    stage = set_stage(provider)
    for name in chain(*UNLISTED.values()):
        message = stage.refuse_unsent(provider_options={name: "http://169.254.169.254/"}).message
        assert name in message
        assert re.search("takes no such option; it takes .* Nothing was submitted", message)


@PROVIDERS
def test_an_option_that_the_row_lists_is_sent_in_its_type(provider: str) -> None:
    stage = set_stage(provider, httpx.Response(400), entry=allowing(row(read_contract(provider).model), seed="integer"))
    stage.refuse_create(provider_options={"seed": "4711"})
    assert stage.server.saw("4711")
    error = stage.answer().refuse_unsent(provider_options={"seed": "file:///etc/passwd"})
    assert "provider_options.seed: must be a whole number" in error.message


def list_sent_names(request: httpx.Request) -> list[str]:
    """List the fields of a request at the height at which options are sent."""
    if not request.headers["content-type"].startswith("application/json"):
        return re.findall(r'; name="([^"]+)"', request.content.decode(errors="replace"))
    body = json.loads(request.content)
    # Bedrock's model has its fields in one of Bedrock's.
    return list(body.get("modelInput", body))


@PROVIDERS
def test_an_option_that_the_row_lists_never_replaces_what_the_request_says(provider: str) -> None:
    entry = row(read_contract(provider).model)
    frames = zip(("input_image", "last_frame_image"), entry.capabilities.image_roles, strict=False)
    pictures = {name: PICTURE for name, _ in frames}
    stage = set_stage(provider, httpx.Response(400))
    stage.refuse_create(**pictures)
    ours = list_sent_names(stage.server.requests[0])
    stage = set_stage(provider, httpx.Response(400), entry=allowing(entry, **dict.fromkeys(ours, "text")))
    stage.refuse_create(**pictures, provider_options=dict.fromkeys(ours, "theirs"))
    assert sorted(list_sent_names(stage.server.requests[0])) == sorted(ours)
    assert not stage.server.saw("theirs")


# Asking how a job stands


@PROVIDERS
@pytest.mark.parametrize("situation", ["running", "unknown_status"])
def test_a_job_runs_until_its_vendor_says_a_known_word_for_its_end(provider: str, situation: str) -> None:
    job = play(provider, situation).ask()
    assert (job.status, job.error_code) == (VideoStatus.IN_PROGRESS, None)


@PROVIDERS
def test_a_finished_job_is_completed(provider: str) -> None:
    job = play(provider, "done").ask()
    assert (job.status, job.error_code) == (VideoStatus.COMPLETED, None)


ENDS = {
    "failed": ErrorCode.PROVIDER_ERROR,
    "blocked": ErrorCode.CONTENT_POLICY,
    "cancelled": ErrorCode.CANCELLED,
}


@PROVIDERS
@pytest.mark.parametrize("situation", ENDS)
def test_a_job_that_came_to_nothing_is_an_answer_with_a_reason(provider: str, situation: str) -> None:
    job = play(provider, situation).ask()
    assert (job.status, job.error_code) == (VideoStatus.FAILED, ENDS[situation])
    assert job.error_message


QUESTION_REFUSALS = {
    "unauthorized": (ErrorCode.AUTHENTICATION, False),
    "job_gone": (ErrorCode.EXPIRED, False),
    "broken": (ErrorCode.PROVIDER_ERROR, True),
}


@PROVIDERS
@pytest.mark.parametrize("situation", QUESTION_REFUSALS)
def test_a_question_that_is_refused_may_be_asked_again_where_that_can_help(provider: str, situation: str) -> None:
    error = play(provider, situation).refuse_question()
    assert (error.code, error.transient) == QUESTION_REFUSALS[situation]


@PROVIDERS
def test_a_question_that_came_too_often_may_be_asked_later(provider: str) -> None:
    error = play(provider, "rate_limited", retry_after="7").refuse_question()
    assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, True, 7.0)


@PROVIDERS
def test_a_question_without_an_answer_anyone_can_read_may_be_asked_again(provider: str) -> None:
    running = list_answers(provider, "running")[-1]
    assert isinstance(running, httpx.Response)
    stage = set_stage(provider)
    answers: list[Answer] = [
        httpx.ConnectTimeout("no connection"),
        httpx.ReadTimeout("no answer"),
        *(httpx.Response(200, content=content) for content in GARBAGE),
        # An error may look like a job.
        httpx.Response(503, json=running.json()),
    ]
    for answer in answers:
        error = stage.answer(answer).refuse_question()
        assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, True), answer
        assert len(stage.server.requests) == 1
    assert not stage.answer(httpx.Response(400, json=running.json())).refuse_question().transient


@PROVIDERS
def test_an_id_names_no_other_path(provider: str) -> None:
    stage = set_stage(provider, httpx.Response(400))
    calls = [stage.model.get_status, *(getattr(stage.model, f"{name}_video") for name in list_orders(stage.model))]
    for job_id in ("", ".", "..", "../a?b#c"):
        stage.answer(httpx.Response(400))
        for call in calls:
            with pytest.raises(VideoModelError) as raised:
                call(job_id)
            assert raised.value.code is ErrorCode.INVALID_REQUEST
        assert not stage.server.requests or len(job_id) > 2
        for path in stage.server.paths:
            assert quote(job_id, safe="") in path


# What stands in a field where something else belongs; json.loads reads 1e999 as infinity.
ODD: list[JsonValue] = [
    None,
    True,
    -1,
    10**400,
    "1e999",
    "",
    "odd",
    f"Bad {KEY}; see https://h.example/?sig=signed",
    [],
    [None],
    {},
]


def list_places(value: object, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """List the places of all fields in a body, at any depth."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*place, key)
        yield from list_places(inner, (*place, key))


def list_odd_bodies(reply: httpx.Response) -> Iterator[httpx.Response]:
    """Give a reply over and over, each time with something else in one of its fields."""
    for place in list_places(reply.json()):
        for odd in ODD:
            body = reply.json()
            holder = body
            for key in place[:-1]:
                holder = holder[key]
            holder[place[-1]] = odd
            content = json.dumps(body).replace('"1e999"', "1e999").encode()
            yield httpx.Response(reply.status_code, headers=reply.headers, content=content)


@PROVIDERS
@pytest.mark.parametrize("situation", ["running", "done", "failed"])
def test_whatever_stands_in_a_field_of_a_status_it_is_a_job_or_a_known_error(provider: str, situation: str) -> None:
    *before, last = list_answers(provider, situation)
    assert isinstance(last, httpx.Response)
    stage = set_stage(provider)
    for reply in list_odd_bodies(last):
        outcome: VideoGenerationJob | VideoModelError
        try:
            outcome = stage.answer(*before, reply).model.get_status(stage.contract.job_id)
        except VideoModelError as error:
            outcome = error
        if isinstance(outcome, VideoModelError):
            said = outcome.message
            assert not isinstance(outcome, SubmissionUnknown)
        else:
            said = outcome.error_message or ""
            assert (outcome.status is VideoStatus.FAILED) == (outcome.error_code is not None) == bool(said)
        assert not stage.model.api_key or (KEY not in said and "signed" not in said)


@PROVIDERS
def test_whatever_stands_in_a_field_of_an_acceptance_it_is_a_job_or_unknown(provider: str) -> None:
    accepted = list_answers(provider, "started")[-1]
    assert isinstance(accepted, httpx.Response)
    stage = set_stage(provider)
    for reply in list_odd_bodies(accepted):
        with suppress(SubmissionUnknown):
            assert stage.answer(reply).create().job_id


# The finished video


@PROVIDERS
def test_a_finished_video_is_handed_over_and_a_stranger_never_sees_the_key(provider: str) -> None:
    stage = play(provider, "video")
    assert stage.download() == MOVIE
    assert not stage.internet.saw(KEY)


@PROVIDERS
def test_a_resumed_download_asks_for_the_rest_of_the_same_video(provider: str) -> None:
    rest = httpx.Response(206, headers={"content-range": "bytes 3-4/5", "etag": '"v1"'}, content=MOVIE[3:])
    stage = set_stage(provider, *list_answers(provider, "video", video=rest), elsewhere=rest)
    with stage.model.open_video(stage.contract.job_id, start_byte=3, validator='"v1"') as stream:
        assert (stream.start_byte, stream.size_bytes, b"".join(stream.chunks)) == (3, 5, MOVIE[3:])
    asked = [*stage.server.requests, *stage.internet.requests][-1].headers
    assert asked["range"] == "bytes=3-"
    assert '"v1"' in (asked.get("if-range"), asked.get("if-match"))


@PROVIDERS
def test_a_video_whose_address_is_not_valid_any_more_has_expired(provider: str) -> None:
    # Whether another opening helps is the vendor's: some give a fresh address each time, some keep one for two days.
    error = play(provider, "video_expired", elsewhere=httpx.Response(403)).refuse_download()
    assert error.code is ErrorCode.EXPIRED


@PROVIDERS
@pytest.mark.parametrize("situation", ["running", "unknown_status"])
def test_a_video_that_is_not_there_yet_may_be_opened_later(provider: str, situation: str) -> None:
    error = play(provider, situation).refuse_download()
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, True)


@PROVIDERS
@pytest.mark.parametrize("situation", ENDS)
def test_a_video_that_was_never_made_says_why(provider: str, situation: str) -> None:
    error = play(provider, situation).refuse_download()
    assert (error.code, error.transient) == (ENDS[situation], False)


# What a row offers


DERIVATIONS: Mapping[str, Callable[[VideoModelInterface, str, SourceVideo], object]] = MappingProxyType(
    {
        "remix": lambda model, job_id, source: model.remix_video(job_id, "Warmer", source=source),
        "extend": lambda model, job_id, source: model.extend_video(job_id, "On", 4, source=source),
        "edit": lambda model, job_id, source: model.edit_video(job_id, "Warmer", source=source),
    }
)
OPERATIONS: Mapping[str, Callable[[VideoModelInterface, str], object]] = MappingProxyType(
    {
        "remix": lambda model, job_id: model.remix_video(job_id, "Warmer"),
        "extend": lambda model, job_id: model.extend_video(job_id, "On", 4),
        "edit": lambda model, job_id: model.edit_video(job_id, "Warmer"),
        "cancel": lambda model, job_id: model.cancel_video(job_id),
        "delete": lambda model, job_id: model.delete_video(job_id),
        "list_jobs": lambda model, _job_id: model.list_jobs(),
        "webhook": lambda model, _job_id: model.parse_webhook({}, b"", secrets=[WEBHOOK_SECRET], now=datetime.now(UTC)),
    }
)


@PROVIDERS
def test_what_a_row_does_not_offer_is_refused_before_anything_is_sent(provider: str) -> None:
    stage = set_bare_stage(provider)
    for operate in OPERATIONS.values():
        with pytest.raises(UnsupportedOperation):
            operate(stage.model, stage.contract.job_id)
    assert (stage.server.requests, stage.internet.requests) == ([], [])


@pytest.mark.parametrize("entry", built_in_catalog().models.values(), ids=lambda entry: entry.name)
def test_what_a_row_offers_its_adapter_can_be_asked_for(entry: CatalogEntry) -> None:
    stage = set_stage(entry.provider, httpx.Response(400), entry=entry)
    for operation, operate in OPERATIONS.items():
        # Refused by the vendor's server or by the adapter for what it was given, but not for being asked.
        if getattr(entry.capabilities, operation):
            with suppress(VideoModelError, WebhookRejected):
                operate(stage.model, stage.contract.job_id)


# The vendors whose own API gives a derived video its source's size and length, and has no field to say them in.
INHERITS = {"sora", "sandbox", "runway"}


@pytest.mark.parametrize("entry", built_in_catalog().models.values(), ids=lambda entry: entry.name)
def test_a_derived_video_is_asked_for_in_its_sources_size_and_length(entry: CatalogEntry) -> None:
    source = first_video(entry)
    shape = entry.find_shape(source.size) if entry.aspect_ratios else (str(source.width), str(source.height))
    for kind in DERIVATIONS:
        if not getattr(entry.capabilities, kind) or entry.provider in INHERITS:
            continue
        stage = set_stage(entry.provider, httpx.Response(400), entry=entry)
        with suppress(VideoModelError):
            stage.derive(kind)
        seconds = 4 if kind == "extend" else source.seconds
        assert all(stage.server.saw(word) for word in (*shape, str(seconds)))


def list_orders(model: VideoModelInterface) -> list[str]:
    return [name for name in ("cancel", "delete") if getattr(model.capabilities, name)]


@PROVIDERS
def test_an_order_that_was_not_carried_out_is_an_error(provider: str) -> None:
    for situation, expected in QUESTION_REFUSALS.items():
        stage = play(provider, situation)
        for name in list_orders(stage.model):
            with pytest.raises(VideoModelError) as raised:
                OPERATIONS[name](stage.model, stage.contract.job_id)
            assert not isinstance(raised.value, SubmissionUnknown)
            assert (raised.value.code, raised.value.transient) == expected


class Paying(Host):
    """Answers a POST, which is paid for, and repeats another answer to every question."""

    def __init__(self, paid: Answer, asked: Answer) -> None:
        super().__init__(paid)
        self.asked = asked

    def take(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return super().take(request)
        assert isinstance(self.asked, httpx.Response)
        return self.asked


@PROVIDERS
@pytest.mark.parametrize("kind", DERIVATIONS)
def test_a_derived_video_is_sent_for_once_and_unknown_or_its_source_has_expired(provider: str, kind: str) -> None:
    contract = read_contract(provider)
    entry = row(contract.model, Capabilities(remix=True, extend=True, edit=True))
    [gone] = list_answers(provider, "job_gone")
    [broken] = list_answers(provider, "broken")
    for paid, asked in ((broken, list_answers(provider, "done")[-1]), (gone, gone)):
        server = Paying(paid, asked)
        build = BUILDERS.get(provider, build_over_httpx)
        model = build(find_model_class(provider), entry, contract.base_url, server, Internet())
        try:
            with pytest.raises(VideoModelError) as raised:
                DERIVATIONS[kind](model, contract.job_id, first_video(entry))
        except UnsupportedOperation:
            return
        assert isinstance(raised.value, SubmissionUnknown) == (paid is broken)
        assert paid is broken or raised.value.code is ErrorCode.EXPIRED
        # Where the source is asked for first, nothing is paid for.
        assert len(server.requests) == 1 or (paid is gone and not server.requests)


# What a contract lacks is said with what to write


REPLY = '{"status_code": 200, "headers": {}, "body": {}}'


def write_contract(replies: Path, provider: str, **changes: object) -> None:
    """Write a contract without a fault but for `changes`, where None stands for a field that is left out."""
    said = {
        "model": "gen4.5",
        "base_url": "https://k.example",
        "job_id": "a",
        "situations": dict.fromkeys(SITUATIONS, "said"),
    }
    folder = replies / provider
    folder.mkdir()
    (folder / "said.json").write_text(REPLY, encoding="utf-8")
    kept = {field: value for field, value in {**said, **changes}.items() if value is not None}
    (folder / "contract.json").write_text(json.dumps(kept), encoding="utf-8")


def complaint(replies: Path, provider: str = "kites") -> str:
    with pytest.raises(pytest.fail.Exception) as raised:
        read_contract(provider, replies)
    return str(raised.value)


def test_a_provider_without_a_contract_is_told_what_to_write(tmp_path: Path) -> None:
    sentence = complaint(tmp_path)
    assert sentence.startswith("tests/unit/ai/replies/kites/contract.json is missing: write {")
    assert all(f"\n  {name}: {meaning}" in sentence for name, meaning in SITUATIONS.items())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"blocked": None}, f"lacks a situation.*The situations:\n  blocked: {SITUATIONS['blocked']}"),
        ({"vanished": "said"}, "has a situation that is none: vanished"),
        ({"done": ["said", "result"]}, r"names a reply that is not recorded: kites/result\.json"),
    ],
)
def test_a_contract_says_what_of_its_situations_is_wrong(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    situations = {**dict.fromkeys(SITUATIONS, "said"), **changes}
    write_contract(tmp_path, "kites", situations={name: said for name, said in situations.items() if said is not None})
    assert re.search(sentence, complaint(tmp_path), re.DOTALL)


@pytest.mark.parametrize(
    ("changes", "place"),
    [({"model": None}, "model"), ({"keys": []}, "keys"), ({"situations": {"done": {"absent": 7}}}, "situations.done")],
)
def test_a_contract_that_cannot_be_read_says_where(tmp_path: Path, changes: dict[str, object], place: str) -> None:
    write_contract(tmp_path, "kites", **changes)
    assert f"contract.json is wrong at {place}" in complaint(tmp_path)


def test_a_name_for_another_providers_wire_has_its_contract(tmp_path: Path) -> None:
    write_contract(tmp_path, "kites")
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "contract.json").write_text('{"same_as": "kites"}', encoding="utf-8")
    assert read_contract("paper", tmp_path) == read_contract("kites", tmp_path)
