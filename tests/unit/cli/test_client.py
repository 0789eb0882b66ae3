"""Calls over HTTP: what is sent again, what is not, and what a person reads when they fail."""

from __future__ import annotations

import httpx
import pytest

from mediaposter.cli.client import Address, Client, Refusal, Unreachable
from tests.unit.cli.fake_api import BASE_URL, KEY, FakeApi, a_video, refuse, reply

OK = reply({"object": "video"})
BROKEN = httpx.ReadError("broken")
REFUSED_CONNECTION = httpx.ConnectError("Connection refused")


@pytest.fixture
def client(api: FakeApi) -> Client:
    return api.open_client(Address(BASE_URL, KEY, "by --url"))


@pytest.mark.parametrize("trouble", [BROKEN, REFUSED_CONNECTION, reply({}, status=503), refuse(409, "Busy.")])
def test_a_read_is_tried_again(client: Client, api: FakeApi, trouble: httpx.Response | Exception) -> None:
    api.on("GET", "/usage", trouble, trouble, OK)

    assert client.get("/usage").body == {"object": "video"}
    assert len(api.seen) == 3


def test_a_paid_request_is_sent_again_under_the_same_key(client: Client, api: FakeApi) -> None:
    api.on("POST", "/videos", BROKEN, reply({}, status=502), OK)

    client.post("/videos", {"prompt": "A kite"}, idempotency_key="key-1")

    assert [request.headers["idempotency-key"] for request in api.seen] == ["key-1"] * 3


def test_what_is_public_is_never_sent_again_after_a_lost_answer(client: Client, api: FakeApi) -> None:
    api.on("POST", "/videos/video_1/posts", BROKEN, OK)

    with pytest.raises(Unreachable) as lost:
        client.post("/videos/video_1/posts", {})

    assert (len(api.seen), lost.value.was_sent) == (1, True)


@pytest.mark.parametrize("status", [500, 502, 504, 409])
def test_what_is_public_is_never_sent_again_after_an_answer_that_leaves_it_open(
    client: Client, api: FakeApi, status: int
) -> None:
    api.on("POST", "/videos/video_1/posts", refuse(status, "Perhaps."), OK)

    with pytest.raises(Refusal):
        client.post("/videos/video_1/posts", {})

    assert len(api.seen) == 1


def test_what_surely_did_not_arrive_is_sent_again(client: Client, api: FakeApi) -> None:
    api.on("POST", "/videos/video_1/posts", REFUSED_CONNECTION, OK)

    client.post("/videos/video_1/posts", {})

    assert len(api.seen) == 2


def test_the_wait_is_what_the_server_asks_for(client: Client, api: FakeApi) -> None:
    api.on("GET", "/usage", reply({}, status=429, retry_after="7"), OK)

    client.get("/usage")

    assert api.slept == [7.0]


@pytest.mark.parametrize("headers", [{"x_should_retry": "false"}, {"retry_after": "3600"}], ids=["never", "in an hour"])
def test_a_wait_that_leads_nowhere_is_not_waited(client: Client, api: FakeApi, headers: dict[str, str]) -> None:
    api.on("GET", "/usage", reply({"error": {"message": "The day is spent."}}, status=429, **headers), OK)

    with pytest.raises(Refusal, match="The day is spent"):
        client.get("/usage")

    assert api.slept == []


def test_a_refusal_is_the_sentence_of_the_api_with_its_id(client: Client, api: FakeApi) -> None:
    api.on("GET", "/usage", refuse(400, "That cannot be."))

    with pytest.raises(Refusal) as refusal:
        client.get("/usage")

    assert (str(refusal.value), refusal.value.request_id) == ("That cannot be.", "req_7")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            httpx.Response(404, text="<html>nope</html>", headers={"content-type": "text/html"}),
            "The server answered 404",
        ),
        (httpx.Response(200, text="hello"), "answered something else than the API of MediaPoster. Check the address"),
        (refuse(401, "No key."), "No key. Check the key: --key, MEDIAPOSTER_API_KEY"),
        (refuse(403, "No.", code="insufficient_scope"), "Make a key that may: mediaposter keys create"),
    ],
)
def test_an_answer_that_does_not_help_is_told_with_a_way_out(
    client: Client, api: FakeApi, answer: httpx.Response, sentence: str
) -> None:
    api.on("GET", "/usage", answer)

    with pytest.raises(Refusal) as refusal:
        client.get("/usage")

    assert sentence in str(refusal.value)


def test_no_host_on_this_machine_says_how_to_start_one() -> None:
    def break_connection(request: httpx.Request) -> httpx.Response:
        raise REFUSED_CONNECTION

    client = Client(
        Address("http://127.0.0.1:4600/v1", KEY, "by --url"),
        transport=httpx.MockTransport(break_connection),
        sleep=lambda _: None,
    )

    with pytest.raises(Unreachable, match="mediaposter up starts it"):
        client.get("/usage")


@pytest.mark.parametrize("link", ["https://s3.test/video.mp4", "http://stack.test/files"])
def test_the_key_does_not_follow_a_redirect(client: Client, api: FakeApi, link: str) -> None:
    api.on("GET", "/videos/video_1/content", httpx.Response(302, headers={"location": f"{link}?X=1"}))
    api.on("GET", link, httpx.Response(200, content=b"bytes"))

    with client.download("/videos/video_1/content") as response:
        assert response.read() == b"bytes"

    assert [request.headers.get("authorization") for request in api.seen] == [f"Bearer {KEY}", None]


def test_an_upload_goes_without_the_key(client: Client, api: FakeApi) -> None:
    api.on("PUT", "https://s3.test/upload", httpx.Response(200))

    client.upload("https://s3.test/upload?X=1", {"content-type": "text/csv"}, b"id,prompt")

    [request] = api.seen
    assert ("authorization" not in request.headers, request.headers["content-type"]) == (True, "text/csv")


def test_the_hint_of_when_to_ask_again_is_read(client: Client, api: FakeApi) -> None:
    api.on("GET", "/videos/video_1", reply(a_video(), openai_poll_after_ms="2500"))

    assert client.get("/videos/video_1").poll_after_seconds == 2.5
