"""The manifests as a whole: valid, complete, without rights, closed, and without secrets."""

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from sentiment_api.routes.operations import metrics

Document = dict[str, Any]
NAME = "app.kubernetes.io/name"
OURS = {"app.kubernetes.io/part-of": "sentiment-service"}
OPERATOR = "monitoring.coreos.com/v1"


@pytest.mark.parametrize("version", ["1.31.0", "1.37.0"])
def test_objects_are_valid(documents: list[Document], version: str) -> None:
    """Every object keeps to the schema of the oldest Kubernetes that has all of its fields, and of the newest known."""
    for document in documents:
        if document["apiVersion"] != OPERATOR:
            kubernetes_validate.validate(document, version, strict=True)


def test_every_file_is_used(folder: Path) -> None:
    """What lies beside a kustomization is named in it, and what it names is there."""
    for path in folder.rglob("kustomization.yaml"):
        kustomization = yaml.safe_load(path.read_text())
        named = {*kustomization.get("resources", []), *kustomization.get("components", []), *_sources(kustomization)}
        kept = {each for each in named if not each.startswith("secrets/")}
        assert [each for each in kept if not (path.parent / each).exists()] == [], path
        beside = {each.name for each in path.parent.iterdir() if each.suffix in {".yaml", ".env", ".py"}}
        assert beside - {"kustomization.yaml"} <= named, path


def test_pods_have_no_rights(pods: dict[str, Document], root: Path) -> None:
    """Nothing is root, can become it, writes to its image or speaks to the cluster; the user is the Containerfile's."""
    for name, pod in pods.items():
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert f"USER {context['runAsUser']}:{context['runAsGroup']}\n" in (root / "Containerfile").read_text(), name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        for container in pod["spec"]["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert {"cpu", "memory"} <= set(container["resources"]["limits"]), name


def test_services_set_no_settings(pods: dict[str, Document]) -> None:
    """Kubernetes' variables for Services, some of which could be settings of ours, are off."""
    assert [name for name, pod in pods.items() if pod["spec"]["enableServiceLinks"] is not False] == []


def test_selectors_find_their_pods(documents: list[Document], pods: dict[str, Document]) -> None:
    """What selects pods selects those of a workload that is there; each workload's pods have its name."""
    for name, pod in pods.items():
        assert pod["metadata"]["labels"].items() >= (OURS | {NAME: name}).items()
    for document in documents:
        for selector in _selectors(document):
            labels = [pod["metadata"]["labels"] for pod in pods.values()]
            assert any(each.items() >= selector.items() for each in labels), document["metadata"]["name"]


def test_nothing_is_open(documents: list[Document]) -> None:
    """All pods of ours are denied everything; the service alone is let in to, on its port, by three whom it knows."""
    policies = {each["metadata"]["name"]: each["spec"] for each in documents if each["kind"] == "NetworkPolicy"}
    denied = {"podSelector": {"matchLabels": OURS}, "policyTypes": ["Ingress", "Egress"]}
    assert policies["sentiment-default-deny"] == denied
    incoming = {name: rule for name, policy in policies.items() for rule in policy.get("ingress", [])}
    assert set(incoming) == {"sentiment-api"}
    assert incoming["sentiment-api"]["ports"] == [{"protocol": "TCP", "port": 8000}]
    assert len(incoming["sentiment-api"]["from"]) == 3
    outgoing = [rule for policy in policies.values() for rule in policy.get("egress", [])]
    assert all(rule["to"] for rule in outgoing)
    assert {port["port"] for rule in outgoing for port in rule["ports"]} == {53, 5432, 8000}


def test_prometheus_scrapes_each_replica_once(documents: list[Document], only: Callable[[str], Document]) -> None:
    """The monitor finds one Service, whose name is the job that dashboards go by, and the route of the metrics."""
    monitor = only("ServiceMonitor")["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    (found,) = [
        each for each in documents if each["kind"] == "Service" and each["metadata"]["labels"].items() >= wanted
    ]
    assert found["metadata"]["name"] == "sentiment-api"
    (endpoint,) = monitor["endpoints"]
    assert endpoint["path"] in metrics.paths
    assert endpoint["port"] in {port["name"] for port in found["spec"]["ports"]}


def test_rules_are_wrapped_as_they_are(folder: Path, tmp_path: Path) -> None:
    """A rules file becomes one PrometheusRule with its groups, whatever is in them."""
    alert = {"alert": "Slow", "expr": "a\n> b\n", "annotations": {"summary": "{{ $labels.instance }}: 5 s"}}
    groups = [{"name": "speed", "rules": [alert]}]
    (tmp_path / "service.yml").write_text(yaml.safe_dump({"groups": groups}))
    written = runpy.run_path(str(folder / "generate.py"))["render_rules"](tmp_path.glob("*.yml"))
    (rule,) = yaml.safe_load_all(written)
    assert (rule["apiVersion"], rule["kind"]) == (OPERATOR, "PrometheusRule")
    assert (rule["metadata"]["name"], rule["spec"]) == ("sentiment-service", {"groups": groups})


def test_the_generator_writes_the_committed_rules(folder: Path) -> None:
    """The PrometheusRules in the repository are those of Prometheus' own files: run `generate.py` after a change."""
    generator = runpy.run_path(str(folder / "generate.py"))
    assert generator["TARGET"].read_text() == generator["render_rules"](generator["RULES"].glob("*.yml"))


def test_secrets_are_not_in_the_repository(folder: Path, variables: Callable[[Path], dict[str, str]]) -> None:
    """The example makes its Secrets from a folder that git ignores; the example of such a file has no password."""
    overlay = folder / "overlays/example"
    generators = yaml.safe_load((overlay / "kustomization.yaml").read_text())["secretGenerator"]
    sources = [source for each in generators for source in [*each.get("envs", []), *each.get("files", [])]]
    assert sources
    assert all(source.startswith("secrets/") for source in sources)
    assert "/secrets/" in (overlay / ".gitignore").read_text().splitlines()
    assert variables(overlay / "database.env.example")["PGPASSWORD"] == ""


def _sources(kustomization: Document) -> Iterator[str]:
    for generator in [*kustomization.get("configMapGenerator", []), *kustomization.get("secretGenerator", [])]:
        yield from [*generator.get("envs", []), *generator.get("files", [])]


def _selectors(document: Document) -> Iterator[dict[str, str]]:
    """The labels by which an object looks for pods."""
    spec = document.get("spec", {})
    if document["kind"] == "Service":
        yield spec["selector"]
    elif document["kind"] in {"StatefulSet", "PodDisruptionBudget"}:
        yield spec["selector"]["matchLabels"]
    elif document["kind"] == "NetworkPolicy":
        yield spec["podSelector"].get("matchLabels", {})
        for each in spec["podSelector"].get("matchExpressions", []):
            yield from ({each["key"]: value} for value in each["values"])
