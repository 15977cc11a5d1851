"""An Inference Endpoint of the sandbox: asleep, waking, held, paused, billed; seen by the real clients, unchanged."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import huggingface_hub
import openai
import pytest
import requests
from huggingface_hub import HfApi, InferenceEndpointError
from hypothesis import given
from hypothesis import strategies as st

from course import sandbox
from course.sandbox import endpoint_app
from course.sandbox.clock import Clock
from course.sandbox.deployment import BadDeployment
from course.sandbox.endpoint import START_SECONDS, Endpoint
from course.sandbox.endpoints import Endpoints
from course.sandbox.tokens import Scope

REPOSITORY = "Qwen/Qwen2.5-7B-Instruct"
QUESTION: Any = [{"role": "user", "content": "What is a read token?"}]
ASLEEP = {"error": "503 Service Unavailable", "code": "SERVICE_UNAVAILABLE"}


@pytest.fixture
def hub() -> Iterator[sandbox.Sandbox]:
    with sandbox.start() as started:
        started.clock.freeze()
        yield started


def running(hub: sandbox.Sandbox, **wanted: Any) -> Endpoint:
    endpoint = hub.endpoints.create("demo", REPOSITORY, **wanted)
    hub.clock.advance(1000)
    assert endpoint.state == "running"
    return endpoint


def asleep(hub: sandbox.Sandbox, **wanted: Any) -> Endpoint:
    endpoint = running(hub, min_replica=0, **wanted)
    hub.clock.advance(3600)
    assert endpoint.state == "scaledToZero"
    return endpoint


def client(hub: sandbox.Sandbox, endpoint: Endpoint) -> openai.OpenAI:
    return openai.OpenAI(base_url=endpoint.base_url, api_key=hub.tokens["read"], max_retries=0)


def ask(hub: sandbox.Sandbox, endpoint: Endpoint, hold: str | None = None, **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {hub.tokens['read']}"} | ({"X-Scale-Up-Timeout": hold} if hold else {})
    body = {"model": REPOSITORY, "messages": QUESTION, **more}
    return requests.post(f"{endpoint.base_url}/chat/completions", json=body, headers=headers, timeout=10)


# --- states and the clock -------------------------------------------------------------------------------------


def test_a_new_endpoint_waits_starts_and_runs(hub: sandbox.Sandbox) -> None:
    endpoint = hub.endpoints.create("demo", REPOSITORY, start_seconds=60)
    seen = [endpoint.state]
    for seconds in (5, 59, 1):
        hub.clock.advance(seconds)
        seen.append(endpoint.state)

    assert seen == ["pending", "initializing", "initializing", "running"]


def test_it_sleeps_after_an_idle_hour_and_a_request_begins_the_hour_anew(hub: sandbox.Sandbox) -> None:
    endpoint = running(hub, min_replica=0)
    hub.clock.advance(3599 - 1000 + 5 + START_SECONDS)  # the hour began when it got ready
    assert ask(hub, endpoint).status_code == 200
    hub.clock.advance(3599)
    before = endpoint.state
    hub.clock.advance(1)

    assert (before, endpoint.state) == ("running", "scaledToZero")


def test_with_a_replica_at_least_it_never_sleeps(hub: sandbox.Sandbox) -> None:
    endpoint = running(hub, min_replica=1)

    hub.clock.advance(100 * 3600)

    assert endpoint.state == "running"


def test_the_idle_time_may_be_set(hub: sandbox.Sandbox) -> None:
    endpoint = hub.endpoints.create("demo", REPOSITORY, min_replica=0, scale_to_zero_minutes=15)

    hub.clock.advance(5 + START_SECONDS + 15 * 60)

    assert endpoint.state == "scaledToZero"


@pytest.mark.parametrize(
    ("wanted", "due"),
    [
        pytest.param({"min_replica": 0, "scale_to_zero_minutes": 14}, "greater than or equal to 15", id="too short"),
        pytest.param({"min_replica": 1, "scale_to_zero_minutes": 30}, "needs minReplica 0", id="cannot sleep"),
        pytest.param({"min_replica": -1}, "minReplica", id="less than nothing"),
    ],
)
def test_what_cannot_be_is_refused(hub: sandbox.Sandbox, wanted: dict[str, int], due: str) -> None:
    with pytest.raises(BadDeployment, match=due):
        hub.endpoints.create("demo", REPOSITORY, **wanted)  # type: ignore[arg-type]


# --- the bill -------------------------------------------------------------------------------------------------


def test_starting_and_running_are_billed_and_sleeping_and_pausing_are_not(hub: sandbox.Sandbox) -> None:
    endpoint = hub.endpoints.create("demo", REPOSITORY, min_replica=0, start_seconds=120)
    told = []
    for seconds in (5, 120, 3600, 100_000):
        hub.clock.advance(seconds)
        told.append((endpoint.state, endpoint.billed_minutes))
    ask(hub, endpoint)
    hub.clock.advance(90)
    told.append((endpoint.state, endpoint.billed_minutes))
    endpoint.pause()
    hub.clock.advance(100_000)
    told.append((endpoint.state, endpoint.billed_minutes))

    assert told == [
        ("initializing", 0),
        ("running", 2),
        ("scaledToZero", 62),
        ("scaledToZero", 62),
        ("initializing", 64),  # a begun minute counts
        ("paused", 64),
    ]


def test_every_replica_is_billed(hub: sandbox.Sandbox) -> None:
    one, three = (hub.endpoints.create(f"demo-{n}", REPOSITORY, min_replica=n) for n in (1, 3))

    hub.clock.advance(5 + 600)

    assert (one.billed_minutes, three.billed_minutes) == (10, 30)


def test_a_start_that_fails_is_not_billed(hub: sandbox.Sandbox) -> None:
    endpoint = hub.endpoints.create("demo", REPOSITORY)
    hub.clock.advance(100)

    endpoint.fail()

    assert (endpoint.state, endpoint.billed_minutes) == ("failed", 0)
    assert ask(hub, endpoint).status_code == 503
    with pytest.raises(BadDeployment, match="demo is failed"):
        endpoint.resume()


@given(st.lists(st.integers(0, 20_000), max_size=12), st.integers(1, 4), st.integers(1, 900))
def test_the_bill_does_not_depend_on_who_looks_when(steps: list[int], replicas: int, start_seconds: int) -> None:
    """One clock, two equal endpoints, of which one is looked at after every step; and no minute is billed twice."""
    clock = Clock()
    clock.freeze()
    endpoints = Endpoints(clock, "learner")
    watched, alone = (
        endpoints.create(name, REPOSITORY, min_replica=replicas, start_seconds=start_seconds) for name in "ab"
    )
    bills = [0]
    for seconds in steps:
        clock.advance(seconds)
        bills.append(watched.billed_minutes)

    assert (alone.state, alone.billed_minutes) == (watched.state, bills[-1])
    assert bills == sorted(bills)
    assert bills[-1] <= replicas * (sum(steps) / 60 + 1)


# --- waking ---------------------------------------------------------------------------------------------------


def test_a_request_wakes_it_and_gets_503_until_it_runs(hub: sandbox.Sandbox) -> None:
    endpoint = asleep(hub)

    first = ask(hub, endpoint)
    hub.clock.advance(START_SECONDS - 1)
    second = ask(hub, endpoint)
    hub.clock.advance(1)
    third = ask(hub, endpoint)

    assert [(answer.status_code, answer.json()) for answer in (first, second)] == 2 * [(503, ASLEEP)]
    assert "retry-after" not in first.headers
    assert third.status_code == 200


def test_the_openai_sdk_meets_the_503_and_then_the_model(hub: sandbox.Sandbox) -> None:
    endpoint = asleep(hub)
    with pytest.raises(openai.InternalServerError):
        client(hub, endpoint).chat.completions.create(model=REPOSITORY, messages=QUESTION)
    hub.clock.advance(START_SECONDS)

    answer = client(hub, endpoint).chat.completions.create(model=REPOSITORY, messages=QUESTION)
    stream = client(hub, endpoint).chat.completions.create(model="demo", messages=QUESTION, stream=True)

    assert (answer.choices[0].message.content or "").startswith("A read token")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == answer.choices[0].message.content
    assert [model.id for model in client(hub, endpoint).models.list()] == [REPOSITORY]
    with pytest.raises(openai.NotFoundError, match=r"The model `gpt2` does not exist"):
        client(hub, endpoint).chat.completions.create(model="gpt2", messages=QUESTION)


@pytest.fixture
def holding(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set as soon as the sandbox holds a request."""
    held, asked = threading.Event(), Endpoint.seconds_to_ready

    def noted(endpoint: Endpoint) -> float:
        held.set()
        return asked(endpoint)

    monkeypatch.setattr(Endpoint, "seconds_to_ready", noted)
    return held


def test_a_request_is_held_until_the_clock_says_that_it_runs(hub: sandbox.Sandbox, holding: threading.Event) -> None:
    endpoint = asleep(hub)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(ask, hub, endpoint, "600")
        assert holding.wait(timeout=5)
        hub.clock.advance(START_SECONDS - 1)
        assert ask(hub, endpoint).status_code == 503  # a round trip, so that the other one could have ended
        early = held.done()
        hub.clock.advance(1)
        answer = held.result(timeout=10)

    assert (early, answer.status_code) == (False, 200)


@pytest.mark.parametrize(
    ("what", "due"),
    [
        pytest.param(lambda hub, _: hub.clock.advance(60), (503, ASLEEP), id="its own time is up"),
        pytest.param(lambda _, endpoint: endpoint.pause(), (400, None), id="somebody pauses it"),
        pytest.param(lambda _, endpoint: endpoint.fail(), (503, ASLEEP), id="it fails"),
    ],
)
def test_a_held_request_ends_too_when(
    hub: sandbox.Sandbox, holding: threading.Event, what: Any, due: tuple[int, Any]
) -> None:
    endpoint = asleep(hub)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(ask, hub, endpoint, "60")
        assert holding.wait(timeout=5)
        what(hub, endpoint)
        answer = held.result(timeout=10)

    assert answer.status_code == due[0]
    assert due[1] in (None, answer.json())


def test_a_held_client_may_leave(hub: sandbox.Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint, ended, hold = asleep(hub), threading.Event(), endpoint_app._hold

    async def noted(*given: Any) -> None:
        await hold(*given)
        ended.set()

    monkeypatch.setattr(endpoint_app, "_hold", noted)
    headers = {"Authorization": f"Bearer {hub.tokens['read']}", "X-Scale-Up-Timeout": "600"}
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{endpoint.url}/health", headers=headers, timeout=(5, 0.05))

    assert ended.wait(timeout=10)


def test_in_a_notebook_the_wait_may_be_skipped_and_is_on_the_clock_and_the_bill(hub: sandbox.Sandbox) -> None:
    endpoint = asleep(hub, skips_waits=True)
    before, billed = hub.clock.now(), endpoint.billed_minutes

    impatient = ask(hub, endpoint, "60")
    waited_in_vain = hub.clock.now() - before
    patient = ask(hub, endpoint, "600")

    assert (impatient.status_code, waited_in_vain) == (503, 60)
    assert (patient.status_code, hub.clock.now() - before) == (200, START_SECONDS)
    assert endpoint.billed_minutes - billed == START_SECONDS / 60


def test_a_header_that_is_no_number_holds_nothing(hub: sandbox.Sandbox) -> None:
    assert ask(hub, asleep(hub), "soon").status_code == 503


def test_the_clock_of_a_running_sandbox_ends_a_hold_by_itself() -> None:
    with sandbox.start() as hub:
        endpoint = hub.endpoints.create("demo", REPOSITORY, start_seconds=0.05)
        hub.clock.advance(4.99)  # from pending

        assert ask(hub, endpoint, "5").status_code == 200


# --- pausing and permission -----------------------------------------------------------------------------------


def test_a_paused_one_says_so_and_no_request_wakes_it(hub: sandbox.Sandbox) -> None:
    endpoint = running(hub)
    endpoint.pause()

    answers = [ask(hub, endpoint, "600") for _ in range(2)]

    assert {answer.status_code for answer in answers} == {400}
    assert answers[0].json() == {
        "error": "Bad Request: The endpoint is paused, ask a maintainer to restart it",
        "code": "BAD_REQUEST",
    }
    paused = endpoint.state
    endpoint.resume()
    assert (paused, endpoint.state) == ("paused", "initializing")


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("revoked", 401), ("fine_grained", 403), ("write", 503)])
def test_only_who_may_call_it_wakes_it(hub: sandbox.Sandbox, token: str | None, status: int) -> None:
    endpoint = asleep(hub)
    headers = {"Authorization": f"Bearer {hub.tokens[token]}"} if token else {}

    answer = requests.get(f"{endpoint.url}/health", headers=headers, timeout=5)

    assert answer.status_code == status
    assert endpoint.state == ("initializing" if status == 503 else "scaledToZero")


def test_a_narrow_token_calls_and_does_not_manage(hub: sandbox.Sandbox) -> None:
    hub.token_store.issue(
        "caller", "fineGrained", scopes=(Scope("user", "learner", ("inference.endpoints.infer.write",)),)
    )
    endpoint = running(hub)
    headers = {"Authorization": f"Bearer {hub.tokens['caller']}"}

    called = requests.get(f"{endpoint.url}/health", headers=headers, timeout=5)
    managed = requests.post(f"{hub.endpoints.url}/endpoint/learner/demo/pause", headers=headers, timeout=5)

    assert (called.status_code, managed.status_code, endpoint.state) == (200, 403, "running")
    assert "inference.endpoints.write" in managed.json()["error"]
    assert [seen.client for seen in hub.requests] == ["caller", "caller"]


def test_a_public_one_asks_nobody(hub: sandbox.Sandbox) -> None:
    endpoint = running(hub, public=True)

    assert requests.get(f"{endpoint.url}/health", timeout=5).status_code == 200


# --- the management API and the real library ------------------------------------------------------------------


@pytest.fixture
def api(hub: sandbox.Sandbox, monkeypatch: pytest.MonkeyPatch) -> HfApi:
    """The real library, pointed at the sandbox, and waiting on its clock."""
    monkeypatch.setattr(huggingface_hub.constants, "INFERENCE_ENDPOINTS_ENDPOINT", hub.endpoints.url)
    monkeypatch.setattr("huggingface_hub._inference_endpoints.time.sleep", hub.clock.advance)
    monkeypatch.setenv("HF_TOKEN", hub.tokens["write"])
    return HfApi(endpoint=hub.url)


WANTED: dict[str, Any] = {
    "repository": REPOSITORY,
    "framework": "pytorch",
    "task": "text-generation",
    "accelerator": "gpu",
    "instance_size": "x1",
    "instance_type": "nvidia-a10g",
    "region": "us-east-1",
    "vendor": "aws",
    "min_replica": 0,
    "scale_to_zero_timeout": 30,
}


def test_the_real_library_creates_waits_chats_and_lets_it_sleep(hub: sandbox.Sandbox, api: HfApi) -> None:
    secret = "a-registry-password"
    endpoint = api.create_inference_endpoint(
        "demo", **WANTED, secrets={"KEY": secret}, custom_image={"url": "vllm/vllm-openai:latest"},
        container_registry_username="me", container_registry_password=secret,
    )  # fmt: skip
    created = (endpoint.status, endpoint.url)
    endpoint.wait(timeout=600)
    answer = endpoint.client.chat_completion(QUESTION, model=REPOSITORY)
    endpoint.scale_to_zero()

    assert created == ("pending", None)
    assert (answer.choices[0].message.content or "").startswith("A read token")
    assert endpoint.status == "scaledToZero"
    assert endpoint.url == hub.endpoints.find("demo").url  # type: ignore[union-attr]
    assert secret not in f"{endpoint.raw}{hub.endpoints.find('demo').deployment!r}"  # type: ignore[union-attr]


def test_the_real_library_pauses_resumes_lists_and_deletes(hub: sandbox.Sandbox, api: HfApi) -> None:
    endpoint = api.create_inference_endpoint("demo", **WANTED).wait()

    assert endpoint.resume().status == "running"  # 400 "already running", which the library swallows
    assert endpoint.pause().status == "paused"
    assert endpoint.resume().status == "initializing"
    assert [each.name for each in api.list_inference_endpoints()] == ["demo"]
    endpoint.delete()
    assert api.list_inference_endpoints() == []
    with pytest.raises(huggingface_hub.errors.HfHubHTTPError, match="404"):
        api.get_inference_endpoint("demo")


def test_the_real_library_tells_a_failure(hub: sandbox.Sandbox, api: HfApi) -> None:
    endpoint = api.create_inference_endpoint("demo", **WANTED)
    found = hub.endpoints.find("demo")
    assert found is not None
    found.fail()

    with pytest.raises(InferenceEndpointError, match="failed to deploy"):
        endpoint.wait()


@pytest.mark.parametrize(
    ("token", "changed", "due"),
    [
        pytest.param("read", {}, "inference.endpoints.write", id="only reads"),
        pytest.param("write", {"scale_to_zero_timeout": 5}, "scaleToZeroTimeout: .* 15", id="too short"),
        pytest.param("write", {"type": "private"}, "type: ", id="private"),
        pytest.param("write", {"namespace": "elsewhere"}, "403", id="of somebody else"),
    ],
)
def test_the_real_library_shows_a_refusal(
    hub: sandbox.Sandbox, api: HfApi, token: str, changed: dict[str, Any], due: str
) -> None:
    with pytest.raises(huggingface_hub.errors.HfHubHTTPError) as caught:
        api.create_inference_endpoint("demo", **WANTED | changed, token=hub.tokens[token])

    assert re.search(due, f"{caught.value}{caught.value.response.text}")
    assert hub.endpoints.find("demo") is None


def test_two_of_one_name_are_one_too_many(hub: sandbox.Sandbox, api: HfApi) -> None:
    api.create_inference_endpoint("demo", **WANTED)

    with pytest.raises(huggingface_hub.errors.HfHubHTTPError, match="already exists"):
        api.create_inference_endpoint("demo", **WANTED)
