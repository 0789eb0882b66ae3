"""Access to a deployed stack by its name, with the caller's own rights in the AWS account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mediaposter.ai.catalog import Catalog, built_in_catalog, built_in_catalog_text, parse_catalog
from mediaposter.cli.scheduler import Places, Scheduler
from mediaposter.config import Settings
from mediaposter.domain.errors import ConfigurationError
from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.keys import KeyStore
from mediaposter.stores.media import MediaStore
from mediaposter.stores.s3_bucket import S3Bucket
from mediaposter.stores.series import SeriesStore, Sheet, SheetFormat
from mediaposter.stores.sheets import SheetStore

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_cloudformation.type_defs import StackTypeDef
    from mypy_boto3_ssm import SSMClient

# A person waits for the answer.
_AWS = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})


class _Outputs(BaseModel):
    """The Outputs of template.yaml."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    base_url: str = Field(alias="BaseUrl")
    api_id: str = Field(alias="ApiId")
    table: str = Field(alias="LibraryTable")
    bucket: str = Field(alias="VideoBucket")
    secrets_path: str = Field(alias="SecretsPath")
    # A stack older than series lacks these, but supports everything else.
    schedule_group: str = Field(default="", alias="ScheduleGroup")
    schedule_role_arn: str = Field(default="", alias="ScheduleRoleArn")
    intake_queue_arn: str = Field(default="", alias="IntakeQueueArn")
    dead_letter_queue_arn: str = Field(default="", alias="DeadLetterQueueArn")
    # An older stack does not say which restrictions of keys it enforces.
    key_restrictions: str = Field(default="", alias="KeyRestrictions")


class _Parameters(BaseModel):
    """The Parameters of template.yaml about models, Blotato and owners."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model_aliases: str = Field(default="", alias="ModelAliases")
    catalog_key: str = Field(default="", alias="CatalogKey")
    blotato_base_url: str = Field(default=Settings().blotato_base_url, alias="BlotatoBaseUrl")
    inbox_owner: str = Field(default=Settings().inbox_owner, alias="InboxOwner")


class SheetKeeper(Protocol):
    """Stores the sheets of series."""

    def put(self, name: str, content: bytes, sheet_format: SheetFormat, *, now: datetime) -> str:
        """Store a sheet, and return its key."""

    def read(self, sheet: Sheet) -> bytes:
        """Read a sheet. Raises ConfigurationError."""

    def remove_all(self, name: str) -> None:
        """Remove the sheets of a series."""


@dataclass(frozen=True)
class DeployedStack:
    """A stack and its stores.

    Attributes:
        name: its CloudFormation name.
        base_url: the base URL for a client.
        api_id: the id of its API.
        keys: its API keys.
        series: its series.
        sheets: their sheets.
        scheduler: the schedules of series at EventBridge Scheduler.
        read_file: reads a small file from its bucket, by key.
        read_secret: reads one of its secrets, by its name below the stack's path; raises ConfigurationError if missing.
        write_secret: puts one of its secrets, by the same name.
        settings: its functions' settings for models and owners, and Blotato's URL.
        knows_key_restrictions: whether it enforces the accounts and the expiry of keys, and knows the scope approve.
        knows_monthly_budgets: whether it enforces the monthly budget of a key.
    """

    name: str
    base_url: str
    api_id: str
    keys: KeyStore
    series: SeriesStore
    sheets: SheetKeeper
    scheduler: Scheduler
    read_file: Callable[[str], str]
    read_secret: Callable[[str], str]
    write_secret: Callable[[str, str], None]
    settings: Settings
    knows_key_restrictions: bool = True
    knows_monthly_budgets: bool = True

    def read_catalog(self) -> Catalog:
        """Read the catalog that the stack's functions use.

        Raises:
            ConfigurationError: its file or its aliases are wrong; the message says where.
        """
        catalog = built_in_catalog()
        if key := self.settings.catalog_key:
            with explain_aws_errors():
                text = self.read_file(key)
            catalog = parse_catalog(text, extending=built_in_catalog_text())
        return catalog.with_aliases(self.settings.model_aliases)


class OpenStack(Protocol):
    """Finds a stack by its name."""

    def __call__(self, name: str, *, endpoint_url: str | None) -> DeployedStack:
        """Find it, at AWS or where `endpoint_url` says.

        Raises:
            ConfigurationError: it cannot be reached, and why.
        """
        ...


def open_stack(name: str, *, endpoint_url: str | None, session: boto3.Session | None = None) -> DeployedStack:
    """Find a stack by its name, with the credentials and the region of the environment.

    Raises:
        ConfigurationError: it cannot be reached, and why.
    """
    with explain_aws_errors():
        session = session or boto3.Session()
        try:
            formation = session.client("cloudformation", endpoint_url=endpoint_url, config=_AWS)
        except ValueError as error:
            raise ConfigurationError(f"The address of AWS is wrong: {error}") from error
        try:
            [stack] = formation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            # The code of CloudFormation's only error about a name.
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            raise ConfigurationError(
                f"There is no stack {name} in {formation.meta.region_name}. Name yours with --stack, and its region "
                "with AWS_REGION or AWS_PROFILE."
            ) from error
        outputs = _read_outputs(stack)
        parameters = _Parameters.model_validate(
            {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack.get("Parameters", [])}
        )
        table = LibraryTable(session.client("dynamodb", endpoint_url=endpoint_url, config=_AWS), outputs.table)
        ssm = session.client("ssm", endpoint_url=endpoint_url, config=_AWS)
        bucket = S3Bucket(session.client("s3", endpoint_url=endpoint_url, config=_AWS), outputs.bucket)
        return DeployedStack(
            name=name,
            base_url=_find_base_url(outputs, formation.meta.endpoint_url),
            api_id=outputs.api_id,
            keys=KeyStore(table),
            knows_key_restrictions=bool(outputs.key_restrictions),
            knows_monthly_budgets="monthly" in outputs.key_restrictions.split(),
            series=SeriesStore(table),
            sheets=SheetStore(bucket),
            scheduler=Scheduler(
                session.client("scheduler", endpoint_url=endpoint_url, config=_AWS),
                Places(
                    group=outputs.schedule_group,
                    role_arn=outputs.schedule_role_arn,
                    queue_arn=outputs.intake_queue_arn,
                    dead_letter_arn=outputs.dead_letter_queue_arn,
                ),
            ),
            read_file=MediaStore(bucket).read_text,
            read_secret=partial(_read_secret, ssm, outputs.secrets_path),
            write_secret=partial(_write_secret, ssm, outputs.secrets_path),
            settings=Settings.from_environment(
                {
                    "MODEL_ALIASES": parameters.model_aliases,
                    "CATALOG_KEY": parameters.catalog_key,
                    "BLOTATO_BASE_URL": parameters.blotato_base_url,
                    "INBOX_OWNER": parameters.inbox_owner,
                }
            ),
        )


def _read_secret(client: SSMClient, secrets_path: str, name: str) -> str:
    path = f"{secrets_path}/{name}"
    with explain_aws_errors():
        try:
            return client.get_parameter(Name=path, WithDecryption=True)["Parameter"]["Value"]
        except client.exceptions.ParameterNotFound as error:
            raise ConfigurationError(
                f"The secret {path} is missing. Put it: "
                f"aws ssm put-parameter --type SecureString --name {path} --value …"
            ) from error


def _write_secret(client: SSMClient, secrets_path: str, name: str, value: str) -> None:
    with explain_aws_errors():
        # Under the default KMS key: the functions have no right to another.
        client.put_parameter(Name=f"{secrets_path}/{name}", Value=value, Type="SecureString", Overwrite=True)


@contextmanager
def explain_aws_errors() -> Iterator[None]:
    """Turn an AWS error into one sentence: why the call failed, or what AWS refused.

    Raises:
        ConfigurationError: with that sentence.
    """
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
        raise ConfigurationError(
            "There are no AWS credentials here that work. Log in with the AWS CLI, or name a profile that has some in "
            "AWS_PROFILE."
        ) from error
    except NoRegionError as error:
        raise ConfigurationError(
            "No AWS region is set. Set AWS_REGION, or a region in the profile that AWS_PROFILE names."
        ) from error
    except ClientError as error:
        refusal = error.response["Error"]
        raise ConfigurationError(
            f"AWS refused {error.operation_name} ({refusal['Code']}): {refusal.get('Message', 'it did not say why')}"
        ) from error
    except BotoCoreError as error:
        raise ConfigurationError(f"AWS could not be reached: {error}") from error


def _read_outputs(stack: StackTypeDef) -> _Outputs:
    found: dict[str, Any] = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    try:
        return _Outputs.model_validate(found)
    except ValidationError as error:
        raise ConfigurationError(
            f"The stack {stack['StackName']} ({stack['StackStatus']}) is not one of MediaPoster, or not deployed "
            "yet: it lacks outputs of template.yaml."
        ) from error


def _find_base_url(outputs: _Outputs, endpoint_url: str) -> str:
    """Return the base URL; the local cloud serves APIs at its own address, not at the template's."""
    endpoint = urlsplit(endpoint_url)
    if endpoint.hostname not in {"localhost", "127.0.0.1"}:
        return outputs.base_url
    # A different host from S3's, as on AWS: a redirect to the bucket must not carry the API key.
    return (
        f"{endpoint.scheme}://{endpoint.netloc.replace('127.0.0.1', 'localhost')}/_aws/execute-api/{outputs.api_id}/v1"
    )
