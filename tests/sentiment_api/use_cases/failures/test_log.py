"""A spool that is full, and a database that is away."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from sentiment_api.app import build_app
from sentiment_api.components import build_components
from sentiment_api.lifespan import Lifespan
from sentiment_api.model.classifier import Classifier
from sentiment_api.use_cases.look_up_turns import MAX_LOOK_UPS
from tests.protocols import AssertProblem, Metric, NewClient, SettingsWithoutPostgres, Slugs, Waiting

Client = TestClient[Litestar]

REVIEW = {"text": "The lid never closes properly."}
SPOOL_BYTES = 1 << 20


def database_of(client: Client) -> str:
    """Return how the service says that its database is."""
    found: str = client.get("/health/ready").json()["prediction_log"]["database"]
    return found


def test_nothing_is_predicted_that_cannot_be_recorded(
    new_client: NewClient, tmp_path: Path, assert_problem: AssertProblem, metric: Metric, slugs: Slugs
) -> None:
    """When the spool is at its bound a prediction gets 503 instead of an answer, alone and in a batch."""
    client = new_client(spool_max_bytes=SPOOL_BYTES)
    long = {"text": "good " * 3_900}
    answers = slugs(client.post("/predict/batch", json={"items": [long] * 60}))
    given = answers.count("negative")
    assert answers == ["negative"] * given + ["log-full"] * (60 - given)
    assert 40 < given < 60
    assert_problem(client.post("/predict", json=long), 503, "log-full")
    assert metric(client, 'sentiment_predictions_total{label="negative"}') == given
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.seg")) <= SPOOL_BYTES


def test_told_to_drop_the_oldest_it_answers_on_and_says_what_it_loses(new_client: NewClient, slugs: Slugs) -> None:
    """When the spool is at its bound predictions are given all the same, and the health counts those that were lost."""
    with capture_logs() as logged:
        client = new_client(spool_max_bytes=SPOOL_BYTES, spool_full="drop_oldest")
    assert [each for each in logged if "will lose its oldest predictions" in each["event"]]
    long = {"text": "good " * 3_900}
    assert slugs(client.post("/predict/batch", json={"items": [long] * 120})) == ["negative"] * 120
    health = client.get("/health/ready").json()["prediction_log"]
    assert (health["spooled"], health["spool_bytes"] <= SPOOL_BYTES) == (120, True)
    assert 40 < health["dropped"] < 120


def test_a_database_that_is_away_shows_and_harms_no_prediction(new_client: NewClient, waiting: Waiting) -> None:
    """Without Postgres predictions and feedback are taken, the service stays ready, and its health says `away`."""
    client = new_client()
    waiting(lambda: database_of(client) == "away", "the health of the idle service says so")
    prediction_id = client.post("/predict", json=REVIEW).json()["prediction_id"]
    reply = client.post("/feedback", json={"prediction_id": prediction_id, "rating": 4})
    assert (reply.status_code, reply.json()["state"]) == (202, "pending")
    health = client.get("/health/ready")
    assert (health.status_code, health.json()["status"]) == (200, "ready")
    assert health.json()["prediction_log"]["spool_bytes"] > 0
    assert database_of(client) == "away"


def _begin_segment(client: Client, folder: Path, waiting: Waiting) -> None:
    before = len(list(folder.rglob("*.seg")))

    def another() -> bool:
        predicted = client.post("/predict", json=REVIEW).status_code == 200
        return predicted and len(list(folder.rglob("*.seg"))) > before

    waiting(another, "another segment is begun")


def test_a_spooled_prediction_shows_its_latest_feedback(
    new_client: NewClient, waiting: Waiting, tmp_path: Path
) -> None:
    """Without Postgres a look-up reads text and last rating from the spool, also from different segments."""
    client = new_client()
    prediction_id = client.post("/predict", json=REVIEW).json()["prediction_id"]
    for rating in (4, 1):
        client.post("/feedback", json={"prediction_id": prediction_id, "rating": rating})
        _begin_segment(client, tmp_path, waiting)
    found = client.get(f"/predictions/{prediction_id}").json()
    assert (found["state"], found["text"], found["label"]) == ("spooled", REVIEW["text"], "negative")
    assert found["feedback"]["rating"] == 1


def test_an_unknown_prediction_needs_the_database(new_client: NewClient, assert_problem: AssertProblem) -> None:
    """Without Postgres nobody can say that an id is unknown, so its look-up gets 503."""
    assert_problem(new_client().get(f"/predictions/{uuid.uuid4()}"), 503, "database-away")


def test_look_ups_are_bounded_and_hold_up_nobody_else(
    classifier: Classifier,
    without_postgres: SettingsWithoutPostgres,
    assert_problem: AssertProblem,
    metric: Metric,
    waiting: Waiting,
) -> None:
    """While look-ups wait for the spool feedback is taken, and one look-up too many is refused at once and counted."""
    components = build_components(without_postgres(), classifier)
    blocked, unblock = threading.Barrier(2, timeout=60), threading.Event()
    components.look_ups.submit(lambda: (blocked.wait(), unblock.wait(60)))
    blocked.wait()
    with (
        TestClient(build_app(Lifespan(components)), base_url="http://127.0.0.1") as client,
        ThreadPoolExecutor(MAX_LOOK_UPS) as clients,
    ):
        asked = [clients.submit(client.get, f"/predictions/{uuid7()}") for _ in range(MAX_LOOK_UPS)]
        in_progress = "sentiment_http_requests_in_progress"
        waiting(
            lambda: metric(client, in_progress) == MAX_LOOK_UPS + 1, "all of them, and this one, are being answered"
        )
        for path in (
            f"predictions/{uuid7()}",
            "predictions",
            "drift/reports",
            "drift/latest",
            f"drift/reports/{uuid7()}",
        ):
            refused = client.get(f"/{path}")
            assert_problem(refused, 503, "look-ups-overloaded")
            assert int(refused.headers["Retry-After"]) >= 1
        assert client.post("/feedback", json={"prediction_id": str(uuid7()), "rating": 1}).status_code == 202
        unblock.set()
        assert {each.result().status_code for each in asked} == {503}
        assert metric(client, 'sentiment_refused_requests_total{reason="look-ups-overloaded"}') >= 5
        assert_problem(client.get(f"/predictions/{uuid7()}"), 503, "database-away")


def test_an_idle_service_knows_that_its_database_is_up(
    new_client: NewClient, session_database: str, waiting: Waiting
) -> None:
    """With Postgres there the health comes to say `up` before anything was predicted."""
    client = new_client(database_url=SecretStr(session_database))
    waiting(lambda: database_of(client) == "up", "the health says so")
