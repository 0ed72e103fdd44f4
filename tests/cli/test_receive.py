"""The command of the receiver: what it refuses before it listens, and what it lists."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.clinic.pacs.ledger import Ledger
from tests.clinic.pacs.test_ledger import arrive, make_job, take

PEERS = '[[peer]]\nae_title = "PACS"\naddresses = ["127.0.0.1"]\n'


def receive(folder: Path, *words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["receive", "-o", str(folder), *map(str, words)])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--peers: is missing"),
        (("--peers", "peers.toml"), "--return-to: is missing"),
        (("--peers", "peers.toml", "--return-to", "PACS"), "is no address of a PACS"),
        (("--peers", "none.toml", "--return-to", "PACS@127.0.0.1:104"), "cannot be read"),
        (("--peers", "peers.toml", "--return-to", "P@127.0.0.1:104", "--as", "png"), "--as png: must be one of"),
        (("--peers", "peers.toml", "--return-to", "P@127.0.0.1:104", "--return-tls"), "--tls-ca: is missing"),
        (("--peers", "peers.toml", "--return-to", "P@127.0.0.1:104", "--aet", "A" * 17), "is no AE title"),
        (("--status",), "give the folder that a receiver was started with"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("peers.toml").write_text(PEERS)
    code, text = receive(tmp_path / "received", *words)
    assert code == 2 and told in text and "Traceback" not in text


def test_status_and_again(tmp_path: Path) -> None:
    """A study that failed three times is listed with its reason, and waits again when that is asked for."""
    ledger = Ledger(tmp_path)
    arrive(ledger, 1)
    make_job(ledger)
    for _ in range(3):
        ledger.failed(take(ledger), "failed with RuntimeError", backoff_seconds=(0.0,))
    study = ledger.mark("1.4")
    code, text = receive(tmp_path, "--status")
    assert code == 0 and "set aside" in text
    assert f"{study}: failed with RuntimeError" in text.splitlines()
    code, text = receive(tmp_path, "--status", "--json")
    (one,) = json.loads(text)
    assert (one["study"], one["state"], one["reason"]) == (study, "set_aside", "failed with RuntimeError")
    assert receive(tmp_path, "--again", study) == (0, f"taken again: 1 job of study {study}\n")
    assert ledger.take_job() is not None
    code, text = receive(tmp_path, "--again", "nobody")
    assert code == 2 and "no job of such a study was set aside" in text


def test_all_that_were_set_aside_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for series in ("1.5", "1.6"):
        arrive(ledger, 1, series=series)
        make_job(ledger)
        ledger.failed(replace(take(ledger), attempts=2), "failed with RuntimeError", backoff_seconds=(0.0,))
    assert receive(tmp_path, "--again", "all") == (0, "taken again: 2 jobs\n")
    code, text = receive(tmp_path, "--again", "all")
    assert code == 2 and "--again all: no job was set aside" in text


@pytest.mark.parametrize(
    ("asked", "told"),
    [("the archive does not know the series", "not counted: the archive does not know the series"),
     ("the archive counts 1 images", None)],
)  # fmt: skip
def test_status_says_where_nobody_counted_the_images(tmp_path: Path, asked: str, told: str | None) -> None:
    """Half of such a series may have been taken for a whole one."""
    ledger = Ledger(tmp_path)
    arrive(ledger, 1)
    (series,) = ledger.series_to_look_at()
    ledger.make_job(series, asked=asked)
    _, text = receive(tmp_path, "--status")
    lines = [line for line in text.splitlines() if line.startswith(f"{ledger.mark('1.4')}: ")]
    assert lines == ([f"{ledger.mark('1.4')}: {told}"] if told else [])
