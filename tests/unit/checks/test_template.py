"""A planted fault for every rule on template.yaml; what cfn-lint finds has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.template import check_template
from tests.unit.checks.planting import plant

_STATEMENT = "            - {Sid: RecordVideo, Effect: Allow,\n"
# Those of ProviderWebhooksFunction.
_POLICIES = "      Policies:\n"
_ATTACHED = "        - !Ref ReadCatalogPolicy\n        - !Ref AnswerTaskTokensPolicy\n        - Statement:\n"
_CODE = "      Handler: submit.handler\n"


def _find_line(root: Path, logical_id: str) -> int:
    return (root / "template.yaml").read_text().splitlines().index(f"  {logical_id}:") + 1


def test_an_untouched_copy_keeps_every_rule(root: Path) -> None:
    assert list(check_template(root)) == []


_FAULTS = {
    "SubmitFunction: it must have no Role": (_CODE, f"{_CODE}      Role: !GetAtt ApiLogRole.Arn\n"),
    "SubmitFunction: it must have no Runtime": (_CODE, f"{_CODE}      Runtime: python3.12\n"),
    "ProviderWebhooksFunction: it has 9 managed policies and may have 8": (
        _POLICIES + _ATTACHED,
        _POLICIES + "        - !Ref ReadCatalogPolicy\n" * 7 + _ATTACHED,
    ),
    "VideosApi: POST /uploads must take a key, as every other route": (
        "Method: POST, Path: /uploads}}\n",
        "Method: POST, Path: /uploads, Auth: {Authorizer: NONE}}}\n",
    ),
    "VideosApi: POST /webhooks/{provider} takes no key: its MethodSettings must have a throttle of its own below 100": (
        "HttpMethod: POST\n          ThrottlingRateLimit: 25\n",
        "HttpMethod: POST\n          ThrottlingRateLimit: 100\n",
    ),
    "VideosApi: its MethodSettings must have a ThrottlingRateLimit for all routes": (
        "          ThrottlingRateLimit: 100\n",
        "",
    ),
    "SweepFunction: the action states:List* names more than it needs": (
        "Sid: LookForExecution, Effect: Allow, Action: states:DescribeExecution,",
        "Sid: LookForExecution, Effect: Allow, Action: [states:DescribeExecution, states:List*],",
    ),
    "VideoBucketPolicy: the action s3:* names more than it needs": (
        "            Effect: Deny\n",
        "            Effect: Allow\n",
    ),
    "SubmitFunction: the action dynamodb:* names more than it needs": (
        _STATEMENT,
        (
            "            - {Sid: Less, Effect: Deny, Action: dynamodb:*, Resource: !GetAtt LibraryTable.Arn}\n"
            f"{_STATEMENT}"
        ),
    ),
    "SweepFunction: a statement must name what it is about, not what it is not: NotAction": (
        "Sid: LookForExecution, Effect: Allow, Action: states:DescribeExecution,",
        "Sid: LookForExecution, Effect: Allow, NotAction: states:StopExecution,",
    ),
    'SweepFunction: the Resource of dynamodb:Query must not be "*"': (
        '!Sub "${LibraryTable.Arn}/index/Due", !Sub "${LibraryTable.Arn}/index/Waiting"]',
        '!Sub "${LibraryTable.Arn}/index/Due", "*"]',
    ),
    "CloseVideoFunction: the event ExecutionBrokeOff must have a DeadLetterConfig": (
        (
            "            DeadLetterConfig: {Arn: !GetAtt DeadLetterQueue.Arn}\n"
            "            RetryPolicy: {MaximumRetryAttempts: 8,"
        ),
        "            RetryPolicy: {MaximumRetryAttempts: 8,",
    ),
    "CloseVideoFunction: its EventInvokeConfig must have a DestinationConfig with OnFailure": (
        (
            "      EventInvokeConfig:\n        MaximumRetryAttempts: 2\n        DestinationConfig:\n"
            "          OnFailure: {Type: SQS, Destination: !GetAtt DeadLetterQueue.Arn}\n      Events:\n"
        ),
        "      Events:\n",
    ),
    "SubmitFunction: its EventInvokeConfig must have a DestinationConfig with OnFailure": (
        _CODE,
        f"{_CODE}      EventInvokeConfig: {{MaximumRetryAttempts: 0}}\n",
    ),
    "LogGroup: it must have RetentionInDays": (
        "  LogGroup:\n    Type: AWS::Logs::LogGroup\n    Properties: {RetentionInDays: !Ref LogRetentionDays}\n",
        "  LogGroup:\n    Type: AWS::Logs::LogGroup\n    Properties: {LogGroupClass: STANDARD}\n",
    ),
    "LibraryTable: TableName must come from AWS::StackName": (
        "      BillingMode: PAY_PER_REQUEST\n",
        "      BillingMode: PAY_PER_REQUEST\n      TableName: library\n",
    ),
    "SweepFunction: the event EveryMinute must have a Name that comes from AWS::StackName, or OmitName": (
        "            ScheduleExpression: rate(1 minute)\n",
        "            ScheduleExpression: rate(1 minute)\n            OmitName: false\n            Name: sweep\n",
    ),
    "VideoBucket: PublicAccessBlockConfiguration.BlockPublicPolicy must be True": (
        "        BlockPublicPolicy: true\n",
        "        BlockPublicPolicy: false\n",
    ),
    "LibraryTable: SSESpecification.SSEEnabled must be True": ("      SSESpecification: {SSEEnabled: true}\n", ""),
    "VideoBucket: a lifecycle rule must abort multipart uploads after 1 day": (
        "          - Id: AbortStaleUploads\n            Status: Enabled\n",
        "          - Id: AbortStaleUploads\n            Status: Disabled\n",
    ),
}


def _assert_named(root: Path, old: str, new: str, sentence: str) -> None:
    plant(root, "template.yaml", old, new)

    line = _find_line(root, sentence.partition(":")[0])
    assert [found for found in check_template(root) if found.startswith(f"template.yaml:{line}: {sentence}")]


@pytest.mark.parametrize("sentence", _FAULTS)
def test_a_fault_is_named_by_line_and_resource(root: Path, sentence: str) -> None:
    _assert_named(root, *_FAULTS[sentence], sentence)


@pytest.mark.parametrize(
    "policy", ["StatementKeeperFullAccess", "DynamoDBCrudPolicy: {TableName: !Ref LibraryTable}", "!Ref LibraryTable"]
)
def test_a_policy_that_names_no_actions_here_is_named(root: Path, policy: str) -> None:
    sentence = "ProviderWebhooksFunction: its Policies must be statements that name their actions"
    _assert_named(root, _POLICIES + _ATTACHED, f"{_POLICIES}        - {policy}\n{_ATTACHED}", sentence)


@pytest.mark.parametrize(
    ("kind", "targets"),
    [
        ("Events::Rule", "Targets: [{Id: sweep, Arn: !GetAtt SweepFunction.Arn}]"),
        ("Scheduler::Schedule", "Target: {Arn: !GetAtt SweepFunction.Arn}"),
    ],
)
def test_a_plain_schedule_without_a_dead_letter_queue_is_named(root: Path, kind: str, targets: str) -> None:
    properties = f"    Properties:\n      ScheduleExpression: rate(1 day)\n      {targets}\n\n"
    new = f"  Nightly:\n    Type: AWS::{kind}\n{properties}  DeadLetterQueuePolicy:\n"
    sentence = "Nightly: each of its targets must have a DeadLetterConfig"
    _assert_named(root, "  DeadLetterQueuePolicy:\n", new, sentence)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Bool: {aws:SecureTransport: "false"}', 'Bool: {aws:SecureTransport: "true"}'),
        ("      Bucket: !Ref VideoBucket\n", "      Bucket: another\n"),
        ("    Default: tls-only\n", "    Default: any\n"),
    ],
)
def test_a_bucket_that_takes_plain_http_is_named(root: Path, old: str, new: str) -> None:
    _assert_named(root, old, new, "VideoBucket: a policy must deny s3:* to all")


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("    Architectures: [arm64]\n", "    Architectures: [x86_64]\n", "Architectures must be ['arm64']"),
        ("      LogGroup: !Ref LogGroup\n", "", "LoggingConfig.LogGroup must be {'Ref': 'LogGroup'}"),
    ],
)
def test_a_fault_of_all_functions_is_named(root: Path, old: str, new: str, finding: str) -> None:
    plant(root, "template.yaml", old, new)

    assert f"template.yaml: Globals: {finding}" in check_template(root)


def test_an_anchor_and_its_alias_are_named_by_their_lines(root: Path) -> None:
    anchor = plant(
        root, "template.yaml", "  Properties: {CloudWatchRoleArn:", "  Properties: &role {CloudWatchRoleArn:"
    )
    alias = plant(
        root, "template.yaml", "      SSESpecification: {SSEEnabled: true}\n", "      SSESpecification: *role\n"
    )

    findings = list(check_template(root))

    assert [finding.partition(": an anchor or alias")[0] for finding in findings[:2]] == [anchor, alias]


def test_a_name_that_comes_from_the_stack_is_allowed(root: Path) -> None:
    billing = "      BillingMode: PAY_PER_REQUEST\n"
    plant(root, "template.yaml", billing, billing + '      TableName: !Sub "${AWS::StackName}-library"\n')

    assert list(check_template(root)) == []


def test_a_schedule_of_a_state_machine_needs_no_invoke_configuration(root: Path) -> None:
    event = "{ScheduleExpression: rate(1 day), OmitName: true, DeadLetterConfig: {Arn: !GetAtt DeadLetterQueue.Arn}}"
    definition = "      DefinitionUri: statemachine/video.asl.json\n"
    events = f"      Events:\n        Nightly:\n          Type: ScheduleV2\n          Properties: {event}\n"
    plant(root, "template.yaml", definition, definition + events)

    assert list(check_template(root)) == []
