"""What the commands say of themselves, and without settings."""

import pytest

from drift_jobs.__main__ import main


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` ends with commands to copy and the meaning of the exit codes."""
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    assert "drift-jobs nightly --timezone Europe/Paris" in printed
    assert "Exit codes: 0 none or watch, 1 drift, 2" in printed


@pytest.mark.parametrize("command", ["run", "nightly", "schedule", "backfill", "list", "show", "baseline", "calibrate"])
def test_each_command_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`COMMAND --help` ends with commands to copy."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert f"  drift-jobs {command}" in capsys.readouterr().out.split("Examples:")[1]


def test_settings_that_contradict_end_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a database the message names both variables."""
    for name in ("SENTIMENT_DATABASE", "SENTIMENT_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as stopped:
        main(["list"])
    assert stopped.value.code == 2
    assert "SENTIMENT_DATABASE_URL" in capsys.readouterr().err
