"""The commands send and fetch: exit codes, and that neither their words nor their records tell of patients."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from tests.clinic.pacs.query_peer import query_peer
from tests.clinic.pacs.store_peer import store_peer
from tests.clinic.pacs.web_peer import WebAnswer, stored, web_peer
from tests.images.dicom.dicom_fixtures import make_volume, series_uid, write_ct_series
from tests.images.dicom.seg_fixtures import as_source

STUDY = series_uid("study a")


@pytest.fixture(autouse=True)
def states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is remembered outside of the test, nobody's credentials are taken."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "states"))
    for name in ("USER", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"NNUNET_AMT_DICOMWEB_{name}", raising=False)
    return tmp_path / "states" / "nnunet_amt"


@pytest.fixture
def study(tmp_path: Path) -> list[Path]:
    def change(z: int, dataset: Dataset) -> None:
        as_source(z, dataset)
        dataset.StudyInstanceUID, dataset.AccessionNumber = STUDY, "ACC-77"

    return write_ct_series(tmp_path / "Planted Name", make_volume(3), series="a", change=change)


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> tuple[int, str]:
    """Run a command as the shell does, with what the record takes for the command line."""
    texts = [str(word) for word in words]
    monkeypatch.setattr(sys, "argv", ["nnunet_amt", *texts])
    done = CliRunner().invoke(app, texts)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, done.output


def require_silent(text: str, study: list[Path]) -> None:
    """Hold that nothing of a patient is in a text, nor of where the archive is."""
    uids = [str(pydicom.dcmread(file).SOPInstanceUID) for file in study]
    for secret in ("planted", STUDY, series_uid("a"), "ACC-77", "127.0.0.1", *uids):
        assert secret.lower() not in text.lower()


def test_send_twice(study: list[Path], states: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with store_peer() as peer:
        words = ("send", study[0].parent, "--to", peer.address)
        code, said = run(monkeypatch, *words)
        assert (code, said.splitlines()[-1]) == (0, "sent 3 now, 0 before")
        code, said = run(monkeypatch, *words)
        assert (code, said.splitlines()[-1]) == (0, "sent 0 now, 3 before")
    record = (states / "nnunet_amt_runs.json").read_text()
    (sent,) = json.loads(record)["runs"]
    assert sent["counts"] == {"sent": 3, "known": 0, "failed": 0, "warnings": 0}
    require_silent(record, study)


def test_what_is_not_sent_is_told_by_its_place(
    study: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "to_send"
    study[0].parent.rename(folder)
    by_name = sorted(file.name for file in study)
    bad = str(pydicom.dcmread(folder / by_name[1]).SOPInstanceUID)
    with store_peer(lambda number, uid: 0xC000 if uid == bad else 0) as peer:
        code, said = run(monkeypatch, "send", folder, "--to", peer.address)
    assert code == 1
    assert "not sent: to_send: file 2 of 3 (by name): refused: cannot understand (0xC000)" in said
    require_silent(said, [folder / file.name for file in study])


def test_a_password_is_nowhere(
    study: list[Path], tmp_path: Path, states: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "credentials"
    secret.write_text("user:open-sesame\n")
    secret.chmod(0o600)
    with web_peer(lambda number, uids: WebAnswer(200, stored(*uids))) as peer:
        code, said = run(monkeypatch, "send", study[0].parent, "--dicomweb", peer.url, "--credentials", secret)
        assert code == 0, said
        code, refused = run(monkeypatch, "send", study[0], "--dicomweb", peer.url.replace("//", "//user:open-sesame@"))
        assert code == 2
    everything = said + refused + "".join(path.read_text(errors="replace") for path in states.iterdir())
    assert "open-sesame" not in everything


def test_bad_words(study: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for words, told in (
        (("send", study[0]), "give one of them"),
        (("send", study[0], "--to", "A@h:1", "--dicomweb", "https://h/"), "give one of them"),
        (("send", study[0], "--to", "nowhere"), "is no address of a PACS"),
        (("send", study[0], "--to", "A@h:1", "--credentials", "x"), "are for --dicomweb"),
        (("send", study[0], "--to", "A@h:1", "--tls-cert", "x"), "go with --tls-ca"),
        (("fetch", "--from", "A@h:1", "-o", "x"), "what is to be fetched"),
        (("fetch", "--from", "A@h:1", "--study", "1.2.3"), "-o: is missing"),
        (("fetch", "--from", "A@h:1", "--study", "1.2.3", "--move-to", "US", "-o", "x"), "go together"),
        (("fetch", "--from", "A@h:1", "--study", "1.2.3", "--modality", "MR", "-o", "x"), "must be one of CT"),
    ):
        code, said = run(monkeypatch, *words)
        assert code == 2
        assert told in said


def test_fetch(study: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with query_peer(study) as peer:
        words = ("fetch", "--from", peer.address, "--accession", "ACC-77", "-o", tmp_path / "out")
        code, said = run(monkeypatch, *words, "--dry-run")
        assert code == 0
        assert said.startswith("1 studies, 1 series, 3 objects\n")
        require_silent(said, study)
        assert not (tmp_path / "out").exists()
        _, shown = run(monkeypatch, *words, "--dry-run", "--show-identifiers")
        assert STUDY in shown
        code, said = run(monkeypatch, *words)
        assert code == 0
        assert "1 series: 3 objects now, 0 before" in said
        record = (tmp_path / "out" / "nnunet_amt_runs.json").read_text()
        assert "--accession VALUE" in record
        require_silent(record, study)
        assert "1 series: 0 objects now, 3 before" in run(monkeypatch, *words)[1]


def test_less_is_an_exit_code_of_one(study: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with query_peer(study, lambda peer: setattr(peer, "stated", 4)) as peer:
        words = ("fetch", "--from", peer.address, "--study", STUDY, "-o", tmp_path / "out", "--retries", 0)
        code, said = run(monkeypatch, *words)
    assert code == 1
    assert ": 3 of 4: the archive reports no failure, and sent less than it says it has" in said
    require_silent(said.replace(str(tmp_path), ""), study)
    with query_peer(study) as peer:
        code, said = run(monkeypatch, "fetch", "--from", peer.address, "--study", "1.2.3", "-o", tmp_path / "none")
    assert code == 1
    assert "found no CT: number 1 of what was asked for" in said
    assert "fetches only the rest" not in said, "there is none"
