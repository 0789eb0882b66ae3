"""The ids of jobs, and jobs that are not done."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.ai.video_job import VideoGenerationJob, VideoStatus, check_job_id, quote_job_id
from mediaposter.domain.errors import ErrorCode, VideoModelError


@pytest.mark.parametrize("job_id", ["", ".", "..", "half an emoji \ud83d"])
@pytest.mark.parametrize("read", [check_job_id, quote_job_id])
def test_an_id_that_would_name_another_path_is_refused(read: Callable[[str], str], job_id: str) -> None:
    with pytest.raises(VideoModelError, match="is not the id of a job") as raised:
        read(job_id)
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)


@given(job_id=st.text(min_size=1) | st.text(st.sampled_from("./\\%2eF?#;@:+="), min_size=1))
def test_any_other_id_arrives_as_one_segment_of_the_path(job_id: str) -> None:
    if job_id in (".", ".."):
        return
    path = httpx.URL(f"https://vendor.example/jobs/{quote_job_id(job_id)}/content").raw_path.decode()
    root, jobs, segment, content = path.split("/")
    assert (root, jobs, unquote(segment), content) == ("", "jobs", job_id, "content")


def test_a_finished_job_is_let_through_and_one_that_is_none_says_why() -> None:
    job = VideoGenerationJob(job_id="a", status=VideoStatus.COMPLETED, retry_after_seconds=7.0)
    assert job.require_finished() is job
    with pytest.raises(VideoModelError, match="Job a is still queued") as raised:
        job.model_copy(update={"status": VideoStatus.QUEUED}).require_finished()
    error = raised.value
    assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.PROVIDER_ERROR, True, 7.0)
    failed = job.model_copy(update={"status": VideoStatus.FAILED})
    with pytest.raises(VideoModelError, match=r"^The job failed\.$") as raised:
        failed.require_finished()
    assert (raised.value.code, raised.value.transient) == (ErrorCode.PROVIDER_ERROR, False)
    refused = failed.model_copy(update={"error_code": ErrorCode.CONTENT_POLICY, "error_message": "Refused."})
    with pytest.raises(VideoModelError, match=r"^Refused\.$") as raised:
        refused.require_finished()
    assert raised.value.code is ErrorCode.CONTENT_POLICY
