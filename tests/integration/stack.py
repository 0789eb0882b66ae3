"""Drives the deployed stack over HTTP, and asks the stand-ins what they saw."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import boto3
import httpx
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.keys import KeyStore, Scope
from mediaposter.stores.video_stages import Stage
from mediaposter.wire.video_object import VideoObject
from sandbox.blotato import ACCOUNTS, FACEBOOK_PAGE, PINTEREST_BOARD
from sandbox.cloud import REGION
from sandbox.world import World

# A second of the machine's waits takes so long; tests about time ask for more of it.
WAIT_SCALE = 0.02
# A wait ends with what is waited for, so much time is given away only where that never comes: another job may keep all
# cores busy.
DONE_TIMEOUT_SECONDS = 600.0
# A question to the template takes a Lambda: the longer it lasts, the rarer it is asked.
_LOOK_AGAIN_SECONDS, _SLOWER, _SELDOM_SECONDS = 0.05, 1.3, 0.5
_LOG_EVENTS_MAX = 10_000
# Of the gateway's own answers in template.yaml.
_GATEWAY_SAYS = "The service failed to answer."
# So much of its time to render is left to a video whose time passes: its next execution is still to begin.
_TIME_LEFT = timedelta(seconds=3)
# Of a post: since when it has its state, and when it is due.
_AGEING = frozenset({"in_doubt_since", "submitted_at", "scheduled_time", "due_at"})

Answer = TypeVar("Answer")


class SeenCall(BaseModel):
    """A call as any stand-in tells it; `job_id` is what the vendor calls what was started."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    method: str
    path: str
    prompt: str | None = None
    job_id: str | None = Field(default=None, validation_alias=AliasChoices("video_id", "interaction_id"))


class SeenCalls(BaseModel):
    """The log of a stand-in."""

    calls: tuple[SeenCall, ...]


class DeployedStack:
    """The stack as its users see it, and the scripts of its stand-ins."""

    def __init__(self, world: World, *, wait_scale: float = WAIT_SCALE) -> None:
        self.world = world
        self._wait_scale = wait_scale
        self.api = httpx.Client(
            base_url=world.stack.base_url,
            headers={"Authorization": f"Bearer {world.stack.api_key}"},
            timeout=120,
        )
        self.outside = httpx.Client(timeout=120)
        self._clients: dict[str, Any] = {}

    def aws(self, service: Any) -> Any:
        """Give a client of a service with the owner's rights, to look behind the API."""
        if service not in self._clients:
            self._clients[service] = self._make_client(service)
        return self._clients[service]

    def _make_client(self, service: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.world.stack.endpoint_url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def make_key(self, scopes: Iterable[Scope], *, daily_budget_micros: int | None = None) -> str:
        """Make a key of an owner of its own, and give it."""
        keys = KeyStore(LibraryTable(self.aws("dynamodb"), self.world.stack.table))
        secret, _ = keys.create(
            "test", scopes=tuple(scopes), now=datetime.now(UTC), daily_budget_micros=daily_budget_micros
        )
        return secret

    def submit(self, prompt: str, *platforms: str, **fields: JsonValue) -> VideoObject:
        """Post a prompt with these networks as targets."""
        body: JsonValue = {"prompt": prompt, "publish": [target(platform) for platform in platforms], **fields}
        answer = self.ask("POST", "/videos", json=body)
        assert answer.status_code == 200, answer.text
        return VideoObject.model_validate_json(answer.content)

    def retrieve(self, video_id: str) -> VideoObject:
        """Ask for a video."""
        answer = self.ask("GET", f"/videos/{video_id}")
        assert answer.status_code == 200, answer.text
        return VideoObject.model_validate_json(answer.content)

    def ask(self, method: str, path: str, *, json: JsonValue = None) -> httpx.Response:
        """Ask as a patient client does: what was throttled, or not answered by a function, is sent again by its name.

        The gateway answers 500 or 504 by itself where a function may not run again beside those that run already.
        """
        headers = {"Idempotency-Key": uuid.uuid4().hex} if method == "POST" else {}

        def send() -> httpx.Response | None:
            answer = self.api.request(method, path, json=json, headers=headers)
            is_of_the_gateway = answer.status_code in (500, 504) and _GATEWAY_SAYS in answer.text
            return None if answer.status_code == 429 or is_of_the_gateway else answer

        return wait_for(send, what=f"an answer to {method} {path} by a function")

    def follow(self, video_id: str, *, timeout_seconds: float = DONE_TIMEOUT_SECONDS) -> VideoObject:
        """Follow a video until its execution is over."""

        def is_over() -> VideoObject | None:
            video = self.retrieve(video_id)
            over = video.status is VideoStatus.FAILED or video.stage is Stage.DONE
            return video if over and not any(post.status == "pending" for post in video.posts) else None

        return wait_for(is_over, what=f"the end of {video_id}", timeout_seconds=timeout_seconds)

    def follow_beyond_its_time(self, video_id: str) -> VideoObject:
        """Follow a video to its end; if its execution ends before it, all but a moment of its time passes.

        Waits of the machine are scaled, the times in the record are not: the bounds of an execution come first.
        """
        client = self.aws("stepfunctions")

        def has_ended() -> bool:
            status: str = client.describe_execution(executionArn=self.execution_arn(video_id))["status"]
            return status != "RUNNING"

        wait_for(has_ended, what=f"the end of the execution of {video_id}", timeout_seconds=DONE_TIMEOUT_SECONDS)
        if self.retrieve(video_id).status is not VideoStatus.FAILED:
            self._let_time_pass(video_id)
            self.sweep()
        return self.follow(video_id)

    def _let_time_pass(self, video_id: str) -> None:
        now = datetime.now(UTC)
        times = {"due_at": now, "lease_expires_at": now, "store_until": now, "deadline_at": now + _TIME_LEFT}
        self.aws("dynamodb").update_item(
            TableName=self.world.stack.table,
            Key={"pk": {"S": f"VIDEO#{video_id}"}, "sk": {"S": "VIDEO"}},
            UpdateExpression=f"SET version = version + :one, {', '.join(f'{name} = :{name}' for name in times)}",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={
                ":one": {"N": "1"},
                **{f":{name}": {"S": time.isoformat(timespec="microseconds")} for name, time in times.items()},
            },
        )

    def play_on_videos(self, prompt: str, on: str, action: dict[str, JsonValue], *, times: int | None = None) -> None:
        """Have the video server play a fault for the videos of this prompt."""
        self.play_on("sora", prompt, on, action, times=times)

    def play_on(
        self, provider: str, prompt: str, on: str, action: dict[str, JsonValue], *, times: int | None = None
    ) -> None:
        """Have a provider's stand-in play a fault for the videos of this prompt."""
        rule: dict[str, JsonValue] = {"match": prompt, "on": on, "times": times, "action": action}
        _put_fault(self.outside, self.world.providers[provider].control_url, rule)

    def play_on_blotato(self, text: str, on: str, action: dict[str, JsonValue], *, times: int | None = None) -> None:
        """Have Blotato play a fault for the posts of this text."""
        rule: dict[str, JsonValue] = {"match": text, "on": on, "times": times, "action": action}
        _put_fault(self.outside, self.world.blotato.control_url, rule)

    def list_calls(self, provider: str) -> tuple[SeenCall, ...]:
        """List what a provider's stand-in received."""
        answer = self.outside.get(f"{self.world.providers[provider].control_url}/calls")
        return SeenCalls.model_validate_json(answer.content).calls

    def count_accepted(self, prompt: str, *, provider: str = "sora") -> int:
        """Count the jobs a provider accepted for a prompt."""
        return sum(
            call.method == "POST" and call.prompt == prompt and call.job_id is not None
            for call in self.list_calls(provider)
        )

    def list_posts(self, text: str) -> list[dict[str, Any]]:
        """List the posts that exist at Blotato with this text."""
        rows = self.outside.get(f"{self.world.blotato.control_url}/posts").json()["posts"]
        return [row for row in rows if text in row["text"]]

    def list_versions(self, video_id: str) -> list[str]:
        """List every version of every object that was kept for a video, by key."""
        listed = self.aws("s3").list_object_versions(Bucket=self.world.stack.bucket, Prefix=f"videos/{video_id}/")
        return sorted(version["Key"] for version in listed.get("Versions", []))

    def count_uploads_in_progress(self, video_id: str) -> int:
        """Count the multipart uploads of a video that were not completed or aborted."""
        listed = self.aws("s3").list_multipart_uploads(Bucket=self.world.stack.bucket, Prefix=f"videos/{video_id}/")
        return len(listed.get("Uploads", []))

    def execution_arn(self, video_id: str) -> str:
        """Name the execution of a video."""
        return self.world.stack.state_machine_arn.replace(":stateMachine:", ":execution:") + f":{video_id}"

    def invoke(self, function: str, event: JsonValue) -> None:
        """Invoke a function as its trigger would, and see that it ended well."""
        functions = self.aws("lambda")
        names = [found["FunctionName"] for found in functions.list_functions()["Functions"]]
        name = next(name for name in names if f"-{function}-" in name)
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(event))
        assert "FunctionError" not in answer, answer["Payload"].read()

    def age_posts(self, video_id: str, seconds: float) -> None:
        """Let time pass for what waits with the posts of a video: it began, and is due, so much earlier."""
        client = self.aws("dynamodb")
        found = client.query(
            TableName=self.world.stack.table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues={":pk": {"S": f"VIDEO#{video_id}"}, ":sk": {"S": "POST#"}},
        )
        for item in found["Items"]:
            for name in _AGEING.intersection(item):
                earlier = datetime.fromisoformat(item[name]["S"]) - timedelta(seconds=seconds)
                item[name] = {"S": earlier.astimezone(UTC).isoformat(timespec="microseconds")}
            client.put_item(TableName=self.world.stack.table, Item=item)

    def sweep(self) -> None:
        """Run the sweep, as its schedule does each minute."""
        self.invoke("SweepFunction", {})

    def read_logs(self, *, since: datetime | None = None) -> str:
        """Read everything the functions logged."""
        logs = self.aws("logs")
        groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
        start = 0 if since is None else int(since.timestamp() * 1000)
        return "\n".join(message for group in groups for message in _read_log_group(logs, group, start))

    def read_history(self, video_id: str) -> str:
        """Read the history of the execution of a video, as text."""
        history = self.aws("stepfunctions").get_execution_history(
            executionArn=self.execution_arn(video_id), includeExecutionData=True
        )
        return str(history["events"])

    @contextmanager
    def waiting(self, scale: float) -> Iterator[None]:
        """Change what a second of the machine's waits takes, for a while."""
        self._set_wait_scale(scale)
        try:
            yield
        finally:
            self._set_wait_scale(self._wait_scale)

    def _set_wait_scale(self, scale: float) -> None:
        config = {"stepfunctions._SFN_WAIT_SCALE": scale}
        self.outside.post(f"{self.world.stack.endpoint_url}/_ministack/config", json=config).raise_for_status()

    def kill_workers(self, function: str) -> int:
        """Kill the processes that run a function, as an out-of-memory kill would; count them."""
        killed = 0
        for process_id, command in _list_processes():
            if f"-{function}-" in command and command.endswith("_worker.py"):
                os.kill(process_id, signal.SIGKILL)
                killed += 1
        return killed


def target(platform: str) -> JsonValue:
    """Build the target of a network, with what it requires."""
    required: dict[str, dict[str, JsonValue]] = {
        "facebook": {"page_id": FACEBOOK_PAGE.id},
        "pinterest": {"board_id": PINTEREST_BOARD.id},
        "tiktok": {"privacy_level": "SELF_ONLY"},
        "youtube": {"title": "A title"},
    }
    return {"platform": platform, "account_id": ACCOUNTS[platform].id, **required.get(platform, {})}


def new_prompt(what: str) -> str:
    """Make a prompt no other test has, so that faults and counts meet this one alone."""
    return f"{what} {uuid.uuid4().hex}"


def _read_log_group(logs: Any, group: str, start: int) -> list[str]:
    """Read a log group from a time on: an answer holds 10,000 events, and MiniStack gives no token for the next."""
    messages: list[str] = []
    while True:
        events = logs.filter_log_events(logGroupName=group, startTime=start, limit=_LOG_EVENTS_MAX)["events"]
        messages += [event["message"] for event in events]
        if len(events) < _LOG_EVENTS_MAX:
            return messages
        assert events[-1]["timestamp"] > start, f"{group} has more events in one millisecond than an answer holds"
        start = events[-1]["timestamp"]


def wait_for(
    question: Callable[[], Answer | None], *, what: str, timeout_seconds: float = DONE_TIMEOUT_SECONDS
) -> Answer:
    """Ask until there is an answer."""
    deadline, wait_seconds = time.monotonic() + timeout_seconds, _LOOK_AGAIN_SECONDS
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(wait_seconds)
        wait_seconds = min(wait_seconds * _SLOWER, _SELDOM_SECONDS)
    raise AssertionError(f"Waited {timeout_seconds:.0f} s in vain for {what}; the last answer was {question()!r}.")


def _put_fault(client: httpx.Client, control_url: str, rule: dict[str, JsonValue]) -> None:
    answer = client.post(f"{control_url}/faults", json={"rules": [rule]})
    assert answer.is_success, answer.text


def _list_processes() -> Iterable[tuple[int, str]]:
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                command = (directory / "cmdline").read_bytes()
            except OSError:
                continue  # it has ended meanwhile
            yield int(directory.name), command.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
