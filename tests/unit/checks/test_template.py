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
_TLS = "a policy must deny s3:* to all"


def _find_line(root: Path, logical_id: str) -> int:
    return (root / "template.yaml").read_text().splitlines().index(f"  {logical_id}:") + 1


def test_an_untouched_copy_keeps_every_rule(root: Path) -> None:
    assert list(check_template(root)) == []


@pytest.mark.parametrize(
    ("old", "new", "logical_id", "finding"),
    [
        pytest.param(
            _CODE, f"{_CODE}      Role: !GetAtt ApiLogRole.Arn\n", "SubmitFunction", "it must have no Role", id="a role"
        ),
        pytest.param(
            _CODE, f"{_CODE}      Runtime: python3.12\n", "SubmitFunction", "it must have no Runtime", id="a runtime"
        ),
        pytest.param(
            _POLICIES + _ATTACHED,
            f"{_POLICIES}        - StatementKeeperFullAccess\n{_ATTACHED}",
            "ProviderWebhooksFunction",
            "its Policies must be statements that name their actions",
            id="a policy from elsewhere",
        ),
        pytest.param(
            _POLICIES + _ATTACHED,
            f"{_POLICIES}        - DynamoDBCrudPolicy: {{TableName: !Ref LibraryTable}}\n{_ATTACHED}",
            "ProviderWebhooksFunction",
            "its Policies must be statements that name their actions",
            id="a policy template",
        ),
        pytest.param(
            _POLICIES + _ATTACHED,
            f"{_POLICIES}        - !Ref LibraryTable\n{_ATTACHED}",
            "ProviderWebhooksFunction",
            "its Policies must be statements that name their actions",
            id="a reference to what is no policy",
        ),
        pytest.param(
            _POLICIES + _ATTACHED,
            _POLICIES + "        - !Ref ReadCatalogPolicy\n" * 7 + _ATTACHED,
            "ProviderWebhooksFunction",
            "it has 9 managed policies and may have 8",
            id="more policies than a role takes",
        ),
        pytest.param(
            "Method: POST, Path: /uploads}}\n",
            "Method: POST, Path: /uploads, Auth: {Authorizer: NONE}}}\n",
            "VideosApi",
            "POST /uploads must take a key, as every other route",
            id="a route without a key",
        ),
        pytest.param(
            "HttpMethod: POST\n          ThrottlingRateLimit: 25\n",
            "HttpMethod: POST\n          ThrottlingRateLimit: 100\n",
            "VideosApi",
            "POST /webhooks/{provider} takes no key: its MethodSettings must have a throttle of its own below 100",
            id="strangers who may take as much as those with a key",
        ),
        pytest.param(
            "          ThrottlingRateLimit: 100\n",
            "",
            "VideosApi",
            "its MethodSettings must have a ThrottlingRateLimit for all routes",
            id="no throttle at all",
        ),
        pytest.param(
            "Sid: LookForExecution, Effect: Allow, Action: states:DescribeExecution,",
            "Sid: LookForExecution, Effect: Allow, Action: [states:DescribeExecution, states:List*],",
            "SweepFunction",
            "the action states:List* names more than it needs",
            id="a wildcard in one of several actions",
        ),
        pytest.param(
            "            Effect: Deny\n",
            "            Effect: Allow\n",
            "VideoBucketPolicy",
            "the action s3:* names more than it needs",
            id="everything on the bucket allowed",
        ),
        pytest.param(
            _STATEMENT,
            "            - {Sid: Less, Effect: Deny, Action: dynamodb:*, Resource: !GetAtt LibraryTable.Arn}\n"
            f"{_STATEMENT}",
            "SubmitFunction",
            "the action dynamodb:* names more than it needs",
            id="a wildcard action denied",
        ),
        pytest.param(
            "Sid: LookForExecution, Effect: Allow, Action: states:DescribeExecution,",
            "Sid: LookForExecution, Effect: Allow, NotAction: states:StopExecution,",
            "SweepFunction",
            "a statement must name what it is about, not what it is not: NotAction",
            id="everything but an action",
        ),
        pytest.param(
            '!Sub "${LibraryTable.Arn}/index/Due", !Sub "${LibraryTable.Arn}/index/Waiting"]',
            '!Sub "${LibraryTable.Arn}/index/Due", "*"]',
            "SweepFunction",
            'the Resource of dynamodb:Query must not be "*"',
            id="every resource",
        ),
        pytest.param(
            "            DeadLetterConfig: {Arn: !GetAtt DeadLetterQueue.Arn}\n"
            "            RetryPolicy: {MaximumRetryAttempts: 8,",
            "            RetryPolicy: {MaximumRetryAttempts: 8,",
            "CloseVideoFunction",
            "the event ExecutionBrokeOff must have a DeadLetterConfig",
            id="an event without a dead letter queue",
        ),
        pytest.param(
            "      EventInvokeConfig:\n        MaximumRetryAttempts: 2\n        DestinationConfig:\n"
            "          OnFailure: {Type: SQS, Destination: !GetAtt DeadLetterQueue.Arn}\n      Events:\n",
            "      Events:\n",
            "CloseVideoFunction",
            "its EventInvokeConfig must have a DestinationConfig with OnFailure",
            id="an asynchronous function whose failures go nowhere",
        ),
        pytest.param(
            _CODE,
            f"{_CODE}      EventInvokeConfig: {{MaximumRetryAttempts: 0}}\n",
            "SubmitFunction",
            "its EventInvokeConfig must have a DestinationConfig with OnFailure",
            id="an invoke configuration whose failures go nowhere",
        ),
        pytest.param(
            "  DeadLetterQueuePolicy:\n",
            "  Nightly:\n    Type: AWS::Events::Rule\n    Properties:\n      ScheduleExpression: rate(1 day)\n"
            "      Targets: [{Id: sweep, Arn: !GetAtt SweepFunction.Arn}]\n\n  DeadLetterQueuePolicy:\n",
            "Nightly",
            "each of its targets must have a DeadLetterConfig",
            id="a plain rule without a dead letter queue",
        ),
        pytest.param(
            "  DeadLetterQueuePolicy:\n",
            "  Nightly:\n    Type: AWS::Scheduler::Schedule\n    Properties:\n      ScheduleExpression: rate(1 day)\n"
            "      Target: {Arn: !GetAtt SweepFunction.Arn}\n\n  DeadLetterQueuePolicy:\n",
            "Nightly",
            "each of its targets must have a DeadLetterConfig",
            id="a plain schedule without a dead letter queue",
        ),
        pytest.param(
            "  LogGroup:\n    Type: AWS::Logs::LogGroup\n    Properties: {RetentionInDays: !Ref LogRetentionDays}\n",
            "  LogGroup:\n    Type: AWS::Logs::LogGroup\n    Properties: {LogGroupClass: STANDARD}\n",
            "LogGroup",
            "it must have RetentionInDays",
            id="logs for ever",
        ),
        pytest.param(
            "      BillingMode: PAY_PER_REQUEST\n",
            "      BillingMode: PAY_PER_REQUEST\n      TableName: library\n",
            "LibraryTable",
            "TableName must come from AWS::StackName",
            id="a name of its own",
        ),
        pytest.param(
            "            ScheduleExpression: rate(1 minute)\n",
            "            ScheduleExpression: rate(1 minute)\n            OmitName: false\n            Name: sweep\n",
            "SweepFunction",
            "the event EveryMinute must have a Name that comes from AWS::StackName, or OmitName",
            id="a schedule with a name of its own",
        ),
        pytest.param(
            "        BlockPublicPolicy: true\n",
            "        BlockPublicPolicy: false\n",
            "VideoBucket",
            "PublicAccessBlockConfiguration.BlockPublicPolicy must be True",
            id="public policies",
        ),
        pytest.param(
            "      SSESpecification: {SSEEnabled: true}\n",
            "",
            "LibraryTable",
            "SSESpecification.SSEEnabled must be True",
            id="no encryption of our own",
        ),
        pytest.param(
            "          - Id: AbortStaleUploads\n            Status: Enabled\n",
            "          - Id: AbortStaleUploads\n            Status: Disabled\n",
            "VideoBucket",
            "a lifecycle rule must abort multipart uploads after 1 day",
            id="a rule switched off",
        ),
        pytest.param(
            'Bool: {aws:SecureTransport: "false"}',
            'Bool: {aws:SecureTransport: "true"}',
            "VideoBucket",
            _TLS,
            id="plain HTTP",
        ),
        pytest.param(
            "      Bucket: !Ref VideoBucket\n",
            "      Bucket: another\n",
            "VideoBucket",
            _TLS,
            id="another bucket's policy",
        ),
        pytest.param("    Default: tls-only\n", "    Default: any\n", "VideoBucket", _TLS, id="plain HTTP by default"),
    ],
)
def test_a_fault_is_named_by_line_and_resource(root: Path, old: str, new: str, logical_id: str, finding: str) -> None:
    plant(root, "template.yaml", old, new)

    start = f"template.yaml:{_find_line(root, logical_id)}: {logical_id}: {finding}"
    assert [line for line in check_template(root) if line.startswith(start)]


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
