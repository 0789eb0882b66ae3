"""What a vendor's answer means in our words: whether a job may exist all the same, and whether to ask again."""

from __future__ import annotations

import httpx
import pytest

from mediaposter.ai.provider_errors import ProviderErrors
from mediaposter.domain.errors import ErrorCode, SubmissionUnknown
from mediaposter.http.reply import MAX_SENTENCE_LENGTH, Reply

KEY = "key-of-the-test"
ERRORS = ProviderErrors(
    host="vendor.example", api_key=KEY, codes_by_word={"blocked": ErrorCode.CONTENT_POLICY, "7": ErrorCode.RATE_LIMITED}
)


def read(answer: httpx.Response) -> Reply:
    return Reply(answer.status_code, answer.headers, answer.read())


def say(sentence: object, status_code: int = 400) -> str:
    reply = read(httpx.Response(status_code, json={"error": {"message": sentence}}))
    return ERRORS.refuse_submission(reply, gone=ErrorCode.EXPIRED).message


@pytest.mark.parametrize("status_code", [200, 408, 409, 500, 529])
def test_an_answer_after_which_a_job_may_exist_leaves_its_submission_unknown(status_code: int) -> None:
    reply = read(httpx.Response(status_code, headers={"x-request-id": "r" * 300}, json={"error": "It broke."}))
    error = ERRORS.refuse_submission(reply, gone=ErrorCode.EXPIRED)
    assert isinstance(error, SubmissionUnknown)
    assert error.message.startswith(
        f"vendor.example answered {status_code} to a submission, which it may have accepted"
    )
    assert "It broke. Look for it" in error.message
    assert error.request_id == "r" * 200


def test_an_answer_that_says_nothing_leaves_it_unknown_too() -> None:
    error = ERRORS.refuse_submission(read(httpx.Response(502)), gone=ErrorCode.EXPIRED)
    assert "no job and no reason" in error.message


@pytest.mark.parametrize(
    ("status_code", "code", "of_question"),
    [
        (302, ErrorCode.PROVIDER_ERROR, (ErrorCode.PROVIDER_ERROR, True)),
        (400, ErrorCode.INVALID_REQUEST, (ErrorCode.INVALID_REQUEST, False)),
        (401, ErrorCode.AUTHENTICATION, (ErrorCode.AUTHENTICATION, False)),
        (402, ErrorCode.INSUFFICIENT_CREDIT, (ErrorCode.INSUFFICIENT_CREDIT, False)),
        (403, ErrorCode.AUTHENTICATION, (ErrorCode.AUTHENTICATION, False)),
        (404, ErrorCode.MODEL_NOT_FOUND, (ErrorCode.EXPIRED, False)),
        (405, ErrorCode.PROVIDER_ERROR, (ErrorCode.PROVIDER_ERROR, False)),
        (422, ErrorCode.INVALID_REQUEST, (ErrorCode.INVALID_REQUEST, False)),
        (429, ErrorCode.RATE_LIMITED, (ErrorCode.RATE_LIMITED, True)),
    ],
)
def test_a_refusal_is_certain_and_a_limit_alone_may_pass(
    status_code: int, code: ErrorCode, of_question: tuple[ErrorCode, bool]
) -> None:
    reply = read(httpx.Response(status_code, headers={"retry-after": "7", "x-request-id": "req_1"}))
    error = ERRORS.refuse_submission(reply, gone=ErrorCode.MODEL_NOT_FOUND)
    assert not isinstance(error, SubmissionUnknown)
    assert (error.code, error.transient) == (code, status_code == 429)
    asked = ERRORS.refuse_question(reply)
    assert (asked.code, asked.transient) == of_question
    for told in (error, asked):
        assert (told.retry_after_seconds, told.request_id) == (7.0, "req_1")


@pytest.mark.parametrize("status_code", [200, 408, 409, 500])
def test_a_question_that_was_not_answered_may_be_asked_again(status_code: int) -> None:
    error = ERRORS.refuse_question(read(httpx.Response(status_code, json={"error": {"code": "blocked"}})))
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, True)


def test_a_job_that_is_gone_is_said_to_be_gone_in_the_vendors_words() -> None:
    error = ERRORS.refuse_question(read(httpx.Response(404, json={"detail": "No video_x."})))
    assert error.message == "The provider no longer knows this job or its video. No video_x."


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"code": "BLOCKED"}, ErrorCode.CONTENT_POLICY),
        ({"code": "other", "type": "blocked"}, ErrorCode.CONTENT_POLICY),
        ({"code": 7}, ErrorCode.RATE_LIMITED),
        ({"code": True, "type": ["blocked"]}, ErrorCode.AUTHENTICATION),
        # A sentence is for people.
        ({"message": "blocked"}, ErrorCode.AUTHENTICATION),
    ],
)
def test_the_vendors_own_word_comes_before_the_status(said: object, code: ErrorCode) -> None:
    reply = read(httpx.Response(403, json={"error": said}))
    assert ERRORS.refuse_submission(reply, gone=ErrorCode.EXPIRED).code is code
    assert ERRORS.refuse_question(reply).code is code


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (httpx.Response(400, json={"error": "No."}), "No."),
        (httpx.Response(400, json={"detail": {"error": {"message": "No."}}}), "No."),
        (httpx.Response(400, json={"object": "error", "message": " No. ", "code": 400}), "No."),
        (httpx.Response(400, text="No."), "No."),
        (
            httpx.Response(400, json={"detail": [{"loc": ["body", "size"], "msg": "Too long"}, "No.", {}, 7, None]}),
            "body.size: Too long; No.; request: not valid; 7",
        ),
        (httpx.Response(400, html="<h1>Bad</h1>"), "vendor.example answered 400 without an explanation."),
        (httpx.Response(400, json={"error": {"message": ""}}), "vendor.example answered 400 without an explanation."),
        (httpx.Response(307), "answered 307: it redirects. Set base_url to the address it redirects to."),
    ],
)
def test_the_vendors_sentence_is_found_in_every_form(answer: httpx.Response, sentence: str) -> None:
    assert ERRORS.refuse_submission(read(answer), gone=ErrorCode.EXPIRED).message.endswith(sentence)


def test_an_answer_that_is_no_job_is_said_to_be_none() -> None:
    assert "with a body that is not a job" in ERRORS.refuse_question(read(httpx.Response(200, html="<p>"))).message


@pytest.mark.parametrize("status_code", [400, 500])
def test_a_sentence_loses_our_key_and_the_signatures_of_urls_and_is_cut(status_code: int) -> None:
    message = say(f"Bad {KEY}; see https://s3.example/a?X-Amz-Signature=secret {'x' * 10_000}", status_code)
    assert "Bad [key]; see https://s3.example/a x" in message
    assert len(message) < MAX_SENTENCE_LENGTH + 300


def test_what_broke_a_connection_is_repeated_in_short_or_named() -> None:
    assert ERRORS.lose_question(ValueError("x" * 1000)).message == f"vendor.example gave no answer: {'x' * 200}."
    assert ERRORS.lose_question(ValueError()).message == "vendor.example gave no answer: ValueError."
