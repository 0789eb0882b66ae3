"""A stack is found by its name at AWS, and what hinders that is told in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import CredentialRetrievalError, EndpointConnectionError, PartialCredentialsError
from moto import mock_aws

from mediaposter.cli import main
from mediaposter.cli.deployed_stack import explain_aws_errors, open_stack
from mediaposter.cli.session import Session
from mediaposter.cli.session import open_stack as open_stack_of_session
from mediaposter.domain.errors import ConfigurationError
from mediaposter.stores.keys import Scope
from mediaposter.stores.series import Series, Sheet, SheetFormat
from tests.builders import NOW
from tests.unit.functions.stack import shipped_template

SCHEMA = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
OUTPUTS = {
    "BaseUrl": "https://abc123.execute-api.eu-central-1.amazonaws.com/v1",
    "ApiId": "abc123",
    "LibraryTable": "library",
    "VideoBucket": "videos-of-the-stack",
    "StateMachineArn": "arn:aws:states:eu-central-1:123456789012:stateMachine:video",
    "SecretsPath": "/mediaposter/studio",
}
PARAMETERS = {
    "ModelAliases": "sora-2=gen4.5",
    "CatalogKey": "config/catalog.toml",
    "FallbackModels": "",
    "InboxOwner": "ann",
}
NO_SUCH_STACK = {"Code": "ValidationError", "Message": "Stack with id studio does not exist"}
NOBODY = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}

ACCESS_DENIED = {"Code": "AccessDenied", "Message": "You may not."}

Describe = Callable[..., boto3.Session]


def refuse(error: dict[str, str], **_: object) -> Any:
    """Answer a call before it is made, as botocore's own Stubber does."""
    return AWSResponse("", 400, HTTPHeaders(), None), {"Error": error, "ResponseMetadata": {}}


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Take away whatever this machine knows of AWS."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "DEFAULT_REGION", "REGION", "PROFILE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in NOBODY.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def describe(nobody: pytest.MonkeyPatch) -> Describe:
    """Give a session in which CloudFormation describes a stack so."""

    def make_session(
        *, error: dict[str, str] | None = None, outputs: dict[str, str] = OUTPUTS, status: str = "UPDATE_COMPLETE"
    ) -> boto3.Session:
        stack = {
            "StackName": "studio",
            "StackStatus": status,
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in PARAMETERS.items()],
        }

        def answer(params: dict[str, Any], **_: object) -> Any:
            assert params["body"]["StackName"] == "studio"
            return refuse(error) if error else (AWSResponse("", 200, HTTPHeaders(), None), {"Stacks": [stack]})

        session = boto3.Session(
            aws_access_key_id="testing", aws_secret_access_key="testing", region_name="eu-central-1"
        )
        session.events.register("before-call.cloudformation.DescribeStacks", answer)
        return session

    return make_session


@pytest.fixture
def services(describe: Describe) -> Iterator[boto3.Session]:
    """Give a session with the table and the bucket of the stack."""
    properties = shipped_template().resources["LibraryTable"].properties
    with mock_aws():
        session = describe()
        session.client("dynamodb").create_table(TableName="library", **{name: properties[name] for name in SCHEMA})
        session.client("s3").create_bucket(
            Bucket=OUTPUTS["VideoBucket"], CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        yield session


def find_refusal(session: boto3.Session | None, *, endpoint_url: str | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        open_stack("studio", endpoint_url=endpoint_url, session=session)
    return str(caught.value)


def test_a_stack_is_found_with_its_address_and_its_keys(services: boto3.Session) -> None:
    stack = open_stack("studio", endpoint_url=None, session=services)

    secret, api_key = stack.keys.create("laptop", scopes=(Scope.READ,), now=NOW)
    assert (stack.name, stack.base_url, stack.api_id) == ("studio", OUTPUTS["BaseUrl"], "abc123")
    assert stack.keys.find(secret) == api_key
    assert stack.keys.list() == [api_key]


def test_series_are_kept_in_the_stack_with_their_sheets_and_entries(
    services: boto3.Session, describe: Describe
) -> None:
    outputs = {
        **OUTPUTS,
        "ScheduleGroup": "studio",
        "ScheduleRoleArn": "arn:aws:iam::123456789012:role/studio-SeriesScheduleRole",
        "IntakeQueueArn": "arn:aws:sqs:eu-central-1:123456789012:studio-IntakeQueue",
        "DeadLetterQueueArn": "arn:aws:sqs:eu-central-1:123456789012:studio-DeadLetterQueue",
    }
    services.client("scheduler").create_schedule_group(Name="studio")
    stack = open_stack("studio", endpoint_url=None, session=describe(outputs=outputs))
    key = stack.sheets.put("kites", b"prompt\nA kite", SheetFormat.CSV, now=NOW)
    series = Series(
        name="kites",
        owner=stack.settings.inbox_owner,
        timing="daily 09:00",
        expression="cron(0 9 * * ? *)",
        timezone="Europe/Berlin",
        sheet=Sheet(key=key, format=SheetFormat.CSV),
        waiting=(1,),
        created_at=NOW,
    )

    stack.scheduler.require()
    stack.series.create(series)
    stack.scheduler.put(series)

    assert (stack.series.list_all(), stack.scheduler.list_enabled()) == ([series], {"kites": True})
    assert series.owner == "ann"
    target = services.client("scheduler").get_schedule(Name="kites", GroupName="studio")["Target"]
    assert (target["Arn"], target["RoleArn"], target["DeadLetterConfig"]["Arn"]) == (
        outputs["IntakeQueueArn"],
        outputs["ScheduleRoleArn"],
        outputs["DeadLetterQueueArn"],
    )


def test_a_stack_says_what_it_is_too_old_for(describe: Describe) -> None:
    old = open_stack("studio", endpoint_url=None, session=describe())
    new = open_stack("studio", endpoint_url=None, session=describe(outputs={**OUTPUTS, "KeyRestrictions": "accounts"}))

    newest = open_stack(
        "studio", endpoint_url=None, session=describe(outputs={**OUTPUTS, "KeyRestrictions": "accounts monthly"})
    )

    assert (old.knows_key_restrictions, new.knows_key_restrictions) == (False, True)
    assert (new.knows_monthly_budgets, newest.knows_monthly_budgets) == (False, True)
    with pytest.raises(ConfigurationError, match="deployed before there were series"):
        old.scheduler.require()


def test_a_secret_is_read_where_the_stack_says_and_how_to_put_one_that_is_missing_is_told(
    services: boto3.Session,
) -> None:
    services.client("ssm").put_parameter(Name="/mediaposter/studio/a-secret", Value="abc==", Type="SecureString")
    stack = open_stack("studio", endpoint_url=None, session=services)

    assert stack.read_secret("a-secret") == "abc=="
    with pytest.raises(ConfigurationError, match="put-parameter --type SecureString --name /mediaposter/studio/other"):
        stack.read_secret("other")


def test_a_secret_is_put_encrypted_in_place_of_an_older_one(services: boto3.Session) -> None:
    stack = open_stack("studio", endpoint_url=None, session=services)

    stack.write_secret("blotato-api-key", "old=")
    stack.write_secret("blotato-api-key", "new=")

    kept = services.client("ssm").get_parameter(Name="/mediaposter/studio/blotato-api-key")["Parameter"]
    assert (stack.read_secret("blotato-api-key"), kept["Type"]) == ("new=", "SecureString")


def test_the_catalog_of_a_stack_is_read_as_its_functions_read_it_and_told_where_it_was_never_put(
    services: boto3.Session,
) -> None:
    stack = open_stack("studio", endpoint_url=None, session=services)
    with pytest.raises(ConfigurationError, match=r"There is no config/catalog\.toml in the bucket"):
        stack.read_catalog()

    body = b'[models."gen4.5"]\nexpected_render_seconds = 7\n'
    services.client("s3").put_object(Bucket=OUTPUTS["VideoBucket"], Key="config/catalog.toml", Body=body)

    catalog = stack.read_catalog()
    assert catalog.models["gen4.5"].expected_render_seconds == 7
    assert catalog.aliases["sora-2"] == "gen4.5"


def test_a_catalog_that_may_not_be_read_is_told(describe: Describe) -> None:
    session = describe()
    session.events.register("before-call.s3.GetObject", partial(refuse, ACCESS_DENIED))

    with pytest.raises(ConfigurationError, match=r"AWS refused GetObject \(AccessDenied\): You may not\."):
        open_stack("studio", endpoint_url=None, session=session).read_catalog()


def test_keys_that_may_not_be_read_are_told_on_stderr(describe: Describe, capsys: pytest.CaptureFixture[str]) -> None:
    session = describe()
    session.events.register("before-call.dynamodb.Query", partial(refuse, ACCESS_DENIED))

    status = main(
        ["keys", "list", "--stack", "studio"], session=Session(open_stack=partial(open_stack, session=session))
    )

    assert (status, *capsys.readouterr()) == (1, "", "AWS refused Query (AccessDenied): You may not.\n")


def test_the_local_cloud_serves_the_api_at_an_address_of_its_own(
    nobody: pytest.MonkeyPatch, describe: Describe
) -> None:
    named = open_stack("studio", endpoint_url="http://localhost:4566", session=describe())
    nobody.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    from_environment = open_stack("studio", endpoint_url=None, session=describe())

    assert named.base_url == from_environment.base_url == "http://localhost:4566/_aws/execute-api/abc123/v1"


def test_a_stack_that_is_not_there_is_told_with_its_region(describe: Describe) -> None:
    assert find_refusal(describe(error=NO_SUCH_STACK)) == (
        "There is no stack studio in eu-central-1. Name yours with --stack, and its region with AWS_REGION or "
        "AWS_PROFILE."
    )


def test_another_refusal_is_not_taken_for_a_stack_that_is_not_there(describe: Describe) -> None:
    error = {"Code": "ExpiredToken", "Message": "The security token included in the request is expired"}

    assert find_refusal(describe(error=error)) == (
        "AWS refused DescribeStacks (ExpiredToken): The security token included in the request is expired"
    )


def test_a_stack_of_something_else_is_told(describe: Describe) -> None:
    sentence = find_refusal(describe(outputs={"Url": "https://example.com"}, status="CREATE_IN_PROGRESS"))

    assert sentence.startswith("The stack studio (CREATE_IN_PROGRESS) is not one of MediaPoster, or not deployed yet")


def test_who_has_no_credentials_is_told(nobody: pytest.MonkeyPatch) -> None:
    nobody.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    assert find_refusal(None).startswith("There are no AWS credentials here that work.")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
            "There are no AWS credentials here",
        ),
        (CredentialRetrievalError(provider="process", error_msg="ended with 1"), "There are no AWS credentials here"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1/"), "AWS could not be reached: Could not conn"),
    ],
)
def test_what_hinders_a_call_is_told(error: Exception, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence), explain_aws_errors():
        raise error


def test_who_has_no_region_is_told(nobody: pytest.MonkeyPatch) -> None:
    assert find_refusal(None).startswith("No AWS region is set. Set AWS_REGION")


def test_the_region_of_aws_region_counts(nobody: pytest.MonkeyPatch) -> None:
    nobody.setenv("AWS_REGION", "eu-west-3")

    # With a region, credentials are what is missing next.
    with pytest.raises(ConfigurationError, match="There are no AWS credentials here that work"):
        open_stack_of_session("studio", endpoint_url=None)


def test_a_profile_that_is_not_there_is_told(nobody: pytest.MonkeyPatch) -> None:
    nobody.setenv("AWS_PROFILE", "nobodys")

    assert find_refusal(None) == "AWS could not be reached: The config profile (nobodys) could not be found"


def test_an_address_that_is_none_is_told(describe: Describe) -> None:
    assert find_refusal(describe(), endpoint_url="nowhere") == "The address of AWS is wrong: Invalid endpoint: nowhere"


def test_a_fault_of_ours_stays_a_fault() -> None:
    with pytest.raises(ZeroDivisionError), explain_aws_errors():
        raise ZeroDivisionError
