"""TLS as the parameters of the URL ask for it, against a PgBouncer: the embedded server's programs have none."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from sentiment_api.database.connection import DATABASE_ERRORS
from sentiment_api.database.refusals import refusal_line
from tests.clusters import Cluster
from tests.conftest import held_port
from tests.packages import command_of
from tests.poolers import Pooler
from tests.protocols import EngineOf

pytestmark = pytest.mark.anyio
REACHED = "Postgres cannot be reached: "


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, another one, a server's certificate for localhost, and a client's of `postgres`."""
    folder = tmp_path_factory.mktemp("certificates")
    openssl = command_of("openssl", "openssl")

    def make(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    for name in ("authority", "stranger"):
        make("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", *out_of(name))
    (folder / "names").write_text("subjectAltName = DNS:localhost\n")
    signing = ("-CA", "authority.crt", "-CAkey", "authority.key", "-CAcreateserial", "-days", "2")
    for name, subject, further in (("server", "localhost", ("-extfile", "names")), ("client", "postgres", ())):
        make("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={subject}", "-keyout", f"{name}.key", "-out", "csr")
        make("x509", "-req", "-in", "csr", *signing, "-out", f"{name}.crt", *further)
    make("pkey", "-in", "client.key", "-aes128", "-passout", "pass:open sesame", "-out", "locked.key")
    return folder


def out_of(name: str) -> tuple[str, ...]:
    """Return where openssl is to put a key and its certificate."""
    return "-keyout", f"{name}.key", "-out", f"{name}.crt"


@pytest.fixture(scope="module")
def new_server(cluster: Cluster, certificates: Path) -> Iterator[Callable[..., str]]:
    """A function that starts a server with TLS alone and gives what stands behind the @ of its URL."""
    with contextlib.ExitStack() as stack:

        def start(**settings: str) -> str:
            pooler = Pooler(cluster, stack.enter_context(held_port()), ("postgres",), **settings)
            stack.callback(pooler.stop)
            for option, name in {
                "key_file": "server.key",
                "cert_file": "server.crt",
                "ca_file": "authority.crt",
            }.items():
                (pooler.folder / name).write_bytes((certificates / name).read_bytes())
                pooler.configure(f"client_tls_{option}", str(pooler.folder / name))
            pooler.start()
            return f"{pooler.port}/postgres"

        yield start


@pytest.fixture(scope="module")
def server(new_server: Callable[..., str]) -> str:
    """A server that takes whoever speaks TLS."""
    return new_server(client_tls_sslmode="require")


async def answer(engine_of: EngineOf, url: str) -> str:
    """Return `yes` if a connection can be made, otherwise the line that says why not."""
    try:
        async with engine_of(url).connect() as connection:
            await connection.execute(text("select 1"))
    except DATABASE_ERRORS as error:
        return refusal_line(error)
    return "yes"


@pytest.mark.parametrize(
    ("host", "parameters", "expected"),
    [
        ("127.0.0.1", "", "yes"),
        (
            "127.0.0.1",
            "sslmode=disable",
            "Postgres refuses: the pooler takes connections with TLS alone (SQLSTATE 08P01)",
        ),
        ("127.0.0.1", "sslmode=allow", "yes"),
        ("127.0.0.1", "sslmode=prefer", "yes"),
        ("127.0.0.1", "sslmode=require", "yes"),
        ("127.0.0.1", "ssl=true", "yes"),
        ("127.0.0.1", "requiressl=1", "yes"),
        ("127.0.0.1", "sslmode=require&ssl_min_protocol_version=TLSv1.3", "yes"),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert={}/authority.crt", "yes"),
        ("localhost", "sslmode=verify-full&sslrootcert={}/authority.crt", "yes"),
        ("127.0.0.1", "sslmode=require&sslrootcert={}/authority.crt", "yes"),
        (
            "127.0.0.1",
            "sslmode=verify-full&sslrootcert={}/authority.crt",
            f"{REACHED}its certificate is for another host name; name the host as the certificate does",
        ),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert={}/stranger.crt",
            f"{REACHED}its certificate is not trusted; name the authority's file as sslrootcert",
        ),
        ("localhost", "sslrootcert=system", f"{REACHED}its certificate is not trusted; name the authority's file"),
    ],
)
async def test_each_mode_does_what_libpq_says(
    engine_of: EngineOf, server: str, certificates: Path, host: str, parameters: str, expected: str
) -> None:
    """Those that check the certificate do, and each reason to fail is told apart."""
    url = f"postgresql://postgres@{host}:{server}?{parameters.format(certificates)}"
    assert (await answer(engine_of, url)).startswith(expected)


async def test_a_client_shows_its_certificate(
    engine_of: EngineOf, new_server: Callable[..., str], certificates: Path
) -> None:
    """With a key that may be locked; without a certificate, or a wrong password for the key, TLS fails."""
    url = f"postgresql://postgres@localhost:{new_server(client_tls_sslmode='verify-full', auth_type='cert')}"
    shown = f"{url}?sslmode=verify-full&sslrootcert={certificates}/authority.crt&sslcert={certificates}/client.crt"
    assert await answer(engine_of, f"{shown}&sslkey={certificates}/client.key") == "yes"
    assert await answer(engine_of, f"{shown}&sslkey={certificates}/locked.key&sslpassword=open%20sesame") == "yes"
    failed = f"{REACHED}TLS failed; compare the TLS versions, sslcert, sslkey and sslpassword"
    assert (await answer(engine_of, f"{shown}&sslkey={certificates}/locked.key&sslpassword=no")).startswith(failed)
    assert (await answer(engine_of, f"{url}?sslmode=require")).startswith(REACHED)
