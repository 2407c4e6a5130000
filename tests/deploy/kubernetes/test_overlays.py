"""What a cluster is given: the example overlays, built by the kustomize of a real kubectl."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.protocols import Build

Document = dict[str, Any]
VERSION = "1.37.0"
OPERATOR = "monitoring.coreos.com/v1"


@pytest.fixture(scope="module")
def build(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Build a folder of `deploy/kubernetes`, with secrets made as the documentation says."""
    kubectl = Path(sys.executable).with_name("kubectl")  # from PyPI, with the other tools
    copy = tmp_path_factory.mktemp("deploy") / "kubernetes"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("secrets"))
    secrets = copy / "overlays/example/secrets"
    secrets.mkdir()
    (secrets / "database.env").write_text(
        "SENTIMENT_DATABASE_URL=postgresql://sentiment@host/name\nPGPASSWORD=p=$w'd\n"
    )
    (secrets / "text-hash.key").write_bytes(bytes(range(224, 256)))

    def run(name: str) -> list[Document]:
        result = subprocess.run([kubectl, "kustomize", copy / name], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return list(yaml.safe_load_all(result.stdout))

    return run


@pytest.fixture(scope="module")
def built(build: Build) -> list[Document]:
    """The objects of the example."""
    return build("overlays/example")


@pytest.mark.parametrize("name", ["base", "overlays/example", "overlays/example/ship-claim", "overlays/example/train"])
def test_what_is_built_is_valid(build: Build, name: str) -> None:
    """Every object that reaches the cluster keeps to its schema."""
    for document in build(name):
        if document["apiVersion"] != OPERATOR:
            kubernetes_validate.validate(document, VERSION, strict=True)


def test_everything_is_in_one_namespace(built: list[Document]) -> None:
    """The overlay names the namespace of every object, and makes it, under the restricted standard."""
    (namespace,) = [each["metadata"] for each in built if each["kind"] == "Namespace"]
    assert namespace["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    rest = [each["metadata"] for each in built if each["kind"] != "Namespace"]
    assert {each["namespace"] for each in rest} == {namespace["name"]}


@pytest.mark.parametrize("name", ["overlays/example", "overlays/example/ship-claim", "overlays/example/train"])
def test_images_are_named(build: Build, name: str) -> None:
    """The overlay says where each image comes from, and which release."""
    images = [found for document in build(name) for found in _values(document, "image")]
    assert images
    assert [image for image in images if not image.startswith("registry.example.com/") or ":" not in image] == []


@pytest.mark.parametrize("name", ["overlays/example", "overlays/example/ship-claim"])
def test_what_pods_ask_for_is_there(build: Build, built: list[Document], name: str) -> None:
    """Every ConfigMap and Secret that a pod names is made, by its own overlay or by the example."""
    documents = build(name)
    there = {(each["kind"], each["metadata"]["name"]) for each in [*documents, *built]}
    asked = {("ConfigMap", each["name"]) for document in documents for each in _values(document, "configMapRef")}
    asked |= {("ConfigMap", each["name"]) for document in documents for each in _values(document, "configMap")}
    asked |= {("Secret", each["name"]) for document in documents for each in _values(document, "secretRef")}
    asked |= {("Secret", each["secretName"]) for document in documents for each in _values(document, "secret")}
    assert asked
    assert asked <= there


def test_the_overlay_s_nights_are_the_shop_s(built: list[Document]) -> None:
    """The example sets the schedule's clock and the setting alike, and keeps the base's other settings."""
    (job,) = [each for each in built if each["kind"] == "CronJob"]
    (settings,) = [each["data"] for each in built if each["metadata"]["name"].startswith("sentiment-drift-settings")]
    assert job["spec"]["timeZone"] == settings["SENTIMENT_TIMEZONE"] == "Europe/Berlin"
    assert settings["SENTIMENT_SERVICE_URL"] == "http://sentiment-api:8000"


def test_the_drift_job_asks_a_service_that_is_there(built: list[Document]) -> None:
    """The address of the golden texts is a Service of this overlay, and its port."""
    (url,) = [
        each["data"]["SENTIMENT_SERVICE_URL"] for each in built if "SENTIMENT_SERVICE_URL" in each.get("data", {})
    ]
    services = {each["metadata"]["name"]: each["spec"]["ports"] for each in built if each["kind"] == "Service"}
    host, port = url.removeprefix("http://").split(":")
    assert int(port) in {each["port"] for each in services[host]}


def test_a_claim_is_named_as_the_stateful_set_names_it(build: Build, built: list[Document]) -> None:
    """The example ships a claim that the StatefulSet could have left behind."""
    (stateful,) = [each for each in built if each["kind"] == "StatefulSet"]
    (claim,) = [each["claimName"] for document in build("overlays/example/ship-claim") for each in _claims(document)]
    template = stateful["spec"]["volumeClaimTemplates"][0]["metadata"]["name"]
    assert claim.rpartition("-")[0] == f"{template}-{stateful['metadata']['name']}"


def _claims(document: Document) -> list[Document]:
    return _values(document, "persistentVolumeClaim")


def _values(node: Any, name: str) -> list[Any]:
    """Every value of a key of that name, however deep."""
    if isinstance(node, list):
        return [found for each in node for found in _values(each, name)]
    if not isinstance(node, dict):
        return []
    own = [node[name]] if name in node else []
    return own + [found for each in node.values() for found in _values(each, name)]
