"""When a series is whole: its quiet time, its grid, and what the archive says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from nnunet_amt.clinic.pacs import readiness
from nnunet_amt.clinic.pacs.address import DicomAddress
from nnunet_amt.clinic.pacs.ledger import Ledger, SeriesToLookAt
from nnunet_amt.clinic.pacs.object_store import Announced, ObjectStore
from nnunet_amt.clinic.pacs.readiness import Count, ask_nobody, count_at, look_at_series
from nnunet_amt.clinic.pacs.receive_status import read_status
from nnunet_amt.images.image_file import ReadingOptions
from tests.clinic.pacs.stand_ins import LOOPBACK, archive, write_study
from tests.images.dicom.dicom_fixtures import series_uid, write_enhanced_ct, write_other
from tests.images.dicom.seg_fixtures import as_source


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    folder = tmp_path / "received"
    return ObjectStore(folder / "objects", Ledger(folder), keep_free_bytes=0, quiet_seconds=0)


def receive(objects: ObjectStore, files: list[Path], change: Callable[[Dataset], None] | None = None) -> None:
    for file in files:
        dataset = pydicom.dcmread(file)
        if change is not None:
            change(dataset)
            dataset.save_as(file, enforce_file_format=True)
        content = file.read_bytes()
        length = int.from_bytes(content[140:144], "little") + 144  # preamble, mark, and the group of the meta header
        announced = Announced(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), "1.2.840.10008.1.2.1", "PACS")
        objects.store(content[:length], content[length:], announced)


def look(objects: ObjectStore, count: Count | None = None) -> tuple[str, str]:
    """Look at what was received; give the state of the one series, and why it has it."""
    look_at_series(
        objects.ledger, objects.folder, ask=ask_nobody if count is None else lambda _: count,
        reading=ReadingOptions(), quiet_seconds=0,
    )  # fmt: skip
    (one,) = read_status(objects.folder.parent)
    return one.state, one.reason


def test_a_regular_series_is_whole(objects: ObjectStore, tmp_path: Path) -> None:
    receive(objects, write_study(tmp_path, "one"))
    assert look(objects) == ("waiting", "")
    (one,) = read_status(objects.folder.parent)
    assert one.asked == "no archive was asked for the count"


def test_a_series_that_cannot_be_looked_at_keeps_no_other_waiting(
    objects: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is: the second becomes a job, and the first is looked at again."""
    for name in ("one", "other"):
        receive(objects, write_study(tmp_path, name))
    look_as_ever, (bad, _) = readiness.why_not_whole, objects.ledger.series_to_look_at()

    def why_not_whole(folder: Path, series: SeriesToLookAt, *, reading: ReadingOptions) -> str | None:
        if series.mark == bad.mark:
            raise ValueError("Planted^Name")
        return look_as_ever(folder, series, reading=reading)

    monkeypatch.setattr(readiness, "why_not_whole", why_not_whole)
    made = look_at_series(objects.ledger, objects.folder, ask=ask_nobody, reading=ReadingOptions(), quiet_seconds=0)
    assert made == 1
    found = {one.series: (one.state, one.reason) for one in read_status(objects.folder.parent)}
    assert found.pop(bad.mark) == ("received", "looking at it failed with ValueError")
    assert list(found.values()) == [("waiting", "")]


def test_a_missing_slice_is_waited_for(objects: ObjectStore, tmp_path: Path) -> None:
    files = write_study(tmp_path, "one")
    receive(objects, files[:4] + files[5:])
    state, reason = look(objects)
    assert (state, "slices are missing (1)" in reason) == ("received", True)
    receive(objects, files[4:5])
    assert look(objects) == ("waiting", "")


def test_half_a_series_is_not_whole_where_the_archive_counts_more(objects: ObjectStore, tmp_path: Path) -> None:
    """Its grid is regular: only the count tells. Where the archive cannot be asked, it would be worked on."""
    files = write_study(tmp_path, "one")
    receive(objects, files[:4])
    more = Count(8, "the archive counts 8 images")
    assert look(objects, more) == ("received", "the archive counts 8 images, 4 came")
    receive(objects, files[4:])
    assert look(objects, more) == ("waiting", "")


def test_what_is_no_ct_is_refused(objects: ObjectStore, tmp_path: Path) -> None:
    write_other(tmp_path / "report.dcm", "SR", "1.2.840.10008.5.1.4.1.1.88.22")
    receive(objects, [tmp_path / "report.dcm"], lambda dataset: as_source(0, dataset))
    assert look(objects) == ("refused", "holds no CT series; it has 1 of SR")


def test_localisers_and_enhanced_cts_are_refused(objects: ObjectStore, tmp_path: Path) -> None:
    """Of the second no object can be written, so nothing could ever come back."""

    def change(dataset: Dataset) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    receive(objects, write_study(tmp_path, "scout", slices=8)[:2], change)
    state, reason = look(objects)
    assert state == "refused" and "localisers" in reason


def test_an_enhanced_ct_is_refused(objects: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "enhanced").mkdir()
    write_enhanced_ct(tmp_path / "enhanced")
    receive(objects, list((tmp_path / "enhanced").iterdir()), lambda dataset: as_source(0, dataset))
    state, reason = look(objects)
    assert state == "refused" and "enhanced CT" in reason


def test_two_patients_in_one_series_and_damage_only_wait(objects: ObjectStore, tmp_path: Path) -> None:
    receive(objects, write_study(tmp_path, "one")[:7])
    other = write_study(tmp_path, "one")[7:]
    receive(objects, other, lambda dataset: setattr(dataset, "PatientID", "somebody else"))
    state, reason = look(objects)
    assert state == "received" and "mixes images of 2 patients" in reason and "somebody" not in reason


def test_an_archive_is_asked_and_may_be_silent(objects: ObjectStore, tmp_path: Path) -> None:
    receive(objects, write_study(tmp_path, "one"))
    (series,) = objects.ledger.series_to_look_at()

    def ask(to: DicomAddress) -> Count:
        return count_at(to, series, calling="AMT", tls=None, timeout_seconds=5)

    with archive() as running:
        assert ask(running.address) == Count(None, "the archive does not know the series")
        running.counts[series_uid("one")] = 8
        assert ask(running.address) == Count(8, "the archive counts 8 images")
        running.counts[series_uid("one")] = 0
        assert ask(running.address) == Count(None, "the archive tells no count of images")
    assert (
        ask(DicomAddress("NOBODY", LOOPBACK, 1)).how == "the archive could not be asked for the count (no association)"
    )
