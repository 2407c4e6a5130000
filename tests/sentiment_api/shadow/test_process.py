"""The process that scores: behind everything, stopped and resumed, and never left behind."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sentiment_api.errors import ShadowFailed
from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.shadow.comparison import Shadow
from sentiment_api.shadow.process import ShadowProcess
from sentiment_api.shadow.scoring import ShadowAnswer
from sentiment_api.telemetry.metrics import Metrics
from tests.protocols import Dropped, NewCandidate, Waiting

pytestmark = pytest.mark.slow


PATIENCE_S = 30.0
REVIEW = {"text": "The lid never closes properly."}


@pytest.fixture
def process(other_model: Path) -> Iterator[ShadowProcess]:
    """The real process, on another model than the one that serves; not loaded yet."""
    process = ShadowProcess(other_model, "cpu")
    yield process
    process.stop()


def pid_of(process: ShadowProcess) -> int:
    """Return its process id."""
    assert process._process is not None
    return process._process.pid


def has_ended(process: psutil.Process) -> bool:
    """Return whether it is gone, or only waits to be taken note of by whoever takes over orphans."""
    try:
        return process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return True


STARTED_AND_PAUSED = """
import sys, time
from pathlib import Path
from sentiment_api.shadow.process import ShadowProcess
process = ShadowProcess(Path(sys.argv[1]), "cpu")
process.start()
process.pause()
print(process._process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("whole", [False, True])
def test_the_process_answers_as_its_model_does(process: ShadowProcess, other_model: Path, whole: bool) -> None:
    """It reads the beginning or all of a text, as told, and gives that model's logits and probabilities."""
    text = "The lid never closes properly. " * 200 + "And yet I love it!"
    process.start()
    model = process.load()
    classifier = Classifier.load(open_bundle(other_model), "cpu", 1)
    assert (model.version, model.labels) == (classifier.bundle.manifest.version, classifier.labels)
    answer = process.score(text, whole=whole)
    reading = classifier.encode_windows(text, whole=whole)
    assert (len(reading.windows) > 1) is whole
    expected = reading.weighted_mean([classifier.forward([window.ids]).logits[0] for window in reading.windows])
    assert answer.logits == pytest.approx(expected.tolist(), abs=1e-5)
    assert answer.probabilities == pytest.approx(classifier.calibrate(expected).tolist(), abs=1e-5)
    assert answer.latency_ms > 0
    assert answer.processor_ms > 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such priority")
def test_the_process_is_behind_everything(process: ShadowProcess) -> None:
    """It runs only where nobody else wants the processor, and is the first to go when memory runs out."""
    process.start()
    process.load()
    pid = pid_of(process)
    assert os.sched_getscheduler(pid) == os.SCHED_IDLE
    assert os.getpriority(os.PRIO_PROCESS, pid) == 19
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n"


def test_the_process_stands_still_when_told(process: ShadowProcess, waiting: Waiting) -> None:
    """Paused it uses no processor, and it answers once it is resumed."""
    process.start()
    process.load()
    process.pause()
    waiting(lambda: psutil.Process(pid_of(process)).status() == psutil.STATUS_STOPPED, "it stands still")
    answers: list[ShadowAnswer] = []
    asking = threading.Thread(target=lambda: answers.append(process.score("Fine.", whole=False)))
    asking.start()
    asking.join(0.2)
    assert answers == []
    process.resume()
    asking.join(PATIENCE_S)
    assert len(answers) == 1


def test_a_process_that_dies_fails_the_shadow(process: ShadowProcess) -> None:
    """Whoever waits for an answer hears how it ended."""
    process.start()
    process.load()
    psutil.Process(pid_of(process)).kill()
    with pytest.raises(ShadowFailed, match="its process ended by signal 9"):
        process.score("Fine.", whole=False)


def test_a_process_that_hangs_fails_the_shadow(other_model: Path) -> None:
    """Running on for too long without an answer it is given up, so that nothing waits for it for ever."""
    process = ShadowProcess(other_model, "cpu", answer_timeout_s=1.0)
    process.start()
    psutil.Process(pid_of(process)).suspend()  # by somebody else: the service takes it to run
    with pytest.raises(ShadowFailed, match="its process ran for 1 s without an answer"):
        process.load()
    process.stop()


def test_the_time_that_a_process_stands_still_is_not_counted(other_model: Path, waiting: Waiting) -> None:
    """Live work may last longer than an answer may take."""
    process = ShadowProcess(other_model, "cpu", answer_timeout_s=0.2)
    process.start()
    process.pause()
    failures: list[ShadowFailed] = []

    def load() -> None:
        try:
            process.load()
        except ShadowFailed as failure:
            failures.append(failure)

    loading = threading.Thread(target=load)
    loading.start()
    loading.join(1.0)
    assert failures == []
    process.stop()
    loading.join(PATIENCE_S)
    assert [str(each) for each in failures] == ["its process ended by signal 9"]


def test_stopping_the_process_while_it_stands_still_ends_it(process: ShadowProcess) -> None:
    """Nothing of it is left."""
    process.start()
    process.load()
    pid = pid_of(process)
    process.pause()
    process.stop()
    assert not psutil.pid_exists(pid)


def test_an_erasure_ends_a_process_that_stands_still_in_a_text(
    process: ShadowProcess,
    spool: Spool,
    metrics: Metrics,
    waiting: Waiting,
    candidate: NewCandidate,
    dropped: Dropped,
    compared: Dropped,
) -> None:
    """Its memory goes with it, however long live work lasts; another is loaded when that is done, and scores."""
    shadow = Shadow(process, 1.0, spool, metrics)
    shadow.start()
    waiting(lambda: shadow.health().state == "ready", "it is loaded")
    held = psutil.Process(pid_of(process))
    long = candidate(REVIEW["text"] * 20_000)
    shadow.offer([long._replace(whole=True)])
    waiting(lambda: shadow.health().waiting == 0, "it has the text")
    shadow.engine_busy()
    waiting(lambda: held.status() == psutil.STATUS_STOPPED, "it stands still")
    shadow.forget()
    waiting(lambda: has_ended(held), "it is gone")
    shadow.offer([candidate()])
    shadow.engine_idle()
    waiting(lambda: compared(metrics) == 1, "the next is scored")
    assert (dropped(metrics, "erased"), pid_of(process) != held.pid) == (1, True)
    shadow.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell nobody of a parent's death")
def test_a_process_that_stands_still_goes_with_its_service(other_model: Path, waiting: Waiting) -> None:
    """A service that is killed has no time to end it, and stopped as it is it cannot hear that the service hung up."""
    command = [sys.executable, "-c", STARTED_AND_PAUSED, str(other_model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as service:
        assert service.stdout is not None
        left = psutil.Process(int(service.stdout.readline()))
        try:
            waiting(lambda: left.status() == psutil.STATUS_STOPPED, "it stands still")
            service.kill()
            waiting(lambda: has_ended(left), "it is gone")
        finally:
            service.kill()
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()


def test_a_folder_that_is_no_bundle_fails_with_what_was_expected(tmp_path: Path) -> None:
    """The reason is the one that the service itself would give at its start."""
    process = ShadowProcess(tmp_path / "nothing", "cpu")
    process.start()
    with pytest.raises(ShadowFailed, match="expected a model bundle, found no folder"):
        process.load()
    process.stop()
