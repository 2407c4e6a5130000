"""What the pods are told, held against what the programs do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from drift_jobs.__main__ import app as drift_jobs
from drift_jobs.commands.endings import DRIFT
from drift_jobs.settings import DriftSettings
from sentiment_api.__main__ import app as sentiment_api
from sentiment_api.routes.operations import live, ready
from sentiment_api.server import kill_timeout_s
from sentiment_api.settings import ServiceSettings, read_settings
from sentiment_api.telemetry.metrics import Metrics
from sentiment_train.__main__ import app as sentiment_train

Document = dict[str, Any]
DATABASE_URL = {"SENTIMENT_DATABASE_URL": "postgresql://sentiment@postgres/sentiment"}
HOOK_START_S = 20
"""What the start of `sentiment-api drain` took on a very busy core."""


@pytest.fixture
def settings(
    folder: Path, variables: Callable[[Path], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> ServiceSettings:
    """What the service makes of its ConfigMap."""
    for name, value in (variables(folder / "base/api.env") | DATABASE_URL).items():
        monkeypatch.setenv(name, value)
    return read_settings(ServiceSettings)


def test_a_stop_has_its_time(pods: dict[str, Document], container: Document, settings: ServiceSettings) -> None:
    """The pod is killed later than the hook, the batch, the spool and the service's own patience may take together."""
    grace_s = pods["sentiment-api"]["spec"]["terminationGracePeriodSeconds"]
    assert grace_s >= HOOK_START_S + _hook_grace_s(container) + kill_timeout_s(settings)


def test_who_looks_for_readiness_sees_the_drain(container: Document) -> None:
    """The service goes on until the probe has noticed that it drains. The hook is a command of the service."""
    probe = container["readinessProbe"]
    assert _hook_grace_s(container) > probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    program, *arguments = container["lifecycle"]["preStop"]["exec"]["command"]
    assert (program, _parsed(sentiment_api, arguments)) == ("sentiment-api", "drain")


def test_probes_ask_what_the_service_answers(container: Document, settings: ServiceSettings) -> None:
    """Readiness alone asks whether it is ready: who waits for Postgres is not restarted. All ask the port it has."""
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for kind, route in (("startupProbe", live), ("livenessProbe", live), ("readinessProbe", ready)):
        request = container[kind]["httpGet"]
        assert request["path"] in route.paths, kind
        assert ports[request["port"]] == settings.port, kind


@pytest.mark.parametrize(("file", "kind"), [("api.env", ServiceSettings), ("drift.env", DriftSettings)])
def test_settings_are_real(
    folder: Path,
    file: str,
    kind: type[ServiceSettings | DriftSettings],
    variables: Callable[[Path], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every variable is a setting of the program that gets it, and all of them together are accepted."""
    given = variables(folder / "base" / file)
    assert set(given) <= {f"SENTIMENT_{name}".upper() for name in kind.model_fields}
    for name, value in (given | DATABASE_URL).items():
        monkeypatch.setenv(name, value)
    read_settings(kind)


def test_who_asks_the_service_has_a_key(
    settings: ServiceSettings, only: Callable[[str], Document], pods: dict[str, Document], root: Path
) -> None:
    """The service lets nobody in without a key; the Secrets of those who ask are made by a page."""
    assert settings.keys == "required"
    (endpoint,) = only("ServiceMonitor")["spec"]["endpoints"]
    (drift,) = pods["sentiment-drift"]["spec"]["containers"]
    (variable,) = drift["env"]
    assert variable["name"] == "SENTIMENT_SERVICE_KEY"
    assert "service_key" in DriftSettings.model_fields
    page = (root / "docs/kubernetes.md").read_text()
    for reference in (endpoint["authorization"]["credentials"], variable["valueFrom"]["secretKeyRef"]):
        assert f"create secret generic {reference['name']} --from-literal={reference['key']}=" in page


def test_arguments_are_understood(pods: dict[str, Document]) -> None:
    """The command lines of the programs take what the pods give them."""
    arguments = {name: pod["spec"]["containers"][0].get("args", []) for name, pod in pods.items()}
    assert _parsed(sentiment_api, arguments["sentiment-api"]) == "serve"
    assert _parsed(sentiment_api, arguments["sentiment-migrate"]) == "upgrade"
    assert _parsed(drift_jobs, arguments["sentiment-drift"]) == "nightly"
    _, fit = arguments["sentiment-train"][0].replace("$resume", "--resume").split("-m sentiment_train ")
    assert _parsed(sentiment_train, fit.split()) == "fit"


def test_drift_is_not_tried_again(only: Callable[[str], Document]) -> None:
    """The exit code that means drift ends the Job, and no other does; one night begins when the last has ended."""
    spec = only("CronJob")["spec"]
    job = spec["jobTemplate"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    endings = [rule for rule in job["podFailurePolicy"]["rules"] if rule["action"] == "FailJob"]
    codes = {"containerName": container["name"], "operator": "In", "values": [DRIFT]}
    assert endings == [{"action": "FailJob", "onExitCodes": codes}]
    assert spec["concurrencyPolicy"] == "Forbid"


def test_nights_are_the_shop_s(
    only: Callable[[str], Document], folder: Path, variables: Callable[[Path], dict[str, str]]
) -> None:
    """The schedule goes by the clock whose days are judged."""
    assert only("CronJob")["spec"]["timeZone"] == variables(folder / "base/drift.env")["SENTIMENT_TIMEZONE"]


def test_spools_are_kept(only: Callable[[str], Document], container: Document, settings: ServiceSettings) -> None:
    """A claim outlives its replica, is where the service spools, and has room for more than a full spool."""
    spec = only("StatefulSet")["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenScaled": "Retain", "whenDeleted": "Retain"}
    (claim,) = spec["volumeClaimTemplates"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts[claim["metadata"]["name"]] == str(settings.data_dir)
    size = claim["spec"]["resources"]["requests"]["storage"]
    assert int(size.removesuffix("Gi")) * 2**30 >= 2 * settings.spool_max_bytes


def test_replicas_share_the_key_of_the_text_hash(container: Document, settings: ServiceSettings) -> None:
    """The key is mounted where the service looks for it before it makes one of its own."""
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "text-hash"]
    assert (mount["mountPath"], mount["readOnly"]) == (f"{settings.data_dir}/text-hash.key", True)


def test_the_autoscaler_reads_what_the_service_exposes(only: Callable[[str], Document], folder: Path) -> None:
    """The adapter gives a metric that the service has, the autoscaler asks for it, and nobody else sets replicas."""
    scaler, scaled = only("HorizontalPodAutoscaler")["spec"], only("StatefulSet")
    asked = [each["pods"]["metric"]["name"] for each in scaler["metrics"] if each["type"] == "Pods"]
    rules = yaml.safe_load((folder / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    assert asked == [rule["seriesQuery"].split("{")[0] for rule in rules]
    assert set(asked) <= {family.name for family in Metrics().registry.collect()}
    assert (scaler["scaleTargetRef"]["kind"], scaler["scaleTargetRef"]["name"]) == (
        scaled["kind"],
        scaled["metadata"]["name"],
    )
    assert "replicas" not in scaled["spec"]


def _hook_grace_s(container: Document) -> float:
    command = container["lifecycle"]["preStop"]["exec"]["command"]
    return float(command[command.index("--grace") + 1])


def _parsed(program: typer.Typer, arguments: list[str]) -> str:
    """Have the real command line parse `arguments`, run nothing, and return the name of the command."""
    command: Any = typer.main.get_command(program)
    name, rest = "", list(arguments)
    while hasattr(command, "commands"):
        name, *rest = rest
        command = command.commands[name]
    command.make_context(name, rest)
    return name
