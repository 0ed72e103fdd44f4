"""What an archive says is held against what was asked for and what came: nothing else is kept or called whole."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID

from nnunet_amt.clinic.pacs.dicom_fetch import DicomArchive, MoveTo, outcome
from nnunet_amt.clinic.pacs.fetch import Fetched, FetchOptions, fetch, find
from nnunet_amt.clinic.pacs.wanted import queries_of
from nnunet_amt.clinic.source_series import ct_series_in
from nnunet_amt.errors import AMTError, BadInputError, DiskFullError, WorkFailedError
from tests.clinic.pacs.query_peer import QueryPeer, query_peer
from tests.images.dicom.dicom_fixtures import make_volume, series_uid, write_ct_series
from tests.images.dicom.seg_fixtures import as_source

STUDY, OTHER = series_uid("study a"), series_uid("study b")


def _study(folder: Path, name: str, slices: int = 4) -> list[Path]:
    def change(z: int, dataset: Dataset) -> None:
        as_source(z, dataset)
        dataset.StudyInstanceUID, dataset.AccessionNumber = series_uid(f"study {name}"), f"ACC-{name}"
        dataset.PatientID = f"patient-{name}"

    return write_ct_series(folder / name, make_volume(slices), series=name, change=change)


def _fetch(peer: QueryPeer, output: Path, *keys: str, studies: tuple[str, ...] = (), retries: int = 0) -> Fetched:
    queries = queries_of(studies=studies, keys=keys)
    return fetch(
        DicomArchive(peer.address, "US"), queries, output, options=FetchOptions(retries=retries, pause_seconds=0.01)
    )


def test_the_folder_of_a_series_is_a_ct_as_any_other(tmp_path: Path) -> None:
    files = _study(tmp_path, "a")
    with query_peer([*files, *_study(tmp_path, "b")]) as peer:
        result = _fetch(peer, tmp_path / "out", studies=(STUDY,))
    (one,) = result.series
    assert result.is_complete
    assert (one.received, one.new, one.series.expected) == (4, 4, 4)
    (series,) = ct_series_in(tmp_path / "out" / one.series.name)
    assert not isinstance(series, AMTError)
    assert series.sop_uids == {pydicom.dcmread(file).SOPInstanceUID for file in files}
    table = (tmp_path / "out" / "series.csv").read_text()
    assert table.splitlines()[1] == f"{one.series.name},{one.series.study},CT,4,4,yes"
    names = " ".join(str(path.relative_to(tmp_path)) for path in (tmp_path / "out").rglob("*"))
    for secret in ("patient-a", "Planted", STUDY, series_uid("a"), "ACC-a"):
        assert secret not in names + table + (tmp_path / "out" / "nnunet_amt_runs.json").read_text()


def test_a_rerun_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    files = _study(tmp_path, "a", 6)
    with query_peer(files, lambda peer: setattr(peer, "aborts_after", 2)) as peer:
        (first,) = _fetch(peer, tmp_path / "out", studies=(STUDY,)).series
        assert (first.received, first.is_complete) == (2, False)
        assert "broke off" in first.trouble
        peer.aborts_after = None
        (second,) = _fetch(peer, tmp_path / "out", studies=(STUDY,)).series
        assert (second.received, second.new, second.is_complete) == (6, 4, True)
        (third,) = _fetch(peer, tmp_path / "out", studies=(STUDY,)).series
        assert (third.new, third.is_complete) == (0, True)
    assert peer.asked == [("SERIES", 0), ("IMAGE", 4)]


def test_retries_fill_what_breaks_off(tmp_path: Path) -> None:
    """Two objects a time of six: three times."""
    with query_peer(_study(tmp_path, "a", 6), lambda peer: setattr(peer, "aborts_after", 2)) as peer:
        (one,) = _fetch(peer, tmp_path / "out", studies=(STUDY,), retries=3).series
    assert (one.received, one.is_complete) == (6, True)
    assert len(peer.asked) == 3


@pytest.mark.parametrize("lists", [True, False])
def test_less_than_the_archive_says_is_told(tmp_path: Path, lists: bool) -> None:
    """It lists four objects, or says four, sends three, and reports success."""
    files = _study(tmp_path, "a")
    with query_peer(files, lambda peer: setattr(peer, "lists_objects", lists)) as peer:
        peer.withheld = {str(pydicom.dcmread(files[1]).SOPInstanceUID)}
        result = _fetch(peer, tmp_path / "out", studies=(STUDY,))
    (one,) = result.series
    assert (one.received, one.series.expected) == (3, 4)
    assert not result.is_complete
    assert one.trouble == "the archive reports no failure, and sent less than it says it has"


def test_a_number_larger_than_the_list_is_believed(tmp_path: Path) -> None:
    with query_peer(_study(tmp_path, "a"), lambda peer: setattr(peer, "stated", 5)) as peer:
        assert not _fetch(peer, tmp_path / "out", studies=(STUDY,)).is_complete


def test_what_nobody_asked_for_is_refused(tmp_path: Path) -> None:
    others = _study(tmp_path, "b", 2)
    with query_peer(_study(tmp_path, "a")) as peer:
        peer.extra = [pydicom.dcmread(file) for file in others]
        result = _fetch(peer, tmp_path / "out", studies=(STUDY,))
    assert result.not_asked_for == 2
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 4
    assert result.is_complete  # what was asked for is


def test_an_archive_that_does_not_look_at_a_key(tmp_path: Path) -> None:
    """It gives all that it has: other patients are not taken; if it does not even answer the key, nothing is."""
    files = [*_study(tmp_path, "a"), *_study(tmp_path, "b")]
    with query_peer(files, lambda peer: setattr(peer, "ignores", ("PatientID",))) as peer:
        result = _fetch(peer, tmp_path / "out", "PatientID=patient-b")
        assert [one.series.series_uid for one in result.series] == [series_uid("b")]
        peer.silent_on = ("PatientID",)
        with pytest.raises(WorkFailedError, match="does not say PatientID") as caught:
            _fetch(peer, tmp_path / "more", "PatientID=patient-b")
        assert "patient-b" not in str(caught.value)


def test_too_many_studies_are_refused(tmp_path: Path) -> None:
    with query_peer([*_study(tmp_path, "a", 1), *_study(tmp_path, "b", 1)]) as peer:
        source, queries = DicomArchive(peer.address, "US"), queries_of(keys=["PatientID=patient-*"])
        peer.ignores = ("PatientID",)
        with pytest.raises(WorkFailedError, match="more than 1"):
            find(source, queries, options=FetchOptions(most_studies=1))
        assert len(find(source, queries, options=FetchOptions(most_studies=2))[0]) == 2


@pytest.mark.parametrize(
    ("status", "told"),
    [(0xA700, "0xA700"), (0xC001, "0xC001"), (0xFE00, "0xFE00"), (0xB001, "only a part"), (-1, "no answer")],
)
def test_bad_ends_of_an_answer(tmp_path: Path, status: int, told: str) -> None:
    with (
        query_peer(_study(tmp_path, "a"), lambda peer: setattr(peer, "find_status", status)) as peer,
        pytest.raises(WorkFailedError, match=told),
    ):
        _fetch(peer, tmp_path / "out", studies=(STUDY,))


def test_a_query_that_finds_nothing_is_told(tmp_path: Path) -> None:
    with query_peer(_study(tmp_path, "a")) as peer:
        result = _fetch(peer, tmp_path / "out", studies=(OTHER, STUDY))
    assert result.without == (1,)
    assert not result.is_complete
    assert len(result.series) == 1


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize("uid", ["../../../escaped", "/escaped", "..", "1.2/3"])
def test_a_uid_is_never_a_path(tmp_path: Path, uid: str) -> None:
    """Series and objects are called by digests of their UIDs, whatever these are."""

    def change(peer: QueryPeer) -> None:
        for number, one in enumerate(peer.objects):
            one.SeriesInstanceUID = uid
            one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = UID(f"{uid}{number}")

    with query_peer(_study(tmp_path, "a"), change) as peer:
        result = _fetch(peer, tmp_path / "deep" / "out", studies=(STUDY,))
    assert result.is_complete
    written = [path for path in tmp_path.rglob("*") if path.is_file() and (tmp_path / "a") not in path.parents]
    assert len(written) == 4 + 2
    assert all((tmp_path / "deep" / "out") in path.parents for path in written)


def test_the_receiver_hears_only_the_archive(tmp_path: Path) -> None:
    """C-MOVE brings the series; another AE that calls the same port meanwhile is refused."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with query_peer(_study(tmp_path, "a")) as peer:
        peer.destination = ("127.0.0.1", port)
        source = DicomArchive(peer.address, "US", None, MoveTo("RECEIVER", port))
        options = FetchOptions(retries=0)
        assert fetch(source, queries_of(studies=[STUDY]), tmp_path / "out", options=options).is_complete
        # asked as ELSEWHERE it answers too, and then stores as ARCHIVE
        other = replace(source, address=replace(peer.address, ae_title="ELSEWHERE"))
        result = fetch(other, queries_of(studies=[STUDY]), tmp_path / "refused", options=options)
        assert result.series[0].received == 0
        assert result.series[0].trouble.endswith("; it must know RECEIVER with this machine and --port")
        assert not result.is_complete
        assert not list((tmp_path / "refused").rglob("*.dcm"))


def test_a_full_disk_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive is told that there is no room, and the user."""

    def full(path: Path) -> None:
        raise DiskFullError(f"{path.name}: the disk is full")

    monkeypatch.setattr("nnunet_amt.clinic.pacs.arrivals.atomic_path", full)
    with query_peer(_study(tmp_path, "a")) as peer, pytest.raises(DiskFullError):
        _fetch(peer, tmp_path / "out", studies=(STUDY,))


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with query_peer(_study(tmp_path, "a")) as peer, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        source = DicomArchive(peer.address, "US", None, MoveTo("RECEIVER", port))
        with pytest.raises(BadInputError, match=f"--port {port}: cannot be listened on"):
            fetch(source, queries_of(studies=[STUDY]), tmp_path / "out")


@pytest.mark.parametrize(
    ("status", "failed", "told"),
    [
        (0x0000, 0, ""),
        (0xB000, 2, "the archive says that it could not send 2 of them (0xB000)"),
        (0x0000, 1, "the archive says that it could not send 1 of them (0x0000)"),
        (0xA702, 0, "the archive refuses to send it (0xA702)"),
        (0xC001, 0, "the archive refuses to send it (0xC001)"),
        (None, 0, "the archive broke off, or gave no answer in time"),
    ],
)
def test_the_last_answer_and_its_failures_count(status: int | None, failed: int, told: str) -> None:
    """PS3.7 C.2: a request is over with the first answer that is not pending; an empty one is no success."""
    pending, last = Dataset(), Dataset()
    pending.Status = 0xFF00
    if status is not None:
        last.Status, last.NumberOfFailedSuboperations = status, failed
    assert outcome([(pending, None), (last, None)]) == told
    assert outcome([]) == "the archive broke off, or gave no answer in time"
