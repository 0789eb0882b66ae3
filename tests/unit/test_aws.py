"""The secrets of a stack, as the functions read them, and the URLs that they sign."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import SplitResult, parse_qs, urlsplit

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.stub import Stubber
from moto import mock_aws

from mediaposter.ai.sora_model import SoraVideoModel
from mediaposter.aws import AwsEdges, build_stack
from mediaposter.domain.errors import ConfigurationError
from mediaposter.http.outbound import PublicInternet
from tests.builders import a_video

PATH = "/mediaposter/a-stack"


@pytest.fixture(autouse=True)
def _a_function_of_a_stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SECRETS_PATH", PATH)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield


def build_edges() -> AwsEdges:
    edges = build_stack().edges
    assert isinstance(edges, AwsEdges)
    return edges


def put_secret(name: str, value: str) -> None:
    boto3.client("ssm").put_parameter(Name=f"{PATH}/{name}", Value=value, Type="SecureString", Overwrite=True)


def test_a_secret_is_read_verbatim() -> None:
    put_secret("blotato-api-key", "abc==")

    assert build_edges().read_secret("blotato-api-key") == "abc=="


def test_a_secret_is_asked_for_once_in_a_while() -> None:
    edges = build_edges()
    put_secret("providers/sora-api-key", "first")
    edges.read_secret("providers/sora-api-key")
    put_secret("providers/sora-api-key", "second")

    assert edges.read_secret("providers/sora-api-key") == "first"


def test_a_missing_secret_says_how_to_put_it() -> None:
    with pytest.raises(
        ConfigurationError, match=f"ssm put-parameter --type SecureString --name {PATH}/providers/sora-api-key"
    ):
        build_edges().read_secret("providers/sora-api-key")


def test_an_outage_of_the_parameter_store_is_not_taken_for_a_missing_secret() -> None:
    edges = build_edges()
    with Stubber(edges._secrets.client) as store:
        store.add_client_error("get_parameter", "ThrottlingException")

        with pytest.raises(GetParameterError):
            edges.read_secret("providers/sora-api-key")


def presign(monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[SplitResult]:
    monkeypatch.setenv("VIDEO_BUCKET", "a-bucket")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    media = build_edges().media
    upload = media.presign_upload("ann", "upload_1", content_type="image/png", size_bytes=1)
    return [urlsplit(url) for url in (media.presign_download("videos/v/video.mp4", filename="v.mp4"), upload.url)]


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "a-bucket.s3.amazonaws.com"),
        ("eu-south-2", "a-bucket.s3.eu-south-2.amazonaws.com"),
        ("cn-north-1", "a-bucket.s3.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_a_url_is_signed_for_the_buckets_own_region_by_version_4(
    monkeypatch: pytest.MonkeyPatch, region: str, host: str
) -> None:
    for url in presign(monkeypatch, AWS_DEFAULT_REGION=region):
        query = parse_qs(url.query)

        assert (url.scheme, url.netloc) == ("https", host)
        assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
        assert query["X-Amz-Credential"][0].split("/")[2:] == [region, "s3", "aws4_request"]


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_a_local_cloud_is_reached_where_it_is(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    address = "http://127.0.0.1:4566"
    for url in presign(monkeypatch, **{variable: address}):
        assert f"{url.scheme}://{url.netloc}" == address
        assert url.path.startswith("/a-bucket/")


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    monkeypatch.setenv("VIDEO_BUCKET", "a-bucket")
    put_secret("providers/sora-api-key", "key")

    def tell(provider_base_urls: str) -> None:
        monkeypatch.setenv("PROVIDER_BASE_URLS", provider_base_urls)

    return tell


def find_way(**arguments: float) -> PublicInternet:
    model = build_stack().build_model(a_video(provider="sora", resolved_model="sora-2"), **arguments)
    assert isinstance(model, SoraVideoModel)
    return model._vendor.internet


def test_a_store_of_the_operators_own_is_named_beside_the_address_of_its_provider(
    addresses: Callable[[str], None],
) -> None:
    addresses("sora=http://10.0.0.5:30000/v1, sora-files=http://10.0.0.7:9000 http://minio")

    assert find_way().own_origins == {"http://10.0.0.7:9000", "http://minio"}


def test_without_such_a_name_nothing_is_the_operators_own(addresses: Callable[[str], None]) -> None:
    addresses("sora=http://10.0.0.5:30000/v1,fal-files=http://10.0.0.7:9000")

    assert find_way().own_origins == frozenset()


def test_a_store_whose_address_is_none_is_told(addresses: Callable[[str], None]) -> None:
    addresses("sora=http://10.0.0.5:30000/v1,sora-files=10.0.0.7:9000")

    with pytest.raises(ConfigurationError, match=r"10\.0\.0\.7:9000"):
        find_way()


def test_the_calls_of_a_model_have_the_time_of_the_step_that_makes_them(addresses: Callable[[str], None]) -> None:
    addresses("sora=http://10.0.0.5:30000/v1")

    assert 830 < find_way(seconds=840.0).measure_patience() <= 840
    # StartGenerationFunction and CheckGenerationFunction may run a minute.
    assert 40 < find_way().measure_patience() <= 50
