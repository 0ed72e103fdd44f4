"""The ledger makes a rerun send only the rest: it must be on the disk, private, and refuse what it is not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from nnunet_amt.clinic.pacs.send_ledger import SendLedger, default_ledger
from nnunet_amt.errors import BadInputError


def test_what_was_remembered_is_there_for_the_next(tmp_path: Path) -> None:
    path = tmp_path / "state" / "sent.sqlite"
    SendLedger(path).remember("A@h:1", "1.2.3", "ab")
    SendLedger(path).remember("A@h:1", "1.2.3", "cd")
    assert SendLedger(path).content_sent("A@h:1", "1.2.3") == "cd"
    assert SendLedger(path).content_sent("B@h:1", "1.2.3") is None
    assert SendLedger(path).content_sent("A@h:1", "1.2.4") is None


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    """It holds UIDs."""
    os.umask(0o022)
    SendLedger(tmp_path / "sent.sqlite")
    assert stat.S_IMODE((tmp_path / "sent.sqlite").stat().st_mode) == 0o600


def test_what_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("no database, but long enough to look at\n" * 40)
    with pytest.raises(BadInputError, match="cannot be used"):
        SendLedger(other)
    assert other.read_text().startswith("no database")
    with pytest.raises(BadInputError, match="cannot be written"):
        SendLedger(other / "sent.sqlite")


def test_it_lies_in_the_folder_of_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent may lie on a disk that is only read."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_ledger() == tmp_path / "nnunet_amt" / "sent.sqlite"
    monkeypatch.setenv("XDG_STATE_HOME", "not absolute")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_ledger() == tmp_path / ".local" / "state" / "nnunet_amt" / "sent.sqlite"
