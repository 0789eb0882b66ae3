"""The cloud on one machine: MiniStack, and the project's own template deployed to it.

`LocalCloud.start` needs the two tool environments that `make tools` makes. Everything listens on
loopback, on free ports, and ends with `stop`.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import boto3
import httpx
from botocore.config import Config
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.keys import KeyStore, Scope

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / ".tools"
REGION = "us-east-1"
STACK_NAME = "mediaposter-local"
# What the providers with a secret sign their webhooks with.
PROVIDER_WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"the secret of the local providers").decode()
WEBHOOK_SIGNING_KEY = "the-signing-key-of-the-local-cloud"
_OWNER = "test"  # MiniStack's root credentials: this word as key and as secret
# Blotato's limits, which template.yaml has as its defaults.
_POSTS_PER_MINUTE = 30
_UPLOADS_PER_MINUTE = 10
_DEPLOY_BUCKET = "mediaposter-local-deploy"
_CATALOG_KEY = "config/catalog.toml"
_START_TIMEOUT_SECONDS = 30.0
_DEPLOY_TIMEOUT_SECONDS = 300.0
_STOP_TIMEOUT_SECONDS = 10.0


class CloudError(Exception):
    """The local cloud did not come up; the message has the tool's last words."""


class Stack(BaseModel):
    """A deployed stack and how to reach it."""

    model_config = ConfigDict(frozen=True)

    base_url: str
    api_key: str
    endpoint_url: str
    table: str
    bucket: str
    state_machine_arn: str


def find_free_port() -> int:
    """Find a free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Outside:
    """A provider or a publisher that the stack talks to, by the name that its secret begins with."""

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


@dataclass
class LocalCloud:
    """MiniStack with the stack on it.

    Attributes:
        directory: where logs and build artifacts go.
        wait_scale: what a second of a Wait state takes.
        concurrency: how many Lambdas run at once.
        lease_seconds: how long an announced call may go unreported.
    """

    directory: Path
    wait_scale: float = 1.0
    concurrency: int = 8
    lease_seconds: int = 120
    port: int = field(default_factory=find_free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        """Give the address of all AWS services."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def _scratch(self) -> Path:
        return self.directory.absolute() / "scratch"

    @property
    def pid(self) -> int:
        """Give the id of MiniStack's process group."""
        if self._process is None:
            raise CloudError("MiniStack does not run.")
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start MiniStack and wait until it answers.

        Raises:
            CloudError: it did not come up.
        """
        self._scratch.mkdir(parents=True, exist_ok=True)
        log_path = self.directory / "ministack.log"
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [TOOLS / "ministack" / "bin" / "python", "-P", ROOT / "sandbox" / "run_ministack.py"],
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.endpoint_url}/_ministack/health", timeout=1).is_success:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        words = log_path.read_text(errors="replace")[-2000:]
        self.stop()
        raise CloudError(f"MiniStack did not come up on port {self.port}. Its last words:\n{words}")

    def deploy(
        self,
        providers: Sequence[Outside],
        *,
        blotato: Outside,
        bedrock_url: str,
        aliases: Mapping[str, str],
        fallback_models: Sequence[str] = (),
        catalog: str | None = None,
        rate_scale: float = 1.0,
        provider_webhooks: Sequence[str] = (),
        provider_concurrency: Mapping[str, int] = MappingProxyType({}),
    ) -> Stack:
        """Build and deploy the template, put its secrets, and make an API key.

        Args:
            providers: who renders.
            blotato: who posts.
            bedrock_url: where Bedrock is.
            aliases: which models the names of OpenAI's lead to.
            fallback_models: which models take over when the one asked for refuses.
            catalog: what extends the catalog of models, as TOML.
            rate_scale: the factor between the stack's limits and Blotato's.
            provider_webhooks: which providers are heard when they say that a render has ended.
            provider_concurrency: how many videos a provider renders at once, where it is not what the catalog says.

        Raises:
            CloudError: SAM refused.
        """
        for place, other in [*((f"providers/{other.name}", other) for other in providers), ("blotato", blotato)]:
            self.client("ssm").put_parameter(
                Name=f"/mediaposter/{STACK_NAME}/{place}-api-key", Value=other.api_key, Type="SecureString"
            )
        self.client("ssm").put_parameter(
            Name=f"/mediaposter/{STACK_NAME}/webhook-signing-key", Value=WEBHOOK_SIGNING_KEY, Type="SecureString"
        )
        for provider in provider_webhooks:
            self.client("ssm").put_parameter(
                Name=f"/mediaposter/{STACK_NAME}/webhooks/{provider}-secret",
                Value=PROVIDER_WEBHOOK_SECRET,
                Type="SecureString",
            )
        self.client("s3").create_bucket(Bucket=_DEPLOY_BUCKET)
        build = self.directory / "build"
        # SAM tells a cached layer by its source, and this one's wheels are of one Python.
        cache = self.directory / "cache" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        self._run_sam("build", "--build-dir", str(build), "--cache-dir", str(cache), "--cached")
        parameters = {
            "ProviderBaseUrls": ",".join(f"{other.name}={other.base_url}" for other in providers),
            "BedrockEndpointUrl": bedrock_url,
            "BlotatoBaseUrl": blotato.base_url,
            "ModelAliases": ",".join(f"{alias}={name}" for alias, name in aliases.items()),
            "FallbackModels": ",".join(fallback_models),
            "ProviderConcurrency": ",".join(f"{name}={limit}" for name, limit in provider_concurrency.items()),
            "CatalogKey": _CATALOG_KEY if catalog is not None else "",
            "BucketTransport": "any",
            "WebhookTransport": "any",
            # Said even if there are none: the template's own default listens to fal. SAM takes no other empty value.
            "ProviderWebhooks": ",".join(provider_webhooks) or '""',
            "CallLeaseSeconds": str(self.lease_seconds),
            "BlotatoPostsPerMinute": str(round(_POSTS_PER_MINUTE * rate_scale)),
            "BlotatoUploadsPerMinute": str(round(_UPLOADS_PER_MINUTE * rate_scale)),
        }
        self._run_sam(
            "deploy",
            *("--template-file", str(build / "template.yaml")),
            *("--stack-name", STACK_NAME, "--region", REGION, "--s3-bucket", _DEPLOY_BUCKET),
            *("--no-confirm-changeset", "--no-progressbar"),
            *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"),
            *("--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items() if value)),
        )
        stack = self._read_stack()
        # Functions of its own call it there, and tell others to.
        self.client("ssm").put_parameter(
            Name=f"/mediaposter/{STACK_NAME}/public-url", Value=stack.base_url, Type="String", Overwrite=True
        )
        if catalog is not None:
            self.client("s3").put_object(Bucket=stack.bucket, Key=_CATALOG_KEY, Body=catalog.encode())
        return stack

    def client(self, service: Any) -> Any:
        """Make a client of a service of this cloud, with the rights of its owner."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=_OWNER,
            aws_secret_access_key=_OWNER,
            config=Config(retries={"total_max_attempts": 2}),
        )

    def stop(self) -> None:
        """End MiniStack and the Lambdas it runs."""
        if self._process is None:
            return
        stop_process_group(self._process)
        self._process = None
        # MiniStack unpacks every function with its layers, a quarter of a gigabyte for one, and leaves it there.
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _read_stack(self) -> Stack:
        description = self.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}
        self._put_gateway_responses(outputs["ApiId"])
        keys = KeyStore(LibraryTable(self.client("dynamodb"), outputs["LibraryTable"]))
        secret, _ = keys.create("local", scopes=tuple(Scope), now=datetime.now(UTC))
        return Stack(
            # Another host than S3's, as on AWS: a redirect to the bucket must not carry the API key along.
            base_url=f"http://localhost:{self.port}/_aws/execute-api/{outputs['ApiId']}/v1",
            api_key=secret,
            endpoint_url=self.endpoint_url,
            table=outputs["LibraryTable"],
            bucket=outputs["VideoBucket"],
            state_machine_arn=outputs["StateMachineArn"],
        )

    def _put_gateway_responses(self, api_id: str) -> None:
        """Put the gateway responses of the API's body, which MiniStack leaves out when it imports one."""
        processed = self.client("cloudformation").get_template(StackName=STACK_NAME, TemplateStage="Processed")
        properties = processed["TemplateBody"]["Resources"]["VideosApi"]["Properties"]
        gateway = self.client("apigateway")
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

    def _run_sam(self, *arguments: str) -> None:
        with (self.directory / "sam.log").open("ab") as log:
            done = subprocess.run(
                [TOOLS / "sam" / "bin" / "sam", *arguments],
                cwd=ROOT,
                env={
                    # uv and pip have settings of their own there: mirrors, certificates.
                    **os.environ,
                    **self._environment(),
                    "AWS_ENDPOINT_URL": self.endpoint_url,
                    "LAYER_PYTHON": str(TOOLS / "ministack" / "bin" / "python"),
                    "UV": str(ROOT / ".venv" / "bin" / "uv"),
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=_DEPLOY_TIMEOUT_SECONDS,
                check=False,
            )
        if done.returncode != 0:
            words = (self.directory / "sam.log").read_text(errors="replace")[-3000:]
            raise CloudError(f"sam {arguments[0]} ended with {done.returncode}. Its last words:\n{words}")

    def _environment(self) -> dict[str, str]:
        """Give the tools a clean environment: a Lambda inherits MiniStack's."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {
            **kept,
            "TMPDIR": str(self._scratch),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "AUTH": "true",
            "LAMBDA_ACCOUNT_CONCURRENCY": str(self.concurrency),
            "SFN_WAIT_SCALE": str(self.wait_scale),
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "SAM_CLI_TELEMETRY": "0",
            "AWS_ACCESS_KEY_ID": _OWNER,
            "AWS_SECRET_ACCESS_KEY": _OWNER,
            "AWS_DEFAULT_REGION": REGION,
        }


def stop_process_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads its group, and its children."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(_STOP_TIMEOUT_SECONDS)
    except ProcessLookupError:
        return
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
