"""Log lines: which ids they have, and what is left of what libraries log."""

import json
import subprocess
import sys
from typing import Any

SECRET = "marzipan"
_PROGRAM = """
import logging
import structlog
from sentiment_api.telemetry.logs import configure_logs, bind_request
configure_logs("json")
"""


def lines(program: str) -> list[dict[str, Any]]:
    """Return what a process logs that runs the program after it has set up its logs."""
    command = [sys.executable, "-c", _PROGRAM + program]
    ended = subprocess.run(command, env={}, capture_output=True, text=True, check=True)
    assert SECRET not in ended.stderr
    return [json.loads(line) for line in ended.stderr.splitlines()]


def test_a_line_has_the_ids_of_its_request() -> None:
    """What a request's code logs has the request's id and those of its trace; what it says itself goes first."""
    first, second, third = lines(
        "log = structlog.get_logger()\n"
        "log.info('starts')\n"
        "bind_request({'request_id': 'order-7', 'trace_id': 'aa', 'span_id': 'bb', 'other': 'cc'})\n"
        "log.info('works', tokens=3)\n"
        "log.info('works', request_id='order-8')\n"
    )
    assert {name for name in first if name.endswith("_id")} == set()
    ids = {"request_id": "order-7", "trace_id": "aa", "span_id": "bb"}
    assert {name: value for name, value in second.items() if name not in ("timestamp", "level", "event")} == {
        **ids,
        "tokens": 3,
    }
    assert third["request_id"] == "order-8"


def test_what_a_library_logs_is_a_line_of_ours_without_values() -> None:
    """Its words are kept as far as they are its own, and the kind of an exception; values and tracebacks are not."""
    told = lines(
        "library = logging.getLogger('asyncio')\n"
        "library.info('not worth a line')\n"
        f"library.warning('cannot read %s', '{SECRET}')\n"
        f"library.error('Task exception was never retrieved\\nfuture: <Task exception=KeyError({SECRET})>')\n"
        "try:\n"
        f"    raise KeyError('{SECRET}')\n"
        "except KeyError:\n"
        f"    library.exception('Exception in callback work({SECRET})')\n"
    )
    assert [(line["level"], line["event"], line["library"], line.get("error")) for line in told] == [
        ("warning", "cannot read %s", "asyncio", None),
        ("error", "Task exception was never retrieved", "asyncio", None),
        ("error", "Exception in callback work", "asyncio", "KeyError"),
    ]


def test_a_library_that_nobody_has_read_may_say_anything() -> None:
    """Of a message without arguments no word is kept, since values may be in it: only who said it, and where."""
    told = lines(
        "library = logging.getLogger('asyncio_like')\n"
        f"text = '{SECRET}'\n"
        "library.warning(f'cannot read {text}')\n"
        "library.warning('cannot read %s', text)\n"
        "library.warning('cannot read %(text)s', {'text': text})\n"
        "try:\n"
        "    raise KeyError(text)\n"
        "except KeyError as error:\n"
        "    library.exception(error)\n"
    )
    assert [(line["event"], line["place"], line.get("error")) for line in told] == [
        ("a library has logged something", "<string>:8", None),
        ("cannot read %s", "<string>:9", None),
        ("cannot read %", "<string>:10", None),
        ("a library has logged something", "<string>:14", "KeyError"),
    ]


def test_telemetry_repeats_itself_in_vain() -> None:
    """What OpenTelemetry and Apitally say at every attempt is one line; other libraries may say a thing twice."""
    told = lines(
        "for _ in range(3):\n"
        "    logging.getLogger('opentelemetry.sdk.trace').warning('Queue full, dropping %s.', 'Span')\n"
        "    logging.getLogger('apitally.shared.spool').warning('Buffer size limit reached')\n"
        "    logging.getLogger('asyncio').warning('again')\n"
    )
    assert sorted(line["event"] for line in told) == [
        "Buffer size limit reached",
        "Queue full, dropping %s.",
        *["again"] * 3,
    ]
