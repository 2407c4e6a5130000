"""`sentiment-api` as an operator types it: what it prints, what it refuses, and its exit codes."""

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api import __version__
from sentiment_api.database import schema
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.settings import DatabaseSettings
from tests.preloaded import program

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ROOT = Path(__file__).parents[3]

IMPORT_ALL = """
import importlib, pkgutil, sentiment_api
names = [module.name for module in pkgutil.walk_packages(sentiment_api.__path__, "sentiment_api.")]
for name in names:
    importlib.import_module(name)
print(len(names), "sentiment_api.model.engines.torch" in names)
"""

HEAVY = """
import sys, sentiment_api.__main__, sentiment_api.model.engines.cpu
print({"torch", "transformers", "onnx", "pandas"} & set(sys.modules))
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `sentiment-api` in an environment of nothing but PATH and the given variables."""
    return program("sentiment_api").run(*arguments, environment=environment)


def refusal(*arguments: str, **environment: str) -> str:
    """Return the one line on standard error of a command that ends with exit code 1."""
    finished = run(*arguments, **environment)
    assert finished.returncode == 1, finished.stderr
    assert "Traceback" not in finished.stdout + finished.stderr
    lines = [line for line in finished.stderr.splitlines() if line.startswith("sentiment-api: ")]
    assert len(lines) == 1, finished.stderr
    return lines[0].removeprefix("sentiment-api: ")


def url_of(settings: DatabaseSettings) -> str:
    """Return the database's URL as a variable has it."""
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


@pytest.fixture
def embedded() -> Iterator[dict[str, str]]:
    """Variables that name an embedded server of our own, which is stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="sentiment-test-") as folder:
        Path(folder).chmod(0o755)
        environment = {"SENTIMENT_DATABASE": "embedded", "SENTIMENT_DATA_DIR": folder}
        yield environment
        EmbeddedServer(Path(folder)).stop()


def test_predict_prints_each_label_with_its_probability() -> None:
    """The likelier label comes first, and the two probabilities make one."""
    finished = run("predict", "Broke after two days, and nobody answers.")
    assert (finished.returncode, finished.stderr) == (0, "")
    first, second = (line.split() for line in finished.stdout.splitlines())
    assert (first[0], second[0]) == ("negative", "positive")
    assert float(first[1]) > 0.9
    assert float(first[1]) + float(second[1]) == pytest.approx(1, abs=2e-4)


def test_too_little_memory_is_told(starter: Path) -> None:
    """A model that does not fit into the memory is no damaged file: the message says what is short."""
    script = f"""
import resource
from pathlib import Path
from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.engines.cpu import CpuEngine
from sentiment_api.errors import EngineUnavailable

bundle = open_bundle(Path({str(starter)!r}))
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 20), resource.RLIM_INFINITY))
try:
    CpuEngine(bundle, 1)
except EngineUnavailable as error:
    print(error)
"""
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert finished.stdout.startswith("there is too little memory to load"), finished.stderr


def test_an_engine_package_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    """A package whose libraries do not fit this system is named, with what the system says, and no traceback."""
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('failed to map segment from shared object')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "sentiment_api", "predict", "Great value"]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert finished.stderr.startswith(
        "sentiment-api: the package of the engine 'cpu' is installed but cannot be loaded"
    )
    assert "failed to map segment" in finished.stderr


def test_a_missing_engine_package_is_named_with_its_remedy() -> None:
    """The message says which package is missing and how to install it."""
    script = (
        "import sys; sys.modules['onnxruntime'] = None; sys.argv[1:] = ['predict', 'x']; "
        "from sentiment_api.__main__ import main; main()"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert finished.stderr.startswith("sentiment-api: the engine 'cpu' needs the package 'onnxruntime'")
    assert "pip install onnxruntime" in finished.stderr


def test_version_is_the_packages() -> None:
    """`python -m sentiment_api version` prints the version and nothing else."""
    command = [sys.executable, "-m", "sentiment_api", "version"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (finished.stdout, finished.stderr) == (f"{__version__}\n", "")


def test_without_a_command_there_is_help() -> None:
    """The bare program lists its commands with an example, and ends with a usage error."""
    finished = run()
    assert finished.returncode == 2
    for word in ("serve", "check", "predict", "db", "Examples"):
        assert word in finished.stdout + finished.stderr


@pytest.mark.parametrize("command", [["serve"], ["db", "upgrade"]])
def test_without_a_database_both_ways_to_name_one_are_told(command: list[str]) -> None:
    """A forgotten setting never ends in a database that nobody wanted."""
    message = refusal(*command)
    assert "set exactly one of SENTIMENT_DATABASE=embedded" in message
    assert "SENTIMENT_DATABASE_URL=postgresql://" in message


def test_two_databases_are_one_too_many() -> None:
    """With both variables set the message names both and shows neither value."""
    message = refusal("serve", SENTIMENT_DATABASE="embedded", SENTIMENT_DATABASE_URL="postgresql://me:secret@db/x")
    assert "set exactly one of SENTIMENT_DATABASE=embedded" in message
    assert "secret" not in message


def test_a_malformed_url_is_refused_without_showing_it() -> None:
    """Another database's URL is told what was expected; its password is not printed."""
    message = refusal("check", SENTIMENT_DATABASE_URL="mysql://me:secret@db/x")
    assert "SENTIMENT_DATABASE_URL: expected postgresql://user:password@host:port/name" in message
    assert "secret" not in message


def test_a_malformed_setting_is_named() -> None:
    """The variable and its rule are told, and the value is not."""
    message = refusal("serve", SENTIMENT_DATABASE="embedded", SENTIMENT_PORT="99999", SENTIMENT_THREADS="none")
    assert "SENTIMENT_PORT: Input should be less than or equal to 65535" in message
    assert "SENTIMENT_THREADS: Input should be a valid integer" in message
    assert "99999" not in message


def test_an_address_open_to_others_needs_a_proxy() -> None:
    """Without keys only loopback is served, unless the operator says that a proxy authenticates."""
    message = refusal("serve", "--host", "0.0.0.0", SENTIMENT_DATABASE="embedded")  # noqa: S104 - is refused
    assert "expected a loopback address such as 127.0.0.1" in message
    assert "SENTIMENT_BEHIND_PROXY=true" in message


async def test_a_taken_port_is_refused(database_settings: DatabaseSettings, data_dir: Path) -> None:
    """A port on which something listens is told with the setting to change."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        message = refusal(
            "serve", "--port", port, SENTIMENT_DATABASE_URL=url_of(database_settings), SENTIMENT_DATA_DIR=str(data_dir)
        )
    assert message == f"cannot listen on 127.0.0.1:{port} (Address already in use); set another SENTIMENT_PORT"


async def test_a_malformed_token_of_apitally_is_refused(
    database_settings: DatabaseSettings, data_dir: Path, closed_port: int
) -> None:
    """Serving ends in one line, before a spool is claimed, and the line does not show the token."""
    message = refusal(
        "serve",
        "--port",
        str(closed_port),
        SENTIMENT_DATABASE_URL=url_of(database_settings),
        SENTIMENT_DATA_DIR=str(data_dir),
        APITALLY_WRITE_TOKEN="nonsense",
    )
    assert message.startswith("expected APITALLY_WRITE_TOKEN to be apt_ and 24 letters or digits")
    assert "nonsense" not in message
    assert not (data_dir / "spool").exists()


@pytest.mark.parametrize("command", [["predict", "Lovely."], ["serve"]])
async def test_a_missing_model_is_refused(
    database_settings: DatabaseSettings, data_dir: Path, closed_port: int, command: list[str]
) -> None:
    """A folder that is not there is named, with the setting to change."""
    message = refusal(
        *command,
        "--model",
        str(data_dir / "none"),
        SENTIMENT_DATABASE_URL=url_of(database_settings),
        SENTIMENT_DATA_DIR=str(data_dir),
        SENTIMENT_PORT=str(closed_port),
    )
    assert message == f"expected a model bundle, found no folder {data_dir / 'none'}; set SENTIMENT_MODEL"


async def test_serve_refuses_an_unmigrated_database(
    engine: AsyncEngine, database_settings: DatabaseSettings, data_dir: Path, closed_port: int
) -> None:
    """Without the migrations the service says what was found and which command mends it, and ends."""
    await schema.downgrade(engine, "base")
    environment = {
        "SENTIMENT_DATABASE_URL": url_of(database_settings),
        "SENTIMENT_DATA_DIR": str(data_dir),
        "SENTIMENT_PORT": str(closed_port),
    }
    for command in (["serve"], ["check"]):
        message = refusal(*command, **environment)
        assert "found an unmigrated database; run `sentiment-api db upgrade`" in message
    upgraded = run("db", "upgrade", **environment)
    assert (upgraded.returncode, upgraded.stdout) == (0, f"schema    {schema.head()}\n")
    await schema.check(engine)


async def test_check_says_what_is_well(database_settings: DatabaseSettings, data_dir: Path) -> None:
    """One line for the model, one for the disk and one for the database, and exit code 0."""
    finished = run("check", SENTIMENT_DATABASE_URL=url_of(database_settings), SENTIMENT_DATA_DIR=str(data_dir))
    assert (finished.returncode, finished.stderr) == (0, "")
    model, disk, database = finished.stdout.splitlines()
    assert model.startswith("model     starter ")
    assert model.endswith(" on cpu: golden texts answered as at export")
    assert re.fullmatch(r"disk      .+ free, .+: without Postgres [\d.]+ hours at 10 predictions a second", disk)
    assert database == "database  reachable and migrated"


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Whoever asks for a checked connection is told which file is missing, and how to name another."""
    url = "postgresql://me:secret@127.0.0.1:1/x?sslmode=verify-full"
    message = refusal("db", "upgrade", SENTIMENT_DATABASE_URL=url, HOME=str(tmp_path))
    assert f'root certificate file "{tmp_path}/.postgresql/root.crt" does not exist' in message
    assert "sslrootcert" in message
    assert "secret" not in message


@pytest.mark.parametrize("command", [["check"], ["db", "upgrade"]])
def test_a_database_that_is_away_is_told(command: list[str]) -> None:
    """Where nothing listens the message names the variable and hides the password."""
    message = refusal(*command, SENTIMENT_DATABASE_URL="postgresql://me:secret@127.0.0.1:1/x")
    assert "Postgres cannot be reached: nothing listens at its address; start it, or mend host and port" in message
    assert "SENTIMENT_DATABASE_URL" in message
    assert "secret" not in message


def test_the_embedded_servers_life(embedded: dict[str, str]) -> None:
    """`db status` ends with 0 exactly while the server runs; start and stop say whether they had something to do."""
    steps = [
        ("status", 1, "does not run"),
        ("start", 0, "started"),
        ("start", 0, "runs already"),
        ("status", 0, "answers"),
        ("stop", 0, "stopped"),
    ]
    for command, code, said in steps:
        finished = run("db", command, **embedded)
        assert (finished.returncode, finished.stdout.split(":")[0], finished.stderr) == (code, said, "")


def test_an_external_server_is_not_ours_to_start() -> None:
    """With a URL the commands of the embedded server refuse."""
    message = refusal("db", "start", SENTIMENT_DATABASE_URL="postgresql://me@127.0.0.1:1/x")
    assert message.startswith("expected SENTIMENT_DATABASE=embedded")


def test_every_module_imports_by_itself_without_an_environment() -> None:
    """Importing needs no variable, prints nothing and warns of nothing: nothing happens at import."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALL], env={}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    count, with_torch = finished.stdout.split()
    assert int(count) == len(list((ROOT / "sentiment_api").rglob("*.py"))) - 1
    assert with_torch == "True"


def test_the_default_engine_needs_no_torch() -> None:
    """What serves by default imports neither torch nor transformers nor onnx."""
    finished = subprocess.run(
        [sys.executable, "-c", HEAVY], env={}, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert finished.stdout == "set()\n"


def test_check_leaves_the_embedded_postgres_as_it_was(data_dir: Path) -> None:
    """A stopped server is stopped afterwards, one that runs runs on, and where there is none none is made."""
    data_dir.chmod(0o755)  # as root the server runs as another user, who has to be able to enter
    environment = {"SENTIMENT_DATABASE": "embedded", "SENTIMENT_DATA_DIR": str(data_dir)}
    server = EmbeddedServer(data_dir)
    try:
        assert "found none; run `sentiment-api db upgrade`" in refusal("check", **environment)
        assert list(data_dir.iterdir()) == []
        assert run("db", "upgrade", **environment).returncode == 0
        for runs in (True, False):
            if not runs:
                server.stop()
            assert "database  reachable and migrated" in run("check", **environment).stdout
            assert server.answers() is runs
    finally:
        server.stop()
