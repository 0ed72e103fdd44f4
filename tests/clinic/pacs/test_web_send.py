"""An answer of STOW-RS names each object; what it does not name, or names as failed, is not stored."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pydicom
import pytest

from nnunet_amt.clinic.pacs.credentials import Credentials
from nnunet_amt.clinic.pacs.send_ledger import SendLedger
from nnunet_amt.clinic.pacs.send_result import SendResult
from nnunet_amt.clinic.pacs.web import WebAddress
from nnunet_amt.clinic.pacs.web_send import store_objects
from nnunet_amt.errors import BadInputError, WorkFailedError
from tests.clinic.pacs.web_peer import WebAnswer, WebPeer, stored, web_peer
from tests.images.dicom.dicom_fixtures import make_volume, write_ct_series

SECRET = "open sesame"
KNOWN = Credentials("somebody", SECRET)


def _store(peer: WebPeer, *paths: Path, ledger: SendLedger | None = None, retries: int = 2) -> SendResult:
    address = WebAddress.checked(peer.url, credentials=KNOWN, tls=None)
    return store_objects(paths, address, ledger=ledger, retries=retries, pause_seconds=0.01)


def _uids(files: list[Path]) -> list[str]:
    return [str(pydicom.dcmread(file).SOPInstanceUID) for file in files]


def test_what_is_named_as_stored_is_remembered(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "ct")
    ledger = SendLedger(tmp_path / "sent.sqlite")
    with web_peer(lambda number, uids: WebAnswer(200, stored(*uids))) as peer:
        first = _store(peer, tmp_path / "ct", ledger=ledger)
        second = _store(peer, tmp_path / "ct", ledger=ledger)
    assert set(first.sent) == set(second.known) == set(files)
    assert not first.failed and not second.sent
    assert len(peer.requests) == 1
    expected = b64encode(f"somebody:{SECRET}".encode()).decode()
    assert peer.headers[0]["Authorization"] == f"Basic {expected}"
    assert peer.headers[0]["Host"] == peer.url.split("/")[2]  # with the port


def test_each_object_has_its_own_answer(tmp_path: Path) -> None:
    """Of four one is stored, one with a warning, one failed for good, one not named: that one is tried three times."""
    files = write_ct_series(tmp_path / "ct", make_volume(4))
    good, warned, bad, _ = _uids(files)

    def plan(number: int, uids: list[str]) -> WebAnswer:
        named = [uid for uid in uids if uid in (good, warned)]
        failed = {uid: 0xA900 for uid in uids if uid == bad}
        return WebAnswer(202, stored(*named, failed=failed, warned={warned: 0xB000}))

    with web_peer(plan) as peer:
        result = _store(peer, *files)
    assert set(result.sent) == {files[0], files[1]}
    assert result.warnings == ((files[1], "taken with a warning (0xB000)"),)
    told = dict(result.failed)
    assert told.keys() == {files[2], files[3]}
    assert "(0xA900)" in told[files[2]]
    assert "does not name it" in told[files[3]] and "(3 tries)" in told[files[3]]
    assert [len(uids) for uids in peer.requests] == [4, 1, 1]


def test_a_conflict_says_what_failed(tmp_path: Path) -> None:
    """HTTP 409 comes where nothing was stored, with the reason of each object in its body."""
    files = write_ct_series(tmp_path / "ct", make_volume(2))
    with web_peer(lambda n, uids: WebAnswer(409, stored(failed=dict.fromkeys(uids, 0xC000)))) as peer:
        result = _store(peer, *files)
    assert len(peer.requests) == 1
    assert [reason for _, reason in result.failed] == ["refused: cannot understand (0xC000)"] * 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_archive_is_waited_for(tmp_path: Path, status: int) -> None:
    files = write_ct_series(tmp_path / "ct", make_volume(2))
    with web_peer(lambda n, uids: WebAnswer(status) if n < 3 else WebAnswer(200, stored(*uids))) as peer:
        result = _store(peer, *files)
    assert set(result.sent) == set(files)
    assert [len(uids) for uids in peer.requests] == [2, 2, 2]  # with their objects each time


def test_an_empty_success_is_none(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "ct", make_volume(1))
    with web_peer(lambda n, uids: WebAnswer(200)) as peer:
        result = _store(peer, *files)
    assert not result.sent
    assert "does not name it" in result.failed[0][1]
    assert len(peer.requests) == 3


def test_a_request_too_large_is_halved(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "ct", make_volume(5))
    with web_peer(lambda n, uids: WebAnswer(413) if len(uids) > 2 else WebAnswer(200, stored(*uids))) as peer:
        result = _store(peer, *files)
    assert set(result.sent) == set(files)
    assert [len(uids) for uids in peer.requests] == [5, 2, 2, 1]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (WebAnswer(401), r"does not know us; see --credentials \(HTTP 401\)"),
        (WebAnswer(403), r"does not allow us this \(HTTP 403\)"),
        (WebAnswer(404), "has no DICOMweb there"),
        (WebAnswer(302, headers={"Location": "http://192.0.2.1/"}), "refers to another address, which is not followed"),
    ],
)
def test_refusals_of_everything_end_it_at_once(tmp_path: Path, answer: WebAnswer, told: str) -> None:
    files = write_ct_series(tmp_path / "ct", make_volume(2))
    with web_peer(lambda n, uids: answer) as peer:
        with pytest.raises(WorkFailedError, match=told) as caught:
            _store(peer, *files)
        assert len(peer.requests) == 1
    assert SECRET not in str(caught.value)


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "ct", make_volume(2))
    address = WebAddress.checked("http://127.0.0.1:1/dicom-web", credentials=KNOWN, tls=None)
    with pytest.raises(WorkFailedError, match="cannot be reached") as caught:
        store_objects(files, address, retries=1, pause_seconds=0.01)
    assert SECRET not in str(caught.value) and SECRET not in repr(address)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://somebody:secret@host/dicom-web", "holds a user or password"),
        ("http://archive.hospital/dicom-web", "everybody on the way could read"),
        ("ftp://host/dicom-web", "is no address"),
        ("http://127.0.0.1:99999/dicom-web", "is no address"),
        ("https://host/dicom-web?x=1", "is no address"),
    ],
)
def test_addresses_that_are_not_taken(url: str, told: str) -> None:
    with pytest.raises(BadInputError, match=told) as caught:
        WebAddress.checked(url, credentials=KNOWN, tls=None)
    assert "secret" not in str(caught.value)


def test_plain_http_must_be_insisted_on() -> None:
    """On this machine nobody is on the way; without credentials there is nothing to read."""
    far = "http://archive.hospital/dicom-web"
    assert WebAddress.checked(far, credentials=KNOWN, tls=None, allow_plain=True).url == far
    assert WebAddress.checked(far, credentials=None, tls=None).url == far
    for near in ("http://127.0.0.1:8042/dicom-web", "http://[::1]:8042/dicom-web", "http://localhost/dicom-web/"):
        assert WebAddress.checked(near, credentials=KNOWN, tls=None).url == near.rstrip("/")
