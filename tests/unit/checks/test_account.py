"""A planted fault for everything that would cost, or touch, more of an account than the parameters say."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.account import check_account
from tests.unit.checks.planting import plant

_BEDROCK = "::foundation-model/luma.ray-v2:0"
_CHILDREN = ':execution:${AWS::StackName}-batches/*"]}'


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        pytest.param(
            "          MetricsEnabled: !If [HasApiMetrics, true, false]\n",
            "          MetricsEnabled: true\n",
            "MetricsEnabled must depend on ApiMetrics",
            id="a metric for each method",
        ),
        pytest.param(
            "  ApiLogAccount:\n    Type: AWS::ApiGateway::Account\n    Condition: SetsApiLogRole\n",
            "  ApiLogAccount:\n    Type: AWS::ApiGateway::Account\n",
            "ApiLogAccount: its Condition must be SetsApiLogRole",
            id="a setting of the whole account",
        ),
        pytest.param(
            "  ApiErrorsAlarm:\n    Type: AWS::CloudWatch::Alarm\n    Condition: HasAlarms\n",
            "  ApiErrorsAlarm:\n    Type: AWS::CloudWatch::Alarm\n",
            "ApiErrorsAlarm: its Condition must be HasAlarms",
            id="an alarm that cannot be turned off",
        ),
        pytest.param(
            "      Tags: {log-role: !If [SetsApiLogRole, !Ref ApiLogAccount, of the account]}\n",
            "",
            "VideosApi: it must refer to ApiLogAccount",
            id="a stage before the role for its logs",
        ),
        pytest.param(
            "      Tracing: PassThrough",
            "      Tracing: Active",
            "SweepFunction: its Tracing",
            id="traces of the sweep",
        ),
        pytest.param(
            "            Prefix: renders/\n            ExpirationInDays: !Ref RendersDays\n",
            "            Prefix: renders/\n            ExpirationInDays: 3000\n",
            "a lifecycle rule must forget renders/ after RendersDays days",
            id="renders that stay",
        ),
        pytest.param(
            "            ExpiredObjectDeleteMarker: true\n",
            "",
            "a lifecycle rule must remove expired delete markers",
            id="delete markers that stay",
        ),
        pytest.param(
            _BEDROCK,
            "::foundation-model/*",
            "it must invoke the catalog's models of Bedrock, luma.ray-v2:0",
            id="every model of Bedrock",
        ),
        pytest.param(
            ':async-invoke/*"}\n            - {Sid: ReadPicture',
            ':invocation/*"}\n            - {Sid: ReadPicture',
            "StartAsyncInvoke takes bedrock:InvokeModel on async-invoke/* as well",
            id="no right to start an invocation",
        ),
        pytest.param(
            _CHILDREN,
            ':execution:${AWS::StackName}-batches:*"]}',
            "BatchStateMachine: it must follow its children, execution:…-batches/*",
            id="children of a Distributed Map",
        ),
        pytest.param(
            "    Default: fal,pika\n",
            '    Default: ""\n',
            "ProviderWebhooks must be fal,pika by default",
            id="webhooks that are off",
        ),
        pytest.param(
            '    AllowedPattern: "^([a-z]+( *, *[a-z]+)*)?$"\n',
            '    AllowedPattern: "^([a-z]+,? *)*$"\n',
            "ProviderWebhooks: its AllowedPattern must refuse a list that ends in a comma",
            id="a list that was cut off",
        ),
    ],
)
def test_an_account_pays_and_shares_what_the_parameters_say(root: Path, old: str, new: str, finding: str) -> None:
    plant(root, "template.yaml", old, new)

    assert any(finding in found for found in check_account(root))


def test_an_untouched_copy_has_no_finding(root: Path) -> None:
    assert list(check_account(root)) == []
