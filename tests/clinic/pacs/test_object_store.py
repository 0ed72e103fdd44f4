"""An object is on the disk and in the ledger, or its sender is told that it is not."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nnunet_amt.clinic.pacs.incoming_object import ObjectRefusedError
from nnunet_amt.clinic.pacs.ledger import Ledger
from nnunet_amt.clinic.pacs.object_store import DUPLICATE_UID, OUT_OF_RESOURCES, Announced, ObjectStore
from tests.clinic.pacs.test_incoming_object import CLASS, dataset, element

EXPLICIT = "1.2.840.10008.1.2.1"


def open_store(folder: Path, *, keep_free: int = 0, room: int = 10**12) -> ObjectStore:
    ledger = Ledger(folder)
    return ObjectStore(folder / "objects", ledger, keep_free_bytes=keep_free, quiet_seconds=0, room=lambda _: room)


def keep(store: ObjectStore, instance: str = "1.2.3", content: bytes = b"pixels") -> bool:
    pixels = element(0x7FE00010, b"OB", content)
    return store.store(b"HEAD", dataset(instance, after=pixels), Announced(CLASS, instance, EXPLICIT, "PACS"))


def files(store: ObjectStore) -> list[Path]:
    return sorted(path for path in store.folder.rglob("*") if path.is_file())


def test_an_object_is_kept_once_however_often_it_comes(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert (keep(store), keep(store)) == (True, False)
    (file,) = files(store)
    assert file.read_bytes().startswith(b"HEAD") and b"pixels" in file.read_bytes()
    assert "1.2.3" not in str(file)
    with pytest.raises(ObjectRefusedError, match="other content") as refused:
        keep(store, content=b"others")
    assert refused.value.status == DUPLICATE_UID
    assert len(files(store)) == 1 and b"pixels" in file.read_bytes()


def test_room_that_is_to_stay_free_is_not_taken(tmp_path: Path) -> None:
    """The object has 98 bytes: 1097 of room leave 999."""
    with pytest.raises(ObjectRefusedError, match="no room") as refused:
        keep(open_store(tmp_path, keep_free=1000, room=1097))
    assert refused.value.status == OUT_OF_RESOURCES
    assert files(open_store(tmp_path)) == []
    assert keep(open_store(tmp_path, keep_free=1000, room=1098))


@pytest.mark.parametrize("what", ["write", "ledger"])
def test_what_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The disk is full while the file is written, or when the ledger is: neither is told as kept, and no file stays."""
    store = open_store(tmp_path)
    keep(store, "1.2.1")
    with monkeypatch.context() as broken:
        if what == "write":

            def full(_: int) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            broken.setattr(os, "fsync", full)
        else:

            def refuse(*_: object, **__: object) -> None:
                raise sqlite3.OperationalError("database or disk is full")

            broken.setattr(store.ledger, "add_object", refuse)
        with pytest.raises(ObjectRefusedError) as refused:
            keep(store, "1.2.2")
    assert refused.value.status == OUT_OF_RESOURCES
    assert len(files(store)) == 1
    assert keep(store, "1.2.2")  # sent again when there is room
    assert len(files(store)) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk needs root")
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)], check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_fills_up(small_disk: Path) -> None:
    """On a disk of 2 MB objects come until it is full: each is kept whole or refused, and what was kept stays."""
    store = ObjectStore(small_disk / "objects", Ledger(small_disk), keep_free_bytes=0, quiet_seconds=0)
    store._room = lambda _: 10**12  # as if nobody had looked: the disk itself says that it is full
    kept, refused = [], []
    for number in range(60):
        try:
            keep(store, f"1.2.{number}", bytes([number]) * 60_000)
            kept.append(number)
        except ObjectRefusedError as error:
            refused.append(error.status)
    assert kept and set(refused) == {OUT_OF_RESOURCES}
    again = ObjectStore(small_disk / "objects", Ledger(small_disk), keep_free_bytes=0, quiet_seconds=0)
    assert again.tidy() == []
    assert len(files(again)) == len(kept)
    for file in files(again):
        assert file.stat().st_size > 60_000


def test_what_was_half_received_goes_and_what_is_lost_is_told(tmp_path: Path) -> None:
    """A crash between file and ledger: nobody was told of the object. A file that somebody removed is named."""
    store = open_store(tmp_path)
    keep(store, "1.2.1")
    keep(store, "1.2.2")
    first, second = files(store)
    (first.parent / ".partial-x.dcm").write_bytes(b"half")
    (first.parent / "whole.dcm").write_bytes(b"without a row")
    second.unlink()
    assert store.tidy() == [str(second.relative_to(store.folder))]
    assert files(store) == [first]
