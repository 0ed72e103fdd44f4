"""A DICOMweb archive may be busy, lose objects, know no pages, or give others than were asked for: all is noticed."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from nnunet_amt.clinic.pacs.fetch import Fetched, FetchOptions, fetch
from nnunet_amt.clinic.pacs.wanted import queries_of
from nnunet_amt.clinic.pacs.web import WebAddress
from nnunet_amt.clinic.pacs.web_fetch import WebArchive
from nnunet_amt.errors import WorkFailedError
from tests.clinic.pacs.web_query_peer import WebQueryPeer, web_query_peer
from tests.images.dicom.dicom_fixtures import make_volume, series_uid, write_ct_series
from tests.images.dicom.seg_fixtures import as_source


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    def change(z: int, dataset: Dataset) -> None:
        as_source(z, dataset)
        dataset.AccessionNumber = "ACC-1"

    return write_ct_series(tmp_path / "ct", make_volume(4), series="a", change=change)


def _fetch(peer: WebQueryPeer, output: Path, *, retries: int = 0) -> Fetched:
    source = WebArchive(WebAddress.checked(peer.url, credentials=None, tls=None))
    options = FetchOptions(retries=retries, pause_seconds=0.01)
    return fetch(source, queries_of(accessions=["ACC-1"]), output, options=options)


def test_all_comes_once_and_no_more_the_second_time(files: list[Path], tmp_path: Path) -> None:
    with web_query_peer(files) as peer:
        (first,) = _fetch(peer, tmp_path / "out").series
        (second,) = _fetch(peer, tmp_path / "out").series
    assert (first.new, first.is_complete, second.new, second.is_complete) == (4, True, 0, True)
    # two runs ask for studies, series and objects, the first gets four
    assert len(peer.requests) == 3 + 4 + 3
    back = {str(one.SOPInstanceUID): one for one in map(pydicom.dcmread, (tmp_path / "out").rglob("*.dcm"))}
    assert back == {str(one.SOPInstanceUID): one for one in map(pydicom.dcmread, files)}


def test_an_archive_that_knows_no_pages_ends(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With pages of two it gives all four each time: the second answer has nothing new."""
    monkeypatch.setattr("nnunet_amt.clinic.pacs.web_fetch._PAGE", 2)
    with web_query_peer(files) as peer:
        assert _fetch(peer, tmp_path / "out").is_complete
    assert len(peer.requests) == 1 + 1 + 2 + 4


def test_what_is_listed_and_lost_is_told(files: list[Path], tmp_path: Path) -> None:
    with web_query_peer(files) as peer:
        peer.lost = {str(pydicom.dcmread(files[1]).SOPInstanceUID)}
        (one,) = _fetch(peer, tmp_path / "out").series
    assert (one.received, one.is_complete) == (3, False)
    assert "HTTP 404" in one.trouble


def test_a_busy_archive_is_asked_again(files: list[Path], tmp_path: Path) -> None:
    with web_query_peer(files) as peer:
        peer.statuses = {5: 503}
        (one,) = _fetch(peer, tmp_path / "out", retries=1).series
    assert one.is_complete
    assert len(peer.requests) == 3 + 4 + 1


def test_another_object_than_asked_for_is_not_kept(files: list[Path], tmp_path: Path) -> None:
    with web_query_peer(files) as peer:
        peer.instead = pydicom.dcmread(files[0])
        peer.instead.SeriesInstanceUID = series_uid("another")
        result = _fetch(peer, tmp_path / "out")
    assert result.not_asked_for == 4
    assert not result.is_complete
    assert not list((tmp_path / "out").rglob("*.dcm"))


@pytest.mark.parametrize(("status", "told"), [(401, "does not know us"), (302, "not followed"), (500, "HTTP 500")])
def test_refused_questions(files: list[Path], tmp_path: Path, status: int, told: str) -> None:
    """A redirection, which is no error to the client, would else read as an archive without such a study."""
    with web_query_peer(files) as peer:
        peer.statuses = {1: status}
        with pytest.raises(WorkFailedError, match=told):
            _fetch(peer, tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_uid_that_leads_elsewhere_is_not_asked_for(files: list[Path], tmp_path: Path) -> None:
    with web_query_peer(files) as peer:
        for one in peer.objects:
            one.StudyInstanceUID = "../../admin"
        with pytest.raises(WorkFailedError, match="a UID that is none"):
            _fetch(peer, tmp_path / "out")
    assert len(peer.requests) == 1
