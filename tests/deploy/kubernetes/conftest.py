"""`deploy/kubernetes` as its tests read it: without kustomize, which only the tests of the overlays need."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

Document = dict[str, Any]
PARTS = ("base", "monitoring", "ship-claim", "train")


@pytest.fixture(scope="session")
def folder(root: Path) -> Path:
    """Where the manifests are."""
    return root / "deploy/kubernetes"


@pytest.fixture(scope="session")
def documents(folder: Path) -> list[Document]:
    """Every object of every part, as written."""
    return [document for part in PARTS for document in _resources(folder / part)]


@pytest.fixture(scope="session")
def only(documents: list[Document]) -> Callable[[str], Document]:
    """Return the one object of a kind."""

    def find(kind: str) -> Document:
        (document,) = [document for document in documents if document["kind"] == kind]
        return document

    return find


@pytest.fixture(scope="session")
def pods(documents: list[Document]) -> dict[str, Document]:
    """The template of each workload's pods, by the workload's name."""
    return {document["metadata"]["name"]: pod for document in documents if (pod := _pod_of(document))}


@pytest.fixture(scope="session")
def container(pods: dict[str, Document]) -> Document:
    """The service's container."""
    (container,) = pods["sentiment-api"]["spec"]["containers"]
    return dict(container)


@pytest.fixture(scope="session")
def variables() -> Callable[[Path], dict[str, str]]:
    """Read a file of variables as kustomize does."""

    def read(path: Path) -> dict[str, str]:
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    return read


def _resources(folder: Path) -> Iterator[Document]:
    """The objects that a kustomization names, without what it generates."""
    for name in yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]:
        yield from (document for document in yaml.safe_load_all((folder / name).read_text()) if document)


def _pod_of(document: Document) -> Document | None:
    """The pod template of a StatefulSet, a Job or a CronJob."""
    spec = document.get("spec", {})
    template: Document | None = spec.get("jobTemplate", {}).get("spec", spec).get("template")
    return template
