"""`compose.yaml` and the Containerfile as files."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture(scope="module")
def compose(root: Path) -> dict[str, Any]:
    """The file, with its anchors resolved."""
    return dict(yaml.safe_load((root / "compose.yaml").read_text()))


def test_compose_keeps_to_the_specification(root: Path) -> None:
    """The file is valid by the JSON schema of the Compose Specification."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_starting_order_can_be_kept(compose: dict[str, Any]) -> None:
    """A service waits for the health only of what has a health check, and for the end only of what does not restart."""
    services = compose["services"]
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            target = services[needed]
            if how["condition"] == "service_healthy":
                assert "healthcheck" in target, (name, needed)
            elif how["condition"] == "service_completed_successfully":
                assert "restart" not in target, (name, needed)


def test_nothing_listens_beyond_this_machine(compose: dict[str, Any]) -> None:
    """Every published port is published on loopback."""
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    for port in ports:
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_secrets_are_files(compose: dict[str, Any]) -> None:
    """No password and no key is in an environment: the variable names a file that the service is given."""
    named = 0
    for name, service in compose["services"].items():
        given = {f"/run/secrets/{secret}" for secret in service.get("secrets", [])}
        folders = {mount.split(":")[1] for mount in service.get("volumes", [])}
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET|KEY_|_KEY$", variable):
                named += 1
                assert variable.endswith("_FILE"), (name, variable)
                assert value in given or str(Path(value).parent) in folders, (name, variable)
    assert named


def test_secrets_have_no_default(compose: dict[str, Any], root: Path) -> None:
    """Every secret is a file that git ignores and somebody uses; what is missing stops the start."""
    ignored = (root / ".gitignore").read_text().split()
    used = {secret for service in compose["services"].values() for secret in service.get("secrets", [])}
    assert used == set(compose["secrets"])
    for secret in compose["secrets"].values():
        folder, name = (root / secret["file"]).parent, Path(secret["file"]).name
        beside = folder / ".gitignore"
        assert f"/{folder.relative_to(root)}/" in ignored or name in beside.read_text().split(), name
    assert not re.search(r"://[^/@\s]*:[^/@\s]*@", (root / "compose.yaml").read_text())


def test_the_service_asks_for_keys(compose: dict[str, Any], root: Path) -> None:
    """Nobody comes in by claiming a proxy; Prometheus reads its key from where the keys are made."""
    environment = compose["services"]["api"]["environment"]
    assert environment["SENTIMENT_KEYS"] == "required"
    assert "SENTIMENT_BEHIND_PROXY" not in environment
    jobs = yaml.safe_load((root / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    (file,) = {job["authorization"]["credentials_file"] for job in jobs if job["job_name"] == "sentiment-api"}
    assert f"keys:{Path(file).parent}:ro" in compose["services"]["prometheus"]["volumes"]
    assert f"make {Path(file).name} metrics" in compose["services"]["keys"]["command"][0]


def test_prometheus_keeps_its_data(compose: dict[str, Any]) -> None:
    """Our command replaces the image's, so it names the file and folder that are mounted; exemplars are kept."""
    prometheus = compose["services"]["prometheus"]
    options = dict(option.removeprefix("--").split("=", 1) for option in prometheus["command"])
    targets = [mount.split(":")[1] for mount in prometheus["volumes"]]
    assert str(Path(options["config.file"]).parent) in targets
    assert options["storage.tsdb.path"] in targets
    assert "exemplar-storage" in options["enable-feature"].split(",")


def test_memory_is_bounded(compose: dict[str, Any]) -> None:
    """No service can take the memory of the others."""
    assert [name for name, service in compose["services"].items() if "mem_limit" not in service] == []


def test_volumes_lead_somewhere(compose: dict[str, Any], root: Path) -> None:
    """A named volume is declared, every declared one is used, and a mounted path is in the repository."""
    mounts = [mount.split(":")[0] for service in compose["services"].values() for mount in service.get("volumes", [])]
    paths = [mount for mount in mounts if mount.startswith(".")]
    assert {mount for mount in mounts if not mount.startswith(".")} == set(compose["volumes"])
    assert [path for path in paths if not (root / path).exists()] == []


def test_images_are_pinned_or_built(compose: dict[str, Any], root: Path) -> None:
    """An image is built from a stage that the Containerfile has, or names a version."""
    stages = re.findall(r"^FROM .* AS (\S+)$", (root / "Containerfile").read_text(), re.MULTILINE)
    assert stages[-1] == "serve"
    for name, service in compose["services"].items():
        if "build" in service:
            assert service["build"]["target"] in stages, name
        else:
            assert re.search(r":v?\d[\d.]*$", service["image"]), name


def test_images_get_only_what_they_copy(root: Path) -> None:
    """What the Containerfile copies is exactly what `.containerignore` lets through, and it exists."""
    text = (root / "Containerfile").read_text()
    copied = {path for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for path in line.split()}
    ignore = (root / ".containerignore").read_text().splitlines()
    assert "*" in ignore
    assert {line[1:] for line in ignore if line.startswith("!")} == copied
    assert [path for path in copied if not (root / path).exists()] == []
