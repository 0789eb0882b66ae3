"""A planted fault for every rule on template.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.template import check_rules
from tests.unit.checks.planting import plant, run_check


def _find_line(root: Path, logical_id: str) -> int:
    return (root / "template.yaml").read_text().splitlines().index(f"  {logical_id}:") + 1


def test_an_untouched_copy_keeps_every_rule(root: Path) -> None:
    assert check_rules(root) == []


@pytest.mark.parametrize(
    ("old", "new", "logical_id", "finding"),
    [
        pytest.param(
            "      CodeUri: functions/submit\n",
            "      CodeUri: functions/submit\n      Role: !GetAtt ApiLogRole.Arn\n",
            "SubmitFunction",
            "it must have a role of its own",
            id="a shared role",
        ),
        pytest.param(
            "          Properties: {RestApiId: !Ref VideosApi, Method: POST, Path: /uploads}\n",
            "          Properties:\n            RestApiId: !Ref VideosApi\n            Method: POST\n"
            "            Path: /uploads\n            Auth: {Authorizer: NONE}\n",
            "SubmitFunction",
            "the event CreateUpload must be authorized as every other: it opens POST /uploads",
            id="a route without a key",
        ),
        pytest.param(
            "          ThrottlingRateLimit: 25\n",
            "",
            "VideosApi",
            "POST /webhooks/{provider} takes no key: its MethodSettings must have a throttle of its own below 100",
            id="strangers in the throttle of those with a key",
        ),
        pytest.param(
            "          ThrottlingRateLimit: 25\n",
            "          ThrottlingRateLimit: 100\n",
            "VideosApi",
            "POST /webhooks/{provider} takes no key",
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
            "            - Sid: RecordVideo\n",
            "            - Sid: More\n              Effect: Allow\n              Action: dynamodb:*\n"
            "              Resource: !GetAtt LibraryTable.Arn\n            - Sid: RecordVideo\n",
            "SubmitFunction",
            "the action dynamodb:* names more than it needs",
            id="a wildcard action",
        ),
        pytest.param(
            "              Action: states:DescribeExecution\n",
            "              Action: [states:DescribeExecution, states:List*]\n",
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
            "            - Sid: RecordVideo\n",
            "            - Sid: Less\n              Effect: Deny\n              Action: dynamodb:*\n"
            "              Resource: !GetAtt LibraryTable.Arn\n            - Sid: RecordVideo\n",
            "SubmitFunction",
            "the action dynamodb:* names more than it needs",
            id="a wildcard action denied",
        ),
        pytest.param(
            "              Action: states:DescribeExecution\n",
            "              NotAction: states:StopExecution\n",
            "SweepFunction",
            "a statement must name what it is about, not what it is not: NotAction",
            id="everything but an action",
        ),
        pytest.param(
            '                - !Sub "${LibraryTable.Arn}/index/Waiting"\n',
            '                - "*"\n',
            "SweepFunction",
            'the Resource of dynamodb:Query must not be "*"',
            id="every resource",
        ),
        pytest.param(
            "            DeadLetterConfig: {Arn: !GetAtt DeadLetterQueue.Arn}\n"
            "            RetryPolicy: {MaximumRetryAttempts: 8,",
            "            RetryPolicy: {MaximumRetryAttempts: 8,",
            "CloseFunction",
            "the event ExecutionBrokeOff must have a DeadLetterConfig",
            id="a rule without a dead letter queue",
        ),
        pytest.param(
            "            DeadLetterConfig: {Arn: !GetAtt DeadLetterQueue.Arn}\n      Policies:\n        - Statement:\n"
            "            - Sid: FindWhatIsLeft\n",
            "      Policies:\n        - Statement:\n            - Sid: FindWhatIsLeft\n",
            "SweepFunction",
            "the event EveryMinute must have a DeadLetterConfig",
            id="a schedule without a dead letter queue",
        ),
        pytest.param(
            "        MaximumRetryAttempts: 1\n        DestinationConfig:\n"
            "          OnFailure: {Type: SQS, Destination: !GetAtt DeadLetterQueue.Arn}\n",
            "        MaximumRetryAttempts: 1\n",
            "SweepFunction",
            "its EventInvokeConfig must have a DestinationConfig with OnFailure",
            id="an asynchronous function whose failures go nowhere",
        ),
        pytest.param(
            "      CodeUri: functions/submit\n",
            "      CodeUri: functions/submit\n      EventInvokeConfig: {MaximumRetryAttempts: 0}\n",
            "SubmitFunction",
            "its EventInvokeConfig must have a DestinationConfig with OnFailure",
            id="an invoke configuration whose failures go nowhere",
        ),
        pytest.param(
            "      EventInvokeConfig:\n        MaximumRetryAttempts: 2\n        DestinationConfig:\n"
            "          OnFailure: {Type: SQS, Destination: !GetAtt DeadLetterQueue.Arn}\n",
            "",
            "CloseFunction",
            "its EventInvokeConfig must have a DestinationConfig with OnFailure",
            id="an asynchronous function without an invoke configuration",
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
            "BlockPublicPolicy must be true",
            id="public policies",
        ),
        pytest.param(
            "        RestrictPublicBuckets: true\n",
            "",
            "VideoBucket",
            "RestrictPublicBuckets must be true",
            id="a block left out",
        ),
        pytest.param(
            "      VersioningConfiguration: {Status: Enabled}\n",
            "",
            "VideoBucket",
            "its versioning must be enabled",
            id="no versions",
        ),
        pytest.param(
            "{DaysAfterInitiation: 1}",
            "{DaysAfterInitiation: 7}",
            "VideoBucket",
            "a lifecycle rule must abort multipart uploads after 1 day",
            id="stale uploads kept for a week",
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
            "a policy must deny s3:* to all",
            id="plain HTTP",
        ),
        pytest.param(
            "            Effect: Deny\n",
            "            Effect: Allow\n",
            "VideoBucket",
            "a policy must deny s3:* to all",
            id="plain HTTP allowed",
        ),
        pytest.param(
            '            Principal: "*"\n',
            "            Principal: {Service: lambda.amazonaws.com}\n",
            "VideoBucket",
            "a policy must deny s3:* to all",
            id="plain HTTP to all but one",
        ),
        pytest.param(
            "            Action: s3:*\n",
            "            Action: s3:PutObject\n",
            "VideoBucket",
            "a policy must deny s3:* to all",
            id="plain HTTP to read",
        ),
        pytest.param(
            "      Bucket: !Ref VideoBucket\n",
            "      Bucket: another\n",
            "VideoBucket",
            "a policy must deny s3:* to all",
            id="a policy of another bucket",
        ),
        pytest.param(
            '[!GetAtt VideoBucket.Arn, !Sub "${VideoBucket.Arn}/*"]',
            "[!GetAtt VideoBucket.Arn]",
            "VideoBucket",
            "a policy must deny s3:* to all",
            id="plain HTTP to the objects",
        ),
        pytest.param(
            "    Default: tls-only\n",
            "    Default: any\n",
            "VideoBucket",
            "a policy must deny s3:* to all",
            id="plain HTTP unless somebody asks",
        ),
        pytest.param(
            "      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}\n",
            "",
            "LibraryTable",
            "its point-in-time recovery must be enabled",
            id="no way back",
        ),
        pytest.param(
            "      SSESpecification: {SSEEnabled: true}\n",
            "",
            "LibraryTable",
            "its encryption with a KMS key must be enabled",
            id="no encryption of our own",
        ),
        pytest.param(
            "      TimeToLiveSpecification: {AttributeName: ttl, Enabled: true}\n",
            "",
            "LibraryTable",
            "its time to live must be enabled",
            id="records for ever",
        ),
        pytest.param(
            "      CodeUri: functions/submit\n",
            "      CodeUri: functions/submit\n      Runtime: python3.12\n",
            "SubmitFunction",
            "its Runtime must be python3.13, as the layer's",
            id="another runtime",
        ),
        pytest.param(
            "      CodeUri: functions/submit\n",
            "      CodeUri: functions/submit\n      Architectures: [x86_64]\n",
            "SubmitFunction",
            "its Architectures must be ['arm64'], as the layer's",
            id="another architecture",
        ),
        pytest.param(
            "        - Statement:\n            - Sid: RecordVideo\n",
            "        - StatementKeeperFullAccess\n        - Statement:\n            - Sid: RecordVideo\n",
            "SubmitFunction",
            "its Policies must be statements that name their actions",
            id="a policy from elsewhere",
        ),
        pytest.param(
            "        - Statement:\n            - Sid: RecordVideo\n",
            "        - DynamoDBCrudPolicy: {TableName: !Ref LibraryTable}\n"
            "        - Statement:\n            - Sid: RecordVideo\n",
            "SubmitFunction",
            "its Policies must be statements that name their actions",
            id="a policy template",
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
    ],
)
def test_a_fault_is_named_by_line_and_resource(root: Path, old: str, new: str, logical_id: str, finding: str) -> None:
    plant(root, "template.yaml", old, new)

    start = f"template.yaml:{_find_line(root, logical_id)}: {logical_id}: {finding}"
    assert [line for line in check_rules(root) if line.startswith(start)]


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("    Runtime: python3.13\n", "    Runtime: python3.12\n", "the Runtime must be python3.13"),
        ("    Architectures: [arm64]\n", "    Architectures: [x86_64]\n", "the Architectures must be ['arm64']"),
        ("      LogGroup: !Ref LogGroup\n", "", "LoggingConfig must name a LogGroup of this template"),
    ],
)
def test_a_fault_of_all_functions_is_named(root: Path, old: str, new: str, finding: str) -> None:
    plant(root, "template.yaml", old, new)

    assert f"template.yaml: Globals: {finding}" in check_rules(root)


def test_an_anchor_and_its_alias_are_named_by_their_lines(root: Path) -> None:
    anchor = plant(
        root, "template.yaml", "  Properties: {CloudWatchRoleArn:", "  Properties: &role {CloudWatchRoleArn:"
    )
    alias = plant(
        root, "template.yaml", "      SSESpecification: {SSEEnabled: true}\n", "      SSESpecification: *role\n"
    )

    findings = check_rules(root)

    assert [finding.partition(": an anchor or alias")[0] for finding in findings[:2]] == [anchor, alias]


def test_a_name_that_comes_from_the_stack_is_allowed(root: Path) -> None:
    billing = "      BillingMode: PAY_PER_REQUEST\n"
    plant(root, "template.yaml", billing, billing + '      TableName: !Sub "${AWS::StackName}-library"\n')

    assert check_rules(root) == []


def test_a_schedule_of_a_state_machine_needs_no_invoke_configuration(root: Path) -> None:
    events = """      Events:
        Nightly:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: rate(1 day)
            OmitName: true
            DeadLetterConfig: {Arn: !GetAtt DeadLetterQueue.Arn}
"""
    definition = "      DefinitionUri: statemachine/video.asl.json\n"
    plant(root, "template.yaml", definition, f"{definition}{events}")

    assert check_rules(root) == []


def test_the_command_prints_what_cfn_lint_finds_too_and_fails(root: Path) -> None:
    place = plant(root, "template.yaml", "      BillingMode: PAY_PER_REQUEST\n", "      BillingMode: PAY_PER_MONTH\n")
    plant(root, "template.yaml", "      SSESpecification: {SSEEnabled: true}\n", "")

    code, printed = run_check("template", root)

    assert code == 1
    assert any(line.startswith(f"{place}:") for line in printed)
    assert printed[-1].endswith("LibraryTable: its encryption with a KMS key must be enabled")
