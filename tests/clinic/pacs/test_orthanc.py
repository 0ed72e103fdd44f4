"""Sending and fetching on a real archive: all comes back equal, and what is cut off comes with the next run, once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from nnunet_amt.clinic.pacs.address import DicomAddress
from nnunet_amt.clinic.pacs.dicom_fetch import DicomArchive
from nnunet_amt.clinic.pacs.dicom_send import send_objects
from nnunet_amt.clinic.pacs.fetch import Fetched, FetchOptions, fetch, find
from nnunet_amt.clinic.pacs.send_ledger import SendLedger
from nnunet_amt.clinic.pacs.send_result import SendResult
from nnunet_amt.clinic.pacs.wanted import queries_of
from nnunet_amt.clinic.pacs.web_fetch import WebArchive
from nnunet_amt.clinic.pacs.web_send import store_objects
from nnunet_amt.errors import WorkFailedError
from tests.clinic.pacs.cutting_proxy import cutting_proxy
from tests.clinic.pacs.orthanc_site import LOOPBACK, US, Orthanc, running_orthanc
from tests.images.dicom.dicom_fixtures import make_volume, series_uid, write_ct_series, write_rtstruct
from tests.images.dicom.seg_fixtures import as_source, write_seg

pytestmark = [pytest.mark.clinic, pytest.mark.filterwarnings("ignore::UserWarning")]

WAYS = ("get", "move", "web")
EVERYTHING = ("CT", "RTSTRUCT", "SEG")


@pytest.fixture(scope="module", params=["plain", "tls"])
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    folder = tmp_path_factory.mktemp("orthanc") / "archive"
    with running_orthanc(folder, tls=request.param == "tls") as orthanc:
        yield orthanc


@pytest.fixture
def orthanc(archive: Orthanc) -> Orthanc:
    archive.clear()
    return archive


def study_uid(name: str) -> str:
    return series_uid(f"study {name}")


def write_study(
    folder: Path, name: str, slices: int = 6, *, syntax: str | None = None, side: int = 64
) -> dict[str, Path]:
    """Write a CT series of a study of its own; give its files by SOPInstanceUID."""

    def change(z: int, dataset: Dataset) -> None:
        as_source(z, dataset)
        dataset.StudyInstanceUID, dataset.AccessionNumber = study_uid(name), f"ACC-{name}"
        dataset.StudyDate, dataset.InstanceNumber = "20260102", z + 1

    files = write_ct_series(folder, make_volume(slices, side, side) % 900, series=name, change=change, syntax=syntax)
    return {str(pydicom.dcmread(file).SOPInstanceUID): file for file in files}


def send(orthanc: Orthanc, *paths: Path, way: str = "get", ledger: SendLedger | None = None) -> SendResult:
    if way == "web":
        return store_objects(paths, orthanc.web, ledger=ledger)
    return send_objects(paths, orthanc.address, calling=US, tls=orthanc.tls, ledger=ledger)


def fetched(
    orthanc: Orthanc, output: Path, way: str, *, name: str, modalities: tuple[str, ...] = ("CT",), retries: int = 0
) -> Fetched:
    options = FetchOptions(modalities, retries=retries, pause_seconds=0.1)
    return fetch(orthanc.archives()[way], queries_of(studies=[study_uid(name)]), output, options=options)


def objects_in(folder: Path) -> dict[str, Dataset]:
    found = [pydicom.dcmread(file) for file in folder.rglob("*.dcm")]
    assert len({one.SOPInstanceUID for one in found}) == len(found)
    return {str(one.SOPInstanceUID): one for one in found}


@pytest.mark.parametrize("way", WAYS)
def test_a_study_goes_there_and_back(orthanc: Orthanc, tmp_path: Path, way: str) -> None:
    """A CT, a SEG and an RTSTRUCT of one study: every element comes back, the CT also voxel by voxel."""
    given = write_study(tmp_path / "sent" / "ct", "a")
    mask = np.zeros((6, 64, 64), bool)
    mask[2:4, 10:20, 5:9] = True
    write_seg(tmp_path / "sent" / "seg.dcm", list(given.values()), {"tumour": mask})
    write_rtstruct(tmp_path / "sent" / "rt.dcm", {"tumour": []}, series="a")
    rt = pydicom.dcmread(tmp_path / "sent" / "rt.dcm")
    rt.StudyInstanceUID, rt.PatientID, rt.SeriesInstanceUID = study_uid("a"), "planted-id", series_uid("rt")
    rt.save_as(tmp_path / "sent" / "rt.dcm")
    assert len(send(orthanc, tmp_path / "sent", way=way).sent) == 8

    result = fetched(orthanc, tmp_path / "back", way, name="a", modalities=EVERYTHING)
    assert result.is_complete
    assert sorted(one.series.modality for one in result.series) == ["CT", "RTSTRUCT", "SEG"]
    back = objects_in(tmp_path / "back")
    sent = [pydicom.dcmread(file) for file in (tmp_path / "sent").rglob("*") if file.is_file()]
    assert back == {str(one.SOPInstanceUID): one for one in sent}
    for uid, file in given.items():
        assert (back[uid].pixel_array == pydicom.dcmread(file).pixel_array).all()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_compressed_pixels_stay_as_they_are(orthanc: Orthanc, tmp_path: Path, way: str, syntax: str) -> None:
    given = write_study(tmp_path / "ct", "jpeg", 3, syntax=syntax)
    assert len(send(orthanc, tmp_path / "ct", way=way).sent) == 3
    assert fetched(orthanc, tmp_path / "back", way, name="jpeg").is_complete
    for uid, one in objects_in(tmp_path / "back").items():
        assert one.file_meta.TransferSyntaxUID == syntax
        assert one.PixelData == pydicom.dcmread(given[uid]).PixelData


def test_strangers_get_nothing(orthanc: Orthanc, tmp_path: Path) -> None:
    given = write_study(tmp_path / "ct", "a", 2)
    files = list(given.values())
    with pytest.raises(WorkFailedError, match=r"does not know us; see --credentials \(HTTP 401\)"):
        store_objects(files, orthanc.web_as("test", "wrong"))
    with pytest.raises(WorkFailedError, match="HTTP 401"):
        find(WebArchive(orthanc.web_as("nobody", orthanc.password)), queries_of(studies=[study_uid("a")]))
    with pytest.raises(WorkFailedError, match="refuses the association"):
        send_objects(files, replace(orthanc.address, ae_title="NOBODY"), calling=US, tls=orthanc.tls)
    with pytest.raises(WorkFailedError):
        send_objects(files, orthanc.address, calling="STRANGER", tls=orthanc.tls, retries=0)
    if orthanc.tls is not None:
        with pytest.raises(WorkFailedError, match="does it ask for TLS"):
            send_objects(files, orthanc.address, calling=US, retries=0)
        without = replace(orthanc.tls, certificate=None, key=None)
        with pytest.raises(WorkFailedError):
            send_objects(files, orthanc.address, calling=US, tls=without, retries=0)
    assert orthanc.instances() == []


def test_the_rerun_of_a_sending_that_was_cut_sends_only_the_rest(orthanc: Orthanc, tmp_path: Path) -> None:
    """Slices of 8 kB and a wire that is cut after 40 kB: some arrive, the next run sends the others, none twice."""
    given = write_study(tmp_path / "ct", "a", 10)
    ledger = SendLedger(tmp_path / "sent.sqlite")
    with cutting_proxy(orthanc.dicom_port, cut_after=40_000) as wire:
        to = DicomAddress("ORTHANC", LOOPBACK, wire.port)
        first = send_objects([tmp_path / "ct"], to, calling=US, tls=orthanc.tls, ledger=ledger, retries=0)
        assert 0 < len(first.sent) < 10
        assert len(first.failed) == 10 - len(first.sent)
        wire.cut_after = None
        second = send_objects([tmp_path / "ct"], to, calling=US, tls=orthanc.tls, ledger=ledger, retries=0)
    assert set(second.known) == set(first.sent)
    assert {*second.sent} == {*given.values()} - {*first.sent}
    assert orthanc.instances() == sorted(given)


def test_retries_bring_all_over_a_wire_that_is_cut_again_and_again(orthanc: Orthanc, tmp_path: Path) -> None:
    given = write_study(tmp_path / "ct", "a", 10)
    with cutting_proxy(orthanc.dicom_port, cut_after=40_000) as wire:
        to = DicomAddress("ORTHANC", LOOPBACK, wire.port)
        result = send_objects([tmp_path / "ct"], to, calling=US, tls=orthanc.tls, pause_seconds=0.05)
    assert not result.failed
    assert orthanc.instances() == sorted(given)


@pytest.mark.parametrize("way", ["get", "web"])
def test_an_archive_that_is_killed_while_sending(orthanc: Orthanc, tmp_path: Path, way: str) -> None:
    """What it had acknowledged is there when it has started again, and is not sent again."""
    given = write_study(tmp_path / "ct", "a", 120 if way == "web" else 20, side=16)
    ledger = SendLedger(tmp_path / "sent.sqlite")

    def kill(done: int, total: int, what: str) -> None:
        if what == "sending" and done == 7:
            orthanc.kill()
            time.sleep(0.3)  # so that the end of the connection is seen before, and not as, the next object is sent

    if way == "web":
        first = store_objects([tmp_path / "ct"], orthanc.web, ledger=ledger, retries=0, progress=kill)
    else:
        first = send_objects(
            [tmp_path / "ct"], orthanc.address, calling=US, tls=orthanc.tls, ledger=ledger, retries=0, progress=kill
        )
    orthanc.start()
    assert 0 < len(first.sent) < len(given)
    there = orthanc.instances()
    assert {uid for uid, file in given.items() if file in first.sent} <= {*there}
    second = send(orthanc, tmp_path / "ct", way=way, ledger=ledger)
    assert set(second.known) == set(first.sent)
    assert len(second.sent) == len(given) - len(first.sent)
    assert not second.failed
    assert orthanc.instances() == sorted(given)
    assert send(orthanc, tmp_path / "ct", way=way, ledger=ledger).sent == ()


@pytest.mark.parametrize("way", ["get", "web"])
def test_two_hundred_objects_in_a_burst(orthanc: Orthanc, tmp_path: Path, way: str) -> None:
    given = write_study(tmp_path / "ct", "burst", 200, side=16)
    assert len(send(orthanc, tmp_path / "ct", way=way).sent) == 200
    assert orthanc.instances() == sorted(given)
    result = fetched(orthanc, tmp_path / "back", way, name="burst")
    assert [(one.received, one.series.expected) for one in result.series] == [(200, 200)]


@pytest.mark.parametrize("way", WAYS)
def test_interleaved_studies_and_doubled_objects(orthanc: Orthanc, tmp_path: Path, way: str) -> None:
    """Slices of two patients in turn, each file twice: each study has its own, once, and comes by itself."""
    one, other = write_study(tmp_path / "one", "one"), write_study(tmp_path / "other", "other")
    paths = []
    for number, pair in enumerate(zip(one.values(), other.values(), strict=True)):
        for file in pair:
            copy = tmp_path / f"{number}-{file.name}"
            shutil.copy(file, copy)
            paths += [file, copy]
    result = send(orthanc, *paths, way=way)
    assert (len(result.sent), len(result.known)) == (12, 12)
    assert orthanc.instances() == sorted([*one, *other])
    assert fetched(orthanc, tmp_path / "back", way, name="one").is_complete
    assert objects_in(tmp_path / "back").keys() == one.keys()


def test_the_rerun_of_a_fetch_that_was_cut_fetches_only_the_rest(orthanc: Orthanc, tmp_path: Path) -> None:
    given = write_study(tmp_path / "ct", "a", 10)
    send(orthanc, tmp_path / "ct")
    queries = queries_of(studies=[study_uid("a")])
    options = FetchOptions(retries=0)
    with cutting_proxy(orthanc.dicom_port, cut_after=70_000) as wire:
        source = DicomArchive(DicomAddress("ORTHANC", LOOPBACK, wire.port), US, orthanc.tls)
        (first,) = fetch(source, queries, tmp_path / "back", options=options).series
        assert 0 < first.received < 10
        assert not first.is_complete
        assert "broke off" in first.trouble
        before = {file: file.stat().st_mtime_ns for file in (tmp_path / "back").rglob("*.dcm")}
        wire.cut_after = None
        (second,) = fetch(source, queries, tmp_path / "back", options=options).series
    assert second.is_complete
    assert (second.received, second.new) == (10, 10 - first.received)
    assert all(file.stat().st_mtime_ns == written for file, written in before.items())
    assert objects_in(tmp_path / "back").keys() == given.keys()
    assert not list((tmp_path / "back").rglob(".partial-*"))


@pytest.mark.parametrize("way", WAYS)
def test_keys(orthanc: Orthanc, tmp_path: Path, way: str) -> None:
    """Accession number, patient, a range of dates, the beginning of a name; and those that nothing answers to."""
    write_study(tmp_path / "ct", "a", 2)
    send(orthanc, tmp_path / "ct")
    source = orthanc.archives()[way]
    for keys in (["AccessionNumber=ACC-a"], ["PatientID=planted-id", "StudyDate=20260101-"], ["PatientName=Planted*"]):
        found, without = find(source, queries_of(keys=keys))
        assert [one.expected for one in found] == [2], keys
        assert not without
    for keys in (["AccessionNumber=ACC"], ["PatientID=planted-id", "StudyDate=-20251231"]):
        assert find(source, queries_of(keys=keys)) == ([], (1,)), keys
