"""Captions and the notices of approvals on the template: the rights of its functions suffice, and the secrets are read.

What they say and how they fail is asked of the embedded host, in tests/conformance.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.people import SLACK_PATH, TELEGRAM_CHAT, TELEGRAM_TOKEN, People, meet_people
from sandbox.snapshot import STACK_NAME
from tests.conformance.chat_server import CAPTIONS_KEY, ChatServer, serve_chat
from tests.integration import batches
from tests.integration.stack import DeployedStack, new_prompt, target, wait_for
from tests.integration.test_intake import drop, new_name, wait_for_answer

pytestmark = pytest.mark.skipif(
    os.environ.get("MEDIAPOSTER_CONFORMANCE") != "both",
    reason="run by hand with MEDIAPOSTER_CONFORMANCE=both: to set the variables of functions starts them all again",
)
WRITTEN = "For threads, number"


def set_up(stack: DeployedStack, variables: dict[str, str], secrets: dict[str, str]) -> None:
    """Give functions that have these variables in the template values, and the stack its secrets."""
    functions, parameters = stack.aws("lambda"), stack.aws("ssm")
    for found in functions.list_functions()["Functions"]:
        own = found.get("Environment", {}).get("Variables", {})
        changed = {name: value for name, value in variables.items() if name in own}
        # The template has no other address of Telegram's.
        if "APPROVAL_TELEGRAM_CHAT" in changed:
            changed["TELEGRAM_BASE_URL"] = variables["TELEGRAM_BASE_URL"]
        if changed:
            environment = {"Variables": {**own, **changed}}
            functions.update_function_configuration(FunctionName=found["FunctionName"], Environment=environment)
    for name, value in secrets.items():
        path = f"/mediaposter/{STACK_NAME}/{name}"
        parameters.put_parameter(Name=path, Value=value, Type="SecureString", Overwrite=True)


@pytest.fixture(scope="module")
def chat(stack: DeployedStack) -> Iterator[ChatServer]:
    with serve_chat() as chat:
        set_up(stack, chat.variables, {"captions-api-key": CAPTIONS_KEY})
        yield chat
        set_up(stack, {"CAPTIONS_MODEL": ""}, {})


@pytest.fixture(scope="module")
def people(stack: DeployedStack) -> Iterator[People]:
    with meet_people() as people:
        yield people


@pytest.fixture(scope="module")
def mail_queue(stack: DeployedStack, people: People) -> Iterator[str]:
    """Have all channels told; give the queue that takes what the topic sends by e-mail."""
    topics, queues, name = stack.aws("sns"), stack.aws("sqs"), new_name("mail")
    # As CloudFormation names the topic of the template, which is there if ApprovalEmail is set.
    topic_arn = topics.create_topic(Name=f"{STACK_NAME}-ApprovalTopic-1")["TopicArn"]
    queue_url = str(queues.create_queue(QueueName=name)["QueueUrl"])
    arn = queues.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    service = {"Service": "sns.amazonaws.com"}
    rule = {"Effect": "Allow", "Principal": service, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
    queues.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": policy})
    topics.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)
    set_up(
        stack,
        {
            "APPROVAL_CHANNELS": "slack,telegram,email",
            "APPROVAL_TELEGRAM_CHAT": TELEGRAM_CHAT,
            "APPROVAL_TOPIC_ARN": topic_arn,
            "TELEGRAM_BASE_URL": people.variables["TELEGRAM_BASE_URL"],
        },
        {"approvals/slack-url": people.variables["APPROVAL_SLACK_URL"], "approvals/telegram-token": TELEGRAM_TOKEN},
    )
    yield queue_url
    set_up(stack, {"APPROVAL_CHANNELS": ""}, {})


@pytest.mark.usefixtures("chat")
def test_captions_are_written_by_every_function_that_takes_requests(stack: DeployedStack) -> None:
    threads: Any = target("threads")
    fields: Any = {"prompt": new_prompt("Written"), "captions": "write", "publish": [threads]}

    suggested = stack.ask("POST", "/captions", json={"prompt": fields["prompt"], "platforms": ["threads"]})
    submitted = stack.ask("POST", "/videos", json=fields)
    drop(stack, f"{(name := new_name('captions'))}.json", json.dumps(fields).encode())
    batch = batches.follow(stack, batches.create(stack, rows=[fields])["id"])
    [row] = batches.read_rows(stack, batch)

    assert WRITTEN in suggested.text
    assert submitted.json()["posts"][0]["text"].startswith(WRITTEN)
    assert wait_for_answer(stack, name)["video"]["posts"][0]["text"].startswith(WRITTEN)
    assert stack.retrieve(row["video_id"]).posts[0].text.startswith(WRITTEN)
    remixed = stack.ask("POST", f"/videos/{row['video_id']}/remix", json={**fields, "prompt": "Again"})
    assert remixed.json()["posts"][0]["text"].startswith(WRITTEN)


def test_people_are_told_in_both_chats_and_by_e_mail(stack: DeployedStack, people: People, mail_queue: str) -> None:
    video_id = stack.submit(new_prompt("Told"), "threads", approval="required").id

    slack = wait_for(lambda: [said for said in people.slack if video_id in json.dumps(said)], what="Slack")
    photos = wait_for(lambda: [photo for photo in people.photos if video_id in photo.caption], what="Telegram")
    mails = wait_for(lambda: _receive(stack, mail_queue), what="the e-mail")

    assert (len(slack), len(photos)) == (1, 1)
    assert video_id in json.dumps(mails)
    logs = stack.read_logs()
    assert [secret for secret in (SLACK_PATH, TELEGRAM_TOKEN, CAPTIONS_KEY) if secret in logs] == []
    stack.ask("POST", f"/videos/{video_id}/approval", json={"decision": "reject"}).raise_for_status()


def _receive(stack: DeployedStack, queue_url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.aws("sqs").receive_message(QueueUrl=queue_url).get("Messages", [])
    return found
