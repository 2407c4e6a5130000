"""All of `compose.yaml`, brought up by a real Compose as its head says: what runs, in which order, and what is kept.

COMPOSE names the tool: COMPOSE="docker compose" or COMPOSE=podman-compose. The images have to be there before:
`docker compose build`, `docker compose pull`. Ports and the project's name are the test's own.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.conftest import ROOT, wait_until

HEALTH = {
    "api": "/health/ready",
    "prometheus": "/-/ready",
    "alertmanager": "/-/ready",
    "grafana": "/api/health",
}
REVIEW = {"text": "The handle came off in the second week.", "product_id": "pan-3"}


class Project:
    """The compose file under a name and on ports of its own, in a folder of its own."""

    def __init__(self, tool: str, folder: Path, ports: dict[str, int]) -> None:
        """Copy what the compose file reads, and run the commands of its head that make the secrets."""
        self.folder, self._tool, self._ports = folder, shlex.split(tool), ports
        self._engine = "docker" if "docker" in tool else "podman"
        self.name = f"sentiment-test-{uuid.uuid4().hex[:8]}"
        written = (ROOT / "compose.yaml").read_text()
        text = re.sub(r"127\.0\.0\.1:(\d+):(\d+)", lambda port: f"127.0.0.1:{ports[port[1]]}:{port[2]}", written)
        (folder / "compose.yaml").write_text(text)
        shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("secrets", "webhook-url"))
        subprocess.run(["sh", "-euc", _first_commands(written)], cwd=folder, check=True)
        self.services: dict[str, Any] = yaml.safe_load(text)["services"]

    def run(self, *words: str) -> str:
        """Run the tool with these words and return what it prints; it has to succeed."""
        return self._succeed([*self._tool, "--project-name", self.name, *words])

    def ask_postgres(self, statement: str) -> str:
        """Return what psql prints, as the service's own user of the database."""
        return self.run("exec", "-T", "postgres", "psql", "-U", "sentiment", "-d", "sentiment", "-Atc", statement)

    def client(self, service: str, **options: Any) -> httpx.Client:
        """Return a client of the port that a service publishes."""
        (port,) = self.services[service]["ports"]
        return httpx.Client(base_url="http://" + port.rpartition(":")[0], timeout=30, **options)

    def inspect(self) -> dict[str, dict[str, Any]]:
        """Return what the engine knows of each service's container, with one that has ended."""
        label = f"label=com.docker.compose.project={self.name}"
        names = self._succeed([self._engine, "ps", "--all", "--quiet", "--filter", label]).split()
        found = json.loads(self._succeed([self._engine, "inspect", *names]))
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}

    def _succeed(self, command: list[str]) -> str:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, hold_port: Callable[[], AbstractContextManager[int]]
) -> Iterator[Project]:
    """The project, up; nothing of it is left afterwards."""
    tool = os.environ.get("COMPOSE")
    if not tool:
        pytest.skip('needs a Compose whose engine has the images: COMPOSE="docker compose" make test')
    published = re.findall(r"127\.0\.0\.1:(\d+):", (ROOT / "compose.yaml").read_text())
    with ExitStack() as held:
        ports = {port: held.enter_context(hold_port()) for port in published}
        project = Project(tool, tmp_path_factory.mktemp("compose"), ports)
        try:
            project.run("up", "--detach")
            yield project
        finally:
            project.run("down", "--volumes")


@pytest.fixture(scope="module")
def key(project: Project) -> dict[str, str]:
    """The header with a key that README's command has made, heeded by the service."""
    words = ("sentiment-api", "keys", "create", "mine", "--scope", "predict", "--scope", "feedback")
    header = {"Authorization": f"Bearer {project.run('exec', '-T', 'api', *words)}"}
    with project.client("api", headers=header) as http:
        wait_until(lambda: http.post("/predict", json=REVIEW).status_code == 200, "the key is heeded")
    return header


def test_all_services_are_well(project: Project) -> None:
    """What serves is ready, what is to happen once has ended with 0, and the rest runs, healthy where it can tell."""
    for service, path in HEALTH.items():
        with project.client(service) as http:
            wait_until(lambda http=http, path=path: _is_well(http, path), f"{service} is ready")  # type: ignore[misc]
    wait_until(lambda: _ill(project) == {}, f"all are well, {_ill(project)}")
    assert set(project.inspect()) == set(project.services)


def test_services_start_in_order(project: Project) -> None:
    """Nothing starts before what it needs has started, or has ended where it waits for that."""
    states = {name: container["State"] for name, container in project.inspect().items()}
    for name, service in project.services.items():
        for needed, how in service.get("depends_on", {}).items():
            ends = how["condition"] == "service_completed_successfully"
            before = states[needed]["FinishedAt" if ends else "StartedAt"]
            assert _time(before) <= _time(states[name]["StartedAt"]), (name, needed)


def test_secrets_are_seen_in_no_container(project: Project) -> None:
    """Whoever may list the containers reads no password in their environment or command."""
    secrets = [path.read_text().strip() for path in (project.folder / "deploy/secrets").iterdir()]
    secrets.append((project.folder / "deploy/alertmanager/webhook-url").read_text().strip())
    assert len(secrets) == 4
    assert all(secrets)
    told = json.dumps(project.inspect())
    assert [number for number, secret in enumerate(secrets) if secret in told] == []


def test_a_prediction_is_stored(project: Project, key: dict[str, str]) -> None:
    """Without a key there is no answer; with one there is, and it is in Postgres."""
    with project.client("api") as http:
        assert http.post("/predict", json=REVIEW).status_code == 401
        answer = http.post("/predict", json=REVIEW, headers=key).json()
    assert answer["label"] == "negative"
    wait_until(lambda: _stored_by(project, answer) == "mine", "the prediction is stored")


def test_prometheus_sees_everything(project: Project) -> None:
    """Each target is scraped, the service with its key; rules work, alerts have where to go, exemplars are kept."""
    with project.client("prometheus") as http:
        wait_until(lambda: _up(http) == {"sentiment-api", "prometheus", "alertmanager"}, "three targets are up")
        wait_until(lambda: _rules(http) == {"ok"}, "every rule was evaluated")
        urls = [each["url"] for each in _told(http, "alertmanagers")["activeAlertmanagers"]]
        assert urls == ["http://alertmanager:9093/api/v2/alerts"]
        assert "exemplar-storage" in _told(http, "status/flags")["enable-feature"]


def test_grafana_reaches_its_data(project: Project) -> None:
    """With the password of the file one is let in; both data sources answer, and the dashboards are there."""
    password = (project.folder / "deploy/secrets/grafana-password").read_text().strip()
    with project.client("grafana", auth=("admin", password)) as http:
        for source in ("prometheus", "postgres"):
            assert http.get(f"/api/datasources/uid/{source}/health").json()["status"] == "OK", source
        found = {each["uid"] for each in http.get("/api/search?type=dash-db").json()}
    files = (project.folder / "deploy/grafana/dashboards").rglob("*.json")
    assert found == {json.loads(path.read_text())["uid"] for path in files}


def test_the_drift_job_has_its_key(project: Project) -> None:
    """For last night it has asked the golden texts; of today it says that there is too little, and stores that."""
    day = datetime.now(UTC).date().isoformat()
    words = ("drift-jobs", "run", "--start", day)
    with pytest.raises(AssertionError, match=r"not judged: .*needed 500"):
        project.run("exec", "-T", "drift", *words)
    golden = "select count(*) from predictions where api_key_name = 'drift'"
    wait_until(lambda: int(project.ask_postgres(golden)) > 0, "the golden texts' answers are stored")
    assert project.ask_postgres("select count(*) from drift_runs where window_start >= current_date") == "1"


def test_the_service_stops_in_time(project: Project) -> None:
    """Stopped, it ends by itself with 0, within its grace; started again, it is well."""
    project.run("stop", "api")
    assert project.inspect()["api"]["State"]["ExitCode"] == 0
    project.run("start", "api")
    with project.client("api") as http:
        wait_until(lambda: _is_well(http, HEALTH["api"]), "the service is ready")


def test_down_and_up_again_loses_nothing(project: Project, key: dict[str, str]) -> None:
    """Predictions and keys outlive the containers, and a key that was revoked is made anew for who needs it."""
    with project.client("api", headers=key) as http:
        answer = http.post("/predict", json=REVIEW).json()
    project.run("exec", "-T", "api", "sentiment-api", "keys", "revoke", "drift")
    project.run("down")
    project.run("up", "--detach")
    with project.client("api", headers=key) as http:
        wait_until(lambda: _is_well(http, HEALTH["api"]), "the service is ready")
        wait_until(lambda: http.post("/predict", json=REVIEW).status_code == 200, "the key is heeded")
    wait_until(lambda: _stored_by(project, answer) == "mine", "the prediction is stored")
    names = project.ask_postgres("select string_agg(name, ' ' order by name) from api_keys")
    assert names == "drift drift mine prometheus"
    assert {project.inspect()[name]["State"]["ExitCode"] for name in ("migrate", "keys", "grafana-role")} == {0}


def _first_commands(text: str) -> str:
    """Return the commands of the head's first step."""
    step = text[: text.index("# 2. Start")]
    return "\n".join(re.findall(r"^#      (.*)$", step, re.MULTILINE))


def _ill(project: Project) -> dict[str, str]:
    """Return the services that are not as they should be, each with how it is."""
    return {name: state for name, state in _states(project).items() if state not in ("ended", "runs", "healthy")}


def _states(project: Project) -> dict[str, str]:
    once = {
        needed
        for service in project.services.values()
        for needed, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    return {name: _state(each["State"], name in once) for name, each in project.inspect().items()}


def _state(state: dict[str, Any], once: bool) -> str:
    if once:
        return "ended" if (state["Status"], state["ExitCode"]) == ("exited", 0) else json.dumps(state)
    if state["Status"] != "running":
        return json.dumps(state)
    return str((state.get("Health") or {}).get("Status") or "runs")


def _stored_by(project: Project, answer: dict[str, Any]) -> str:
    """Return the name of the key that the stored prediction was asked with; nothing while it is not stored."""
    table = project.ask_postgres("select prediction_id, api_key_name from predictions")
    return dict(line.split("|") for line in table.splitlines()).get(answer["prediction_id"], "")


def _is_well(http: httpx.Client, path: str) -> bool:
    try:
        return http.get(path).status_code == 200
    except httpx.TransportError:
        return False


def _told(http: httpx.Client, what: str, **asked: str) -> dict[str, Any]:
    """Return what Prometheus tells under a path of its API."""
    reply = http.get(f"/api/v1/{what}", params=asked).json()
    assert reply["status"] == "success", reply
    return dict(reply["data"])


def _up(http: httpx.Client) -> set[str]:
    return {each["metric"]["job"] for each in _told(http, "query", query="up == 1")["result"]}


def _rules(http: httpx.Client) -> set[str]:
    return {rule["health"] for group in _told(http, "rules")["groups"] for rule in group["rules"]}


def _time(stamp: str) -> datetime:
    """Read a time to the microsecond: Docker gives nanoseconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", stamp))
