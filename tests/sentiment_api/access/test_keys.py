"""API keys: what one looks like, what is kept of it, and the commands that make, list and revoke them."""

import asyncio
import datetime as dt
import hashlib

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner, Result

from sentiment_api.access.key_table import living_keys
from sentiment_api.access.keys import Key, KeyRing, Scope, make_key
from sentiment_api.commands.keys import app
from sentiment_api.database.tables import api_keys
from sentiment_api.errors import KeyNameInvalid
from sentiment_api.settings import DatabaseSettings

pytestmark = pytest.mark.anyio
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def test_only_the_hash_of_a_secret_is_kept() -> None:
    """A key is a name of ours, an id and 256 random bits, of which the SHA-256 is kept; no two are the same."""
    new, other = make_key(), make_key()
    word, key_id, secret = new.text.split("_")
    assert (word, key_id, len(bytes.fromhex(secret))) == ("sentiment", new.key_id, 32)
    assert new.secret_hash == hashlib.sha256(secret.encode()).digest()
    assert (new.key_id, new.secret_hash) != (other.key_id, other.secret_hash)


def test_a_ring_finds_the_key_that_was_presented_and_no_other() -> None:
    """The id and all of the secret have to be right, in the shape that they were given in."""
    new, other = make_key(), make_key()
    ring = KeyRing([Key(key_id=new.key_id, name="shop", secret_hash=new.secret_hash, scopes=("predict",))])
    found = ring.find(new.text, NOW)
    assert found is not None
    assert found.name == "shop"
    secret = other.text.rpartition("_")[2]
    last = "0" if new.text[-1] != "0" else "1"
    wrong = ["", "sentiment", new.key_id, f"sentiment_{new.key_id}_{secret}", new.text[:-1] + last, other.text]
    malformed = [new.text + "\n", new.text[:-1], new.text.upper(), new.text + "0", f"Bearer {new.text}"]
    assert [ring.find(each, NOW) for each in [*wrong, *malformed]] == [None] * 11


def test_a_key_ends_at_its_moment() -> None:
    """A key that expires is good until then, and not at that moment any more."""
    new = make_key()
    key = Key(key_id=new.key_id, name="trial", secret_hash=new.secret_hash, scopes=("predict",), expires_at=NOW)
    ring = KeyRing([key])
    assert ring.find(new.text, NOW - dt.timedelta(microseconds=1)) == key
    assert ring.find(new.text, NOW) is None


def test_admin_holds_every_scope_and_the_others_only_themselves() -> None:
    """A key for feedback opens feedback; one for admin opens everything."""
    feedback = Key(key_id="0", name="shop", secret_hash=b"", scopes=("feedback",))
    admin = Key(key_id="1", name="ops", secret_hash=b"", scopes=("admin",))
    assert [scope for scope in Scope if feedback.allows(scope)] == ["feedback"]
    assert [scope for scope in Scope if admin.allows(scope)] == ["predict", "feedback", "read", "metrics", "admin"]


async def test_a_key_is_printed_once_and_alone(engine: AsyncEngine, database_settings: DatabaseSettings) -> None:
    """Standard output has the key and nothing else; what Postgres holds opens for it and does not contain it."""
    options = ("--scope", "predict", "--scope", "feedback", "--scope", "predict", "--expires", "90d")
    made = await run(database_settings, "create", "shop", *options, "--tokens-per-minute", "20000")
    assert (made.exit_code, len(made.stdout.splitlines())) == (0, 1)
    assert made.stderr.startswith("created shop for predict, feedback, until 20")
    text = made.stdout.strip()
    (key,) = await living_keys(engine)
    assert KeyRing([key]).find(text, dt.datetime.now(dt.UTC)) == key
    assert (key.name, key.scopes, key.tokens_per_minute) == ("shop", ("predict", "feedback"), 20_000)
    assert key.expires_at is not None
    assert abs(key.expires_at - dt.datetime.now(dt.UTC) - dt.timedelta(days=90)) < dt.timedelta(minutes=5)
    async with engine.connect() as connection:
        stored = str((await connection.execute(select(api_keys))).all())
    listed = await run(database_settings, "list")
    assert text.rpartition("_")[2] not in stored + listed.stdout + listed.stderr + made.stderr
    heading, line = listed.stdout.splitlines()
    assert heading.split() == ["NAME", "ID", "SCOPES", "LIMIT", "MADE", "STATE"]
    assert line.split()[:5] == ["shop", key.key_id, "predict,feedback", "20000", "tokens/min"]
    assert line.index("predict,feedback") == heading.index("SCOPES")


async def test_a_revoked_key_frees_its_name(engine: AsyncEngine, database_settings: DatabaseSettings) -> None:
    """A name is taken while its key lives; a dry run revokes nothing; the revoked one stays in the full list."""
    await run(database_settings, "create", "shop", "--scope", "predict")
    taken = await run(database_settings, "create", "shop", "--scope", "read")
    assert (type(taken.exception), taken.stdout) == (KeyNameInvalid, "")
    assert str(taken.exception).startswith("expected a name that no living key has, found shop; choose another")
    tried = await run(database_settings, "revoke", "shop", "--dry-run")
    assert (tried.exit_code, tried.stdout[:19]) == (0, "would revoke shop (")
    assert len(await living_keys(engine)) == 1
    done = await run(database_settings, "revoke", "shop")
    assert (done.exit_code, done.stdout[:14]) == (0, "revoked shop (")
    assert await living_keys(engine) == []
    again = await run(database_settings, "revoke", "shop")
    assert (type(again.exception), again.stdout) == (KeyNameInvalid, "")
    assert str(again.exception) == "expected the name of a living key, found shop; `sentiment-api keys list` shows them"
    assert (await run(database_settings, "create", "shop", "--scope", "read")).exit_code == 0
    everything = (await run(database_settings, "list", "--all")).stdout.splitlines()[1:]
    assert [("revoked" in line, "lives" in line) for line in everything] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "Shop!", "--scope", "predict"), "expected a name of 1 to 63"),
        (("create", "shop", "--scope", "write"), "'predict', 'feedback', 'read', 'metrics', 'admin'"),
        (("create", "shop"), "Missing option '--scope'"),
        (("create", "shop", "--scope", "read", "--expires", "soon"), "expected days or hours such as 90d or 12h"),
        (
            ("create", "shop", "--scope", "read", "--tokens-per-minute", "0"),
            "Input should be greater than or equal to 1",
        ),
    ],
)
def test_what_no_key_can_have_is_refused(arguments: tuple[str, ...], said: str) -> None:
    """A malformed name, scope, lifetime or limit is told, with exit code 2, before any database is asked."""
    refused = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert said in " ".join(refused.stderr.replace("│", " ").split())


async def run(database: DatabaseSettings, *arguments: str) -> Result:
    """Run `sentiment-api keys` in this process, in a thread of its own: it has an event loop of its own."""
    assert database.database_url is not None
    url = database.database_url.get_secret_value()
    return await asyncio.to_thread(CliRunner().invoke, app, arguments, env={"SENTIMENT_DATABASE_URL": url})
