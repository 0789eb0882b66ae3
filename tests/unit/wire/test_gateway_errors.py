"""The errors that API Gateway answers itself."""

from __future__ import annotations

from mediaposter.wire.gateway_errors import GATEWAY_ERRORS
from tests.unit.functions.stack import shipped_template


def test_the_template_answers_the_same_errors() -> None:
    written = dict(shipped_template().resources["VideosApi"].properties["GatewayResponses"])
    # Its message is API Gateway's own.
    del written["DEFAULT_4XX"]

    assert set(written) == {error.name for error in GATEWAY_ERRORS}
    for error in GATEWAY_ERRORS:
        answer = written[error.name]
        headers = {"x-request-id": "context.requestId"}
        if error.retry_after_seconds is not None:
            headers["Retry-After"] = f"'{error.retry_after_seconds}'"
        assert answer["ResponseParameters"]["Headers"] == headers
        assert answer["ResponseTemplates"] == {"application/json": error.body.model_dump_json()}
        # Of any other fault API Gateway gives the status.
        assert answer.get("StatusCode", 500) == error.status
