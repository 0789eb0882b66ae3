"""`make sam-local`: every function with every sample in containers of Python 3.13, by SAM CLI and podman; by hand.

Then Submit, Start, Poll and Store one after another, with the state machine put out of the way: a sample alone does not
show whether a video can be stored, because it names none that is there. At last the openai SDK over `start-api`. The
local cloud stands for AWS. It exits 1 if an answer is not as docs/operations.md says.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openai
from PIL import Image
from rich.console import Console

from checks.cloudformation import read_template
from sandbox.cloud import ROOT, TOOLS, make_client
from sandbox.sam_containers import (
    BRIDGE,
    SamLocal,
    build_for_x86,
    find_missing,
    go_inside,
    import_image,
    is_inside,
    open_network,
    run_podman,
)
from sandbox.sam_image import make_root_files
from sandbox.snapshot import use_snapshot
from sandbox.world import World, run_world

_BUILD = TOOLS / "sam-local" / "build"
_PAGE = ROOT / "docs" / "operations.md"
_ROW = re.compile(r"^\| .+ \| `sam local invoke (\w+) -e events/([\w-]+)\.json` \| (.*)\|$", re.MULTILINE)
_NOTHING_TO_DO = json.dumps({"StartAt": "Nothing", "States": {"Nothing": {"Type": "Succeed"}}})
_POLLS_MAX = 20


# What samples answer on a new stack: the key, the videos and the batch that they name do not exist. Others answer 404.
_ANSWERS: Mapping[str, str] = {
    "Deny": "authorize-known-key authorize-unknown-key",
    "200": (
        "submit-upload library-list library-models library-usage library-accounts library-key library-openapi "
        "posts-schedules mcp-tools mcp-initialize mcp-create batches-list batches-create studio-page"
    ),
    "400 account_not_found": "submit submit-multipart",
    "400 invalid_value": "submit-bad-size",
    "400 unsupported_operation": "submit-character library-character",
    "400 captions_off": "library-captions",
    "401 invalid_signature": "providerwebhooks-completed",
    "405": "mcp-stream mcp-end",
    "null": (
        "intake-dropped intake-batch intake-requested intake-series cancelrender dispatch announce sweep checkaccounts"
    ),
    "closed": "closevideo closevideo-execution-failed closevideo-from-event",
    "batchItemFailures": "deliverwebhook-completed deliverwebhook-post-last-try",
    "raises NotFound": (
        "startgeneration checkgeneration-running checkgeneration-completed storevideo probevideo awaitapproval "
        "createpost checkpost readrows submitchunk finishsubmitting cancelpart writeresults"
    ),
}
EXPECTED: Mapping[str, str] = {sample: told for told, samples in _ANSWERS.items() for sample in samples.split()}
_MISSING = "404 not_found"


def main() -> None:
    """Make the image, build for x86, and try all of it; outside of the network only what needs the registries."""
    console = Console(soft_wrap=True, highlight=False)
    if missing := find_missing():
        console.print(
            f"{', '.join(missing)} is not there. On Debian: apt-get install --no-install-recommends podman runc "
            "debootstrap iptables iproute2 netavark aardvark-dns; then run it again, as root."
        )
        sys.exit(1)
    if not is_inside():
        make_root_files()
        build_for_x86(_BUILD)
        with use_snapshot():  # it is made here, where the registries are
            pass
        go_inside("sandbox.sam_local")
    open_network()
    with tempfile.TemporaryDirectory(prefix="sam-local-") as scratch:
        directory = Path(scratch)
        with run_world(directory / "world", wait_scale=0.1) as world, run_podman(directory) as docker_host:
            import_image(make_root_files(), {"AWS_ENDPOINT_URL": _see_from_inside(world.stack.endpoint_url)})
            variables = directory / "env.json"
            variables.write_text(json.dumps(read_variables(world)))
            sam = SamLocal(directory, _BUILD / "template.yaml", docker_host, variables)
            faults = try_all(console, sam, world)
            if faults:
                console.print(f"Logs are kept in {_keep_logs(directory)}.")
    console.print("\n".join(["", *faults]) or "\nAll is as docs/operations.md says.")
    sys.exit(1 if faults else 0)


def try_all(console: Console, sam: SamLocal, world: World) -> list[str]:
    """Try the samples, the steps of a video, and the SDK; list what is not as the page says."""
    answer = sam.invoke("ApiFunction", ROOT / "events/library-models.json")
    console.print(f"sam local invoke ApiFunction -e events/library-models.json: {answer['statusCode']}")
    faults: list[str] = []
    with sam.run("start-lambda") as address:
        invoker = Invoker(make_client(address, "lambda", tries=1, answers_within_seconds=180))
        for function, sample in list_samples():
            event = json.loads((ROOT / f"events/{sample}.json").read_text())
            begun_at = time.monotonic()
            told = describe(invoker(function, event))
            console.print(f"{function:<26}{sample:<32}{time.monotonic() - begun_at:>6.1f} s  {told}")
            expected = EXPECTED.get(sample, _MISSING)
            if told != expected:
                faults.append(f"{sample}: it answered {told}, and docs/operations.md says {expected}")
        faults += drive_video(console, invoker, world)
    with sam.run("start-api") as address:
        faults += tour(console, f"{address}/", world)
    return faults


class Invoker:
    """Invokes functions in their containers."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __call__(self, function: str, event: Any) -> Any:
        """Invoke a function, and give what it answered, an error too: SAM CLI tells no FunctionError."""
        answer = self._client.invoke(FunctionName=function, Payload=json.dumps(event))
        return json.loads(answer["Payload"].read() or "null")


def list_samples() -> list[tuple[str, str]]:
    """List the functions with their samples, as docs/operations.md does."""
    rows = _ROW.findall(_PAGE.read_text())
    return [
        (function, sample)
        for function, first, further in rows
        for sample in (first, *re.findall(r"`([\w-]+)`", further))
    ]


def describe(answer: Any) -> str:
    """Say in a word what a function answered: a status and code, the name of an error, an outcome."""
    if not isinstance(answer, dict):
        return json.dumps(answer)
    if "errorType" in answer:
        return f"raises {answer['errorType']}"
    if "policyDocument" in answer:
        return str(answer["policyDocument"]["Statement"][0]["Effect"])
    if "statusCode" in answer:
        code = re.search(r'"code": ?"(\w+)"', str(answer.get("body")))
        return f"{answer['statusCode']}{f' {code[1]}' if code else ''}"
    return str(answer.get("outcome") or next(iter(answer), "{}"))


def read_variables(world: World) -> dict[str, dict[str, str]]:
    """Read what the deployed functions have as variables, by their logical ids; addresses are those of the bridge."""
    functions = make_client(world.stack.endpoint_url, "lambda")
    names = read_template(ROOT / "template.yaml").of_type("AWS::Serverless::Function")
    deployed = [
        function for page in functions.get_paginator("list_functions").paginate() for function in page["Functions"]
    ]
    return {
        name: {
            variable: _see_from_inside(value)
            for function in deployed
            if f"-{name}-" in function["FunctionName"]
            for variable, value in function["Environment"]["Variables"].items()
        }
        for name in names
    }


def drive_video(console: Console, invoker: Invoker, world: World) -> list[str]:
    """Take a video through its steps by hand, and see that its file is there."""
    machines = make_client(world.stack.endpoint_url, "stepfunctions")
    arn = world.stack.state_machine_arn
    definition = machines.describe_state_machine(stateMachineArn=arn)["definition"]
    machines.update_state_machine(stateMachineArn=arn, definition=_NOTHING_TO_DO)
    event = json.loads((ROOT / "events/submit.json").read_text())
    event["body"] = json.dumps({"prompt": f"By hand {uuid.uuid4().hex}", "seconds": "4"})
    answer = invoker("SubmitFunction", event)
    if answer.get("statusCode") != 200:
        return [f"submit by hand: {answer}"]
    video_id = json.loads(answer["body"])["id"]
    told = []
    for function in ("StartGenerationFunction", "CheckGenerationFunction", "StoreVideoFunction"):
        for attempt in range(1, _POLLS_MAX + 1):
            answer = invoker(function, {"video_id": video_id, "attempt": attempt})
            outcome = describe(answer)
            if outcome not in {"running", "wait", "later"}:
                break
            time.sleep(1)
        told.append(f"{function.removesuffix('Function')}: {outcome}")
        console.print(f"by hand  {told[-1]}  {answer}")
    machines.update_state_machine(stateMachineArn=arn, definition=definition)
    files = make_client(world.stack.endpoint_url, "s3").list_objects_v2(
        Bucket=world.stack.bucket, Prefix=f"videos/{video_id}/"
    )
    keys = sorted(found["Key"].rpartition("/")[2] for found in files.get("Contents", []))
    console.print(f"by hand  {keys}")
    is_whole = keys == ["spritesheet.jpg", "thumbnail.webp", "video.mp4"]
    return [] if is_whole else [f"by hand: {told}, and the bucket has {keys}"]


def tour(console: Console, base_url: str, world: World) -> list[str]:
    """Use the API with the openai SDK; the deployed stack makes the videos."""
    client = openai.OpenAI(base_url=base_url, api_key=world.stack.api_key, timeout=180, max_retries=0)
    picture = io.BytesIO()
    Image.new("RGB", (720, 1280), "teal").save(picture, "PNG")
    pictures: dict[str, Any] = {"JSON": openai.omit, "multipart": ("a.png", picture.getvalue(), "image/png")}
    faults = []
    for what, reference in pictures.items():
        begun_at = time.monotonic()
        created = client.videos.create(
            prompt=f"By the SDK, {what}", seconds="4", size="720x1280", input_reference=reference
        )
        video = client.videos.poll(created.id, poll_interval_ms=1_000)
        content = client.videos.download_content(video.id).read() if video.status == "completed" else b""
        client.videos.delete(video.id)
        console.print(
            f"SDK, {what}: {video.status}, {len(content):,} bytes, deleted; {time.monotonic() - begun_at:.0f} s"
        )
        if b"ftyp" not in content[:32]:
            faults.append(f"SDK, {what}: {video}")
    return faults


def _see_from_inside(text: str) -> str:
    return re.sub(r"127\.0\.0\.1|localhost", BRIDGE, text)


def _keep_logs(directory: Path) -> Path:
    kept = Path(tempfile.mkdtemp(prefix="sam-local-logs-"))
    for log in (*directory.glob("*.log"), *directory.glob("world/*.log")):
        shutil.copy(log, kept)
    return kept


if __name__ == "__main__":
    main()
