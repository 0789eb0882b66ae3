"""What the suite asks of a stack, over HTTP; and what it must reach behind it: time, stand-ins, the inbox, a crash."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import openai
from pydantic import JsonValue

from mediaposter.cli import main
from mediaposter.cli.deployed_stack import open_stack
from mediaposter.cli.session import Session
from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.host.database import Database
from mediaposter.host.folder import DATABASE_FILE, FILES_FOLDER
from mediaposter.host.outbox import Kind, Outbox
from mediaposter.host.secrets import HostSecrets
from mediaposter.host.table import SqliteTable
from mediaposter.stores.approvals import Approval, approval_key
from mediaposter.stores.batches import STAGES_BEFORE_VIDEOS, Batch
from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.keys import KeyStore, Scope
from mediaposter.stores.posts import Post
from mediaposter.stores.table import Key, Record, Replace, Table
from mediaposter.wire.webhooks import derive_webhook_secret
from sandbox.cloud import REGION
from sandbox.snapshot import STACK_NAME, WEBHOOK_SIGNING_KEY
from tests.conformance.embedded import EmbeddedHost
from tests.integration.stack import DeployedStack, SeenCalls, target, wait_for

Video = dict[str, Any]

# What a test that polls by the SDK passes: the interval that our answers advise is for renders of minutes.
POLL_MS = 100
# What a client sends again, by its status and words.
_FAILED = "The service failed to answer."
_AGAIN = {409: '"conflict"', 429: '"rate_limit_exceeded"', 500: _FAILED, 504: _FAILED}
# Of a post: since when it is as it is, and when it is visited.
_AGEING = ("in_doubt_since", "submitted_at", "scheduled_time", "due_at")


class Stack(ABC):
    """A running stack with stand-ins for the providers and Blotato.

    Attributes:
        host: what runs it, as the table of cases names it.
        base_url: of its API.
        api_key: may do everything.
        api: a client with that key.
        table: its records, to let time pass and to make keys.
    """

    host: str
    base_url: str
    api_key: str

    @cached_property
    @abstractmethod
    def table(self) -> Table:
        """Open its records."""

    @abstractmethod
    def control_url(self, vendor: str) -> str:
        """Give the address where the stand-in of a provider, or of Blotato, is steered and asked."""

    @abstractmethod
    def sweep(self) -> None:
        """Have what is due visited, now or within a second or two."""

    @abstractmethod
    def list_files(self, prefix: str) -> list[str]:
        """List the keys of the bucket that begin so."""

    @abstractmethod
    def drop(self, key: str, content: bytes) -> None:
        """Put a file into the bucket, as a person does."""

    @abstractmethod
    def read_file(self, key: str) -> bytes | None:
        """Read a file of the bucket, if it is there."""

    @property
    @abstractmethod
    def signing_key(self) -> str:
        """Give the key that the secrets of webhooks are derived from."""

    @abstractmethod
    def run(self, *words: str) -> str:
        """Run a command about this stack, and give what it wrote."""

    @property
    @abstractmethod
    def place(self) -> tuple[str, ...]:
        """Give the words by which a command over HTTP finds this stack."""

    @property
    @abstractmethod
    def shell(self) -> dict[str, str]:
        """Give the variables that such a command needs beside these words."""

    @abstractmethod
    def queue_request(self, message: str) -> None:
        """Put a message before the intake, as the clock of series does."""

    # Clients

    @cached_property
    def api(self) -> httpx.Client:
        """A client with the key that may do everything."""
        return self.client(self.api_key)

    def client(self, key: str | None) -> httpx.Client:
        """Make a client with a key, or without one."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.base_url, headers=headers, timeout=120)

    def sdk(self, key: str | None = None) -> openai.OpenAI:
        """Make the unchanged SDK's client; it refuses a reply that is not as OpenAI's."""
        return openai.OpenAI(base_url=self.base_url, api_key=key or self.api_key, _strict_response_validation=True)

    def make_key(
        self,
        *scopes: Scope,
        owner: str | None = None,
        accounts: tuple[str, ...] | None = None,
        daily_budget_micros: int | None = None,
        monthly_budget_micros: int | None = None,
    ) -> str:
        """Make a key, of an owner of its own unless one is named."""
        secret, _ = KeyStore(self.table).create(
            "test",
            scopes=scopes,
            owner=owner,
            accounts=accounts,
            daily_budget_micros=daily_budget_micros,
            monthly_budget_micros=monthly_budget_micros,
            now=datetime.now(UTC),
        )
        return secret

    def find_owner(self, key: str) -> str:
        """Give the owner of a key."""
        found = KeyStore(self.table).find(key)
        assert found is not None
        return found.owner

    def webhook_secret(self, key: str) -> str:
        """Give what the webhooks of a key's owner are signed with."""
        return derive_webhook_secret(self.signing_key, self.find_owner(key))

    def ask(self, method: str, path: str, body: JsonValue = None, *, client: httpx.Client | None = None) -> Any:
        """Ask as a patient client does, and give the body of the answer.

        What others write at the same moment, what is throttled, and what the gateway answers in place of a function
        that may not run again beside those that run, is sent again under its name, as the SDK does.
        """
        headers = {"Idempotency-Key": uuid.uuid4().hex} if method == "POST" else {}

        def send() -> httpx.Response | None:
            answer = (client or self.api).request(method, path, json=body, headers=headers)
            return None if _is_to_come_again(answer) else answer

        return expect(200, wait_for(send, what=f"an answer to {method} {path}"))

    # Videos

    def submit(self, prompt: str, *platforms: str, client: httpx.Client | None = None, **fields: JsonValue) -> Video:
        """Ask for a video with these networks as targets."""
        publish: dict[str, JsonValue] = {"publish": [*map(target, platforms)]} if platforms else {}
        video: Video = self.ask("POST", "/videos", {"prompt": prompt, **publish, **fields}, client=client)
        return video

    def retrieve(self, video_id: str) -> Video:
        """Ask for a video."""
        video: Video = self.ask("GET", f"/videos/{video_id}")
        return video

    def follow(self, video_id: str) -> Video:
        """Follow a video until it failed or is done, and none of its posts is under way."""

        def look() -> Video | None:
            video = self.retrieve(video_id)
            is_over = video["status"] == "failed" or video["stage"] == "done"
            return video if is_over and not any(post["status"] == "pending" for post in video["posts"]) else None

        return wait_for(look, what=f"the end of {video_id}")

    def wait_for_posts(self, video_id: str, *statuses: str) -> Video:
        """Wait until the posts of a video stand so; what is due is visited meanwhile."""

        def look() -> Video | None:
            self.sweep()
            video = self.retrieve(video_id)
            return video if [post["status"] for post in video["posts"]] == [*statuses] else None

        return wait_for(look, what=f"the posts of {video_id} to be {statuses}")

    # Stand-ins

    def ask_vendor(self, vendor: str, path: str) -> Any:
        """Ask a stand-in what it saw: `calls` of any, `posts` of Blotato."""
        return httpx.get(f"{self.control_url(vendor)}/{path}", timeout=30).json()

    def play_on(
        self, vendor: str, match: str, on: str, action: Mapping[str, JsonValue], *, times: int | None = None
    ) -> None:
        """Have a stand-in play a fault for the videos of a prompt, or the posts of a text."""
        rule = {"match": match, "on": on, "times": times, "action": dict(action)}
        answer = httpx.post(f"{self.control_url(vendor)}/faults", json={"rules": [rule]}, timeout=30)
        assert answer.is_success, answer.text

    def clear_faults(self, vendor: str) -> None:
        """Have a stand-in play no fault any more."""
        httpx.delete(f"{self.control_url(vendor)}/faults", timeout=30).raise_for_status()

    def count_jobs(self, prompt: str, vendor: str = "sora") -> int:
        """Count the jobs that a provider took for a prompt."""
        calls = SeenCalls.model_validate(self.ask_vendor(vendor, "calls")).calls
        return sum(call.method == "POST" and call.prompt == prompt and call.job_id is not None for call in calls)

    def list_posts(self, text: str) -> list[dict[str, Any]]:
        """List the posts that Blotato has with this text in theirs."""
        return [row for row in self.ask_vendor("blotato", "posts")["posts"] if text in row["text"]]

    def list_cancelled_posts(self, text: str) -> list[dict[str, Any]]:
        """List the posts with this text in theirs that were cancelled before their time."""
        return [row for row in self.ask_vendor("blotato", "posts")["cancelled"] if text in row["text"]]

    # Time

    def age_posts(self, video_id: str, minutes: int) -> None:
        """Let time pass for the posts of a video: what they wait for began, and is due, so much earlier."""

        def age(post: Post) -> Post:
            times = {name: getattr(post, name) for name in _AGEING}
            return post.model_copy(
                update={name: at - timedelta(minutes=minutes) for name, at in times.items() if at is not None}
            )

        for item in self.table.query_prefix(f"VIDEO#{video_id}", "POST#"):
            self._change(Key(item["pk"], item["sk"]), Post, age)

    def expire_approval(self, video_id: str) -> None:
        """Let the time pass in which a person may decide."""
        past = datetime.now(UTC) - timedelta(minutes=1)
        self._change(
            approval_key(video_id), Approval, lambda approval: approval.model_copy(update={"expires_at": past})
        )

    def make_batch_due(self, batch_id: str) -> None:
        """Let the minute pass after which the sweep comes back to a batch whose rows are taken."""
        past = datetime.now(UTC) - timedelta(minutes=1)

        def age(batch: Batch) -> Batch:
            waits = batch.due_at is not None and batch.stage not in STAGES_BEFORE_VIDEOS
            return batch.model_copy(update={"due_at": past}) if waits else batch

        with suppress(NotFound):
            self._change(Key(f"BATCH#{batch_id}", "BATCH"), Batch, age)

    def _change(self, key: Key, record_type: type[Any], change: Callable[[Any], Record]) -> None:
        """Rewrite a record, whatever a worker does with it at the same time."""

        def rewrite() -> bool:
            found = record_type.model_validate(self.table.get(key))
            changed = change(found).model_copy(update={"version": found.version + 1})
            try:
                self.table.commit([Replace(changed, found.version)])
            except VersionConflict:
                return False
            return True

        wait_for(rewrite, what=f"a change of {key}")


class Embedded(Stack):
    """`mediaposter up` in a process of its own."""

    host = "embedded"

    def __init__(self, process: EmbeddedHost, addresses: Mapping[str, str]) -> None:
        self.process = process
        self._addresses = addresses
        self.base_url = process.address.base_url
        self.api_key = process.address.api_key
        self._files = process.data / FILES_FOLDER

    @cached_property
    def _database(self) -> Database:
        return Database(self.process.data / DATABASE_FILE, busy_seconds=30)

    @cached_property
    def table(self) -> Table:
        """Open the host's file beside it."""
        return SqliteTable(self._database)

    def control_url(self, vendor: str) -> str:
        """Give the address."""
        parts = urlsplit(self._addresses[vendor])
        return f"{parts.scheme}://{parts.netloc}/_sandbox"

    def sweep(self) -> None:
        """Leave it to the host's own clock, which is as much faster as the waits are."""

    def list_files(self, prefix: str) -> list[str]:
        """List the files, not the earlier versions beside them."""
        keys = (path.relative_to(self._files).as_posix() for path in self._files.rglob("*") if path.is_file())
        return sorted(key for key in keys if key.startswith(prefix))

    def drop(self, key: str, content: bytes) -> None:
        """Write the file."""
        path = self._files / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def read_file(self, key: str) -> bytes | None:
        """Read the file."""
        path = self._files / key
        return path.read_bytes() if path.is_file() else None

    @property
    def signing_key(self) -> str:
        """Read it from the host's secrets."""
        return HostSecrets.open(self.process.data).webhook_signing_key

    def run(self, *words: str) -> str:
        """Run it on the folder, beside the host."""
        return _run_command([*words, "--data", str(self.process.data)], Session())

    @property
    def place(self) -> tuple[str, ...]:
        """Name the folder."""
        return ("--data", str(self.process.data))

    @property
    def shell(self) -> dict[str, str]:
        """Give none: the folder has the key, too."""
        return {}

    def queue_request(self, message: str) -> None:
        """Put it into the host's outbox."""
        Outbox(self._database).add(Kind.INTAKE, message)


class Deployed(Stack):
    """template.yaml on the local cloud."""

    host = "deployed"

    def __init__(self, deployed: DeployedStack) -> None:
        self.deployed = deployed
        self.base_url = deployed.world.stack.base_url
        self.api_key = deployed.world.stack.api_key
        self._bucket = deployed.world.stack.bucket
        # One for all commands: it keeps what it has read of each service.
        self._session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)

    @cached_property
    def table(self) -> Table:
        """Open the table with the owner's rights."""
        return LibraryTable(self.deployed.aws("dynamodb"), self.deployed.world.stack.table)

    def control_url(self, vendor: str) -> str:
        """Give the address."""
        world = self.deployed.world
        return (world.blotato if vendor == "blotato" else world.providers[vendor]).control_url

    def sweep(self) -> None:
        """Invoke the function, as its schedule does each minute."""
        client = self.deployed.aws("lambda")
        with suppress(client.exceptions.TooManyRequestsException):  # its schedule comes again, too
            self.deployed.sweep()

    def list_files(self, prefix: str) -> list[str]:
        """List the newest versions."""
        listed = self.deployed.aws("s3").list_objects_v2(Bucket=self._bucket, Prefix=prefix)
        return sorted(found["Key"] for found in listed.get("Contents", []))

    def drop(self, key: str, content: bytes) -> None:
        """Put the object."""
        self.deployed.aws("s3").put_object(Bucket=self._bucket, Key=key, Body=content)

    def read_file(self, key: str) -> bytes | None:
        """Get the object."""
        if key not in self.list_files(key):
            return None
        content: bytes = self.deployed.aws("s3").get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return content

    @property
    def signing_key(self) -> str:
        """Give the local cloud's."""
        return WEBHOOK_SIGNING_KEY

    def run(self, *words: str) -> str:
        """Run it with the owner's rights in the account."""
        address = ("--stack", STACK_NAME, "--endpoint-url", self.deployed.world.stack.endpoint_url)
        return _run_command([*words, *address], Session(open_stack=partial(open_stack, session=self._session)))

    @property
    def place(self) -> tuple[str, ...]:
        """Name the stack: CloudFormation knows its address."""
        return ("--stack", STACK_NAME)

    @property
    def shell(self) -> dict[str, str]:
        """Give a key of the stack, and the owner's rights in the account."""
        return {
            "MEDIAPOSTER_API_KEY": self.api_key,
            "AWS_ENDPOINT_URL": self.deployed.world.stack.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def queue_request(self, message: str) -> None:
        """Put it into the queue."""
        described = self.deployed.aws("cloudformation").describe_stack_resource(
            StackName=STACK_NAME, LogicalResourceId="IntakeQueue"
        )
        queue_url = described["StackResourceDetail"]["PhysicalResourceId"]
        self.deployed.aws("sqs").send_message(QueueUrl=queue_url, MessageBody=message)


def _is_to_come_again(answer: httpx.Response) -> bool:
    words = _AGAIN.get(answer.status_code)
    return words is not None and words in answer.text


def _run_command(words: list[str], session: Session) -> str:
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        status = main(words, session=session)
    assert status == 0, err.getvalue()
    return out.getvalue()


def expect(status: int, answer: httpx.Response) -> dict[str, Any]:
    """Expect an answer of this status, and give its body."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


def read_error(answer: httpx.Response) -> tuple[str, str | None, str | None]:
    """Give type, param and code of an answer in OpenAI's envelope, which has nothing else beside its message."""
    body = answer.json()
    assert body.keys() == {"error"}
    error = body["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"]
    return error["type"], error["param"], error["code"]


def list_states(video: Video) -> dict[str, str]:
    """Tell how each post of a video stands, by its network."""
    return {post["platform"]: post["status"] for post in video["posts"]}
