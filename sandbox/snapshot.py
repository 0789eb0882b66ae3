"""The project's own template on MiniStack, deployed once for all: a snapshot, and worlds that begin with it.

`sam build` and `sam deploy` take a minute. What they leave depends on the sources alone, so it is kept below
.tools/cloud under a digest of them. A world begins with it in seconds, and is told what is its own: where the providers
are, keys, limits. All of that are variables of the functions, parameters and a key, none of it is in a resource.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.keys import KeyStore, Scope
from sandbox.cloud import REGION, ROOT, TOOLS, CloudError, LocalCloud

STACK_NAME = "mediaposter-local"
# What the providers with a secret sign their webhooks with.
PROVIDER_WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"the secret of the local providers").decode()
WEBHOOK_SIGNING_KEY = "the-signing-key-of-the-local-cloud"
_SNAPSHOTS = TOOLS / "cloud"
# All that what is deployed follows from.
_SOURCES = (
    *("template.yaml", "statemachine", "functions", "layers", "tools/ministack.txt", "tools/sam.txt"),
    *("sandbox/cloud.py", "sandbox/run_ministack.py", "sandbox/snapshot.py"),
)
_DEPLOY_BUCKET = "mediaposter-local-deploy"
_DEPLOY_TIMEOUT_SECONDS = 1800.0
# Blotato's limits, which template.yaml has as its defaults.
_POSTS_PER_MINUTE = 30
_UPLOADS_PER_MINUTE = 10
_CATALOG_KEY = "config/catalog.toml"


class Stack(BaseModel):
    """A deployed stack and how to reach it."""

    model_config = ConfigDict(frozen=True)

    base_url: str
    api_key: str
    endpoint_url: str
    table: str
    bucket: str
    state_machine_arn: str


@dataclass(frozen=True)
class Outside:
    """A provider or a publisher that a stack talks to, by the name that its secret begins with."""

    name: str
    base_url: str
    api_key: str


class _GatewayResponse(BaseModel):
    model_config = ConfigDict(extra="ignore", alias_generator=to_camel)

    status_code: str = ""
    response_parameters: dict[str, str] = {}
    response_templates: dict[str, str] = {}


class _ApiBody(BaseModel):
    gateway_responses: dict[str, _GatewayResponse] = Field(alias="x-amazon-apigateway-gateway-responses")


class _ApiProperties(BaseModel):
    body: _ApiBody = Field(alias="Body")


@contextmanager
def use_snapshot() -> Iterator[Path]:
    """Give the snapshot of the sources as they are, and keep it while the block runs; make it if there is none.

    Raises:
        CloudError: MiniStack or SAM refused.
    """
    _SNAPSHOTS.mkdir(parents=True, exist_ok=True)
    snapshot = _SNAPSHOTS / _digest_sources()
    with ExitStack() as held:
        with _lock(_SNAPSHOTS / "making"):
            if not snapshot.exists():
                _remove_unused()
                _make(snapshot)
            held.enter_context(_lock(snapshot / "used", fcntl.LOCK_SH))
        yield snapshot


def configure(
    cloud: LocalCloud,
    providers: Sequence[Outside],
    *,
    blotato: Outside,
    bedrock_url: str,
    aliases: Mapping[str, str],
    catalog: str | None,
    rate_scale: float,
    lease_seconds: int,
    provider_webhooks: Sequence[str],
    provider_concurrency: Mapping[str, int],
) -> Stack:
    """Tell the stack of a cloud that began with the snapshot what is its own, and make an API key.

    Args:
        cloud: what it runs on.
        providers: who renders.
        blotato: who posts.
        bedrock_url: where Bedrock is.
        aliases: which models the names of OpenAI's lead to.
        catalog: what extends the catalog of models, as TOML.
        rate_scale: how many times Blotato's limits the stack is told to keep to.
        lease_seconds: how long an announced call may go unreported.
        provider_webhooks: which providers are heard when they say that a render has ended.
        provider_concurrency: how many videos a provider renders at once, where it is not what the catalog says.

    Raises:
        CloudError: no function has one of these variables.
    """
    _set_variables(
        cloud,
        {
            "PROVIDER_BASE_URLS": ",".join(f"{other.name}={other.base_url}" for other in providers),
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock_url,
            "BLOTATO_BASE_URL": blotato.base_url,
            "MODEL_ALIASES": ",".join(f"{alias}={name}" for alias, name in aliases.items()),
            "PROVIDER_CONCURRENCY": ",".join(f"{name}={limit}" for name, limit in provider_concurrency.items()),
            "CATALOG_KEY": _CATALOG_KEY if catalog is not None else "",
            "PROVIDER_WEBHOOKS": ",".join(provider_webhooks),
            "CALL_LEASE_SECONDS": str(lease_seconds),
            "BLOTATO_POSTS_PER_MINUTE": str(round(_POSTS_PER_MINUTE * rate_scale)),
            "BLOTATO_UPLOADS_PER_MINUTE": str(round(_UPLOADS_PER_MINUTE * rate_scale)),
        },
    )
    stack = open_stack(cloud, providers, blotato=blotato, provider_webhooks=provider_webhooks)
    if catalog is not None:
        cloud.client("s3").put_object(Bucket=stack.bucket, Key=_CATALOG_KEY, Body=catalog.encode())
    return stack


def open_stack(
    cloud: LocalCloud, providers: Sequence[Outside], *, blotato: Outside, provider_webhooks: Sequence[str] = ()
) -> Stack:
    """Store the secrets of a deployed stack and where it is, and make an API key."""
    stack = _read_stack(cloud)
    secrets = {
        **{f"providers/{other.name}-api-key": other.api_key for other in providers},
        "blotato-api-key": blotato.api_key,
        "webhook-signing-key": WEBHOOK_SIGNING_KEY,
        **{f"webhooks/{provider}-secret": PROVIDER_WEBHOOK_SECRET for provider in provider_webhooks},
    }
    parameters = cloud.client("ssm")
    for name, value in secrets.items():
        parameters.put_parameter(Name=f"/mediaposter/{STACK_NAME}/{name}", Value=value, Type="SecureString")
    tell_base_url(cloud)
    return stack


def tell_base_url(cloud: LocalCloud) -> str:
    """Tell the stack where its API is, and give it: the template's own value is of AWS.

    Functions call the API there, and tell others to.
    """
    base_url = find_base_url(cloud)
    cloud.client("ssm").put_parameter(
        Name=f"/mediaposter/{STACK_NAME}/public-url", Value=base_url, Type="String", Overwrite=True
    )
    return base_url


def _set_variables(cloud: LocalCloud, variables: Mapping[str, str]) -> None:
    functions = cloud.client("lambda")
    unknown = set(variables)
    for page in functions.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            deployed = function["Environment"]["Variables"]
            unknown -= set(deployed)
            own = {name: value for name, value in variables.items() if deployed.get(name, value) != value}
            if own:
                functions.update_function_configuration(
                    FunctionName=function["FunctionName"], Environment={"Variables": {**deployed, **own}}
                )
    if unknown:
        raise CloudError(f"No function of template.yaml has the variables {', '.join(sorted(unknown))}.")


def read_outputs(cloud: LocalCloud) -> dict[str, str]:
    """Read what the stack tells of itself."""
    description = cloud.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}


def find_base_url(cloud: LocalCloud) -> str:
    """Find where the API of the stack is.

    It is another host than S3's, as on AWS: a redirect to the bucket must not carry the API key along.
    """
    return f"http://localhost:{cloud.port}/_aws/execute-api/{read_outputs(cloud)['ApiId']}/v1"


def _read_stack(cloud: LocalCloud) -> Stack:
    outputs = read_outputs(cloud)
    keys = KeyStore(LibraryTable(cloud.client("dynamodb"), outputs["LibraryTable"]))
    secret, _ = keys.create("local", scopes=tuple(Scope), now=datetime.now(UTC))
    return Stack(
        base_url=find_base_url(cloud),
        api_key=secret,
        endpoint_url=cloud.endpoint_url,
        table=outputs["LibraryTable"],
        bucket=outputs["VideoBucket"],
        state_machine_arn=outputs["StateMachineArn"],
    )


def _digest_sources() -> str:
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())  # local layers are of this Python
    for source in _SOURCES:
        path = ROOT / source
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(ROOT)}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _lock(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, kind)
        yield


def _remove_unused() -> None:
    """Remove the snapshots of other sources that no world runs on; each has 400 MB."""
    for used in _SNAPSHOTS.glob("*/used"):
        try:
            with _lock(used, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(used.parent)
        except BlockingIOError:
            continue


def _make(snapshot: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="making-", dir=_SNAPSHOTS) as making:
        directory = Path(making)
        cloud = LocalCloud(directory, saves_to=directory / "snapshot")
        with cloud:
            deploy(cloud, build(cloud))
            cloud.save()
        (directory / "snapshot").rename(snapshot)


def build(cloud: LocalCloud, root: Path = ROOT) -> Path:
    """Build the template of a checkout, and give what `deploy` takes.

    Raises:
        CloudError: SAM refused.
    """
    built = Path(tempfile.mkdtemp(prefix="build-", dir=cloud.directory))
    _run_sam(cloud, root, "build", "--build-dir", str(built))
    return built / "template.yaml"


def upload(cloud: LocalCloud, template: Path) -> Path:
    """Upload what a built template names, so that to deploy it takes seconds, and give the template of what is there.

    Raises:
        CloudError: SAM refused.
    """
    cloud.client("s3").create_bucket(Bucket=_DEPLOY_BUCKET)
    uploaded = template.with_name("uploaded.yaml")
    files = ("--template-file", str(template), "--output-template-file", str(uploaded))
    _run_sam(cloud, ROOT, "package", *files, "--s3-bucket", _DEPLOY_BUCKET, "--region", REGION, "--no-progressbar")
    return uploaded


def deploy(cloud: LocalCloud, template: Path, parameters: Mapping[str, str] = MappingProxyType({})) -> None:
    """Deploy a built template as a user does; what a world says itself is left as the template has it.

    Args:
        cloud: where it goes. A stack that is there is updated.
        template: what was built, or uploaded too.
        parameters: of the template. An update keeps those that it does not name.

    Raises:
        CloudError: SAM or MiniStack refused.
    """
    cloud.client("s3").create_bucket(Bucket=_DEPLOY_BUCKET)
    overrides = {"BucketTransport": "any", "WebhookTransport": "any", **parameters}
    _run_sam(
        cloud,
        ROOT,
        "deploy",
        *("--template-file", str(template)),
        *("--stack-name", STACK_NAME, "--region", REGION, "--s3-bucket", _DEPLOY_BUCKET),
        *("--no-confirm-changeset", "--no-progressbar"),
        *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"),
        *("--parameter-overrides", *(f"{name}={value}" for name, value in overrides.items())),
    )
    _put_gateway_responses(cloud)


def _put_gateway_responses(cloud: LocalCloud) -> None:
    """Put the gateway responses of the API's body, which MiniStack leaves out when it imports one."""
    formation = cloud.client("cloudformation")
    resource = formation.describe_stack_resource(StackName=STACK_NAME, LogicalResourceId="VideosApi")
    api_id = resource["StackResourceDetail"]["PhysicalResourceId"]
    processed = formation.get_template(StackName=STACK_NAME, TemplateStage="Processed")
    properties = processed["TemplateBody"]["Resources"]["VideosApi"]["Properties"]
    gateway = cloud.client("apigateway")
    for response_type, response in _ApiProperties.model_validate(properties).body.gateway_responses.items():
        status = {"statusCode": response.status_code} if response.status_code else {}
        gateway.put_gateway_response(
            restApiId=api_id,
            responseType=response_type,
            responseParameters=response.response_parameters,
            responseTemplates=response.response_templates,
            **status,
        )
    gateway.create_deployment(restApiId=api_id, stageName="v1")


def _run_sam(cloud: LocalCloud, root: Path, *arguments: str) -> None:
    log_path = cloud.directory / "sam.log"
    with log_path.open("ab") as log:
        done = subprocess.run(
            [TOOLS / "sam" / "bin" / "sam", *arguments],
            cwd=root,
            env={
                # uv and pip have settings of their own there: mirrors, certificates.
                **os.environ,
                **cloud.environment(),
                "AWS_ENDPOINT_URL": cloud.endpoint_url,
                "LAYER_PYTHON": str(TOOLS / "ministack" / "bin" / "python"),
                "UV": str(ROOT / ".venv" / "bin" / "uv"),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=_DEPLOY_TIMEOUT_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        words = log_path.read_text(errors="replace")[-3000:]
        raise CloudError(f"sam {arguments[0]} ended with {done.returncode}. Its last words:\n{words}")


if __name__ == "__main__":
    with use_snapshot() as made:
        sys.stdout.write(f"{made} has the stack of the sources as they are.\n")
