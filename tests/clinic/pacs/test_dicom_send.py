"""Every answer of an archive is looked at: what it did not acknowledge is told, tried again or sent by the next run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID, JPEG2000Lossless, generate_uid
from pynetdicom import AllStoragePresentationContexts

from nnunet_amt.clinic.pacs.address import DicomAddress
from nnunet_amt.clinic.pacs.dicom_send import send_objects
from nnunet_amt.clinic.pacs.send_ledger import SendLedger
from nnunet_amt.clinic.pacs.send_result import SendResult
from nnunet_amt.clinic.pacs.web import WebAddress
from nnunet_amt.clinic.pacs.web_send import store_objects
from nnunet_amt.errors import BadInputError, MissingExtraError, WorkFailedError
from nnunet_amt.images.dicom.enhanced import ENHANCED_CT_IMAGES
from nnunet_amt.images.dicom.stream import EXPLICIT_VR, IMPLICIT_VR
from tests.clinic.pacs.store_peer import ABORT, CT, LOOPBACK, StorePeer, store_peer
from tests.images.dicom.dicom_fixtures import make_volume, series_uid, write_ct_series


def _send(peer: StorePeer, *paths: Path, ledger: SendLedger | None = None, again: bool = False) -> SendResult:
    return send_objects(paths, peer.address, calling="US", ledger=ledger, again=again, pause_seconds=0.01)


def test_what_arrives_is_the_file(tmp_path: Path) -> None:
    """Everything behind the file's own beginning comes byte for byte."""
    files = write_ct_series(tmp_path / "ct")
    with store_peer() as peer:
        result = _send(peer, tmp_path / "ct")
    assert set(result.sent) == set(files)
    assert not result.known and not result.failed and not result.warnings
    for file in files:
        stored = pydicom.dcmread(file)
        assert peer.dataset(stored.SOPInstanceUID) == stored
        pixels = b"\xe0\x7f\x10\x00"
        sent = peer.kept[stored.SOPInstanceUID]
        assert sent[sent.index(pixels) :] == file.read_bytes()[file.read_bytes().index(pixels) :]


@pytest.mark.parametrize(
    ("status", "told", "tries"),
    [
        (0xA700, "out of resources (0xA700) (4 tries)", 4),
        (0xA7FF, "out of resources (0xA7FF) (4 tries)", 4),
        (0xA900, "data set does not match sop class (0xA900)", 1),
        (0xC000, "cannot understand (0xC000)", 1),
        (0x0124, "not authorised (0x0124)", 1),
        (0x1234, "unknown to the standard (0x1234)", 1),
        (ABORT, "no answer: the association ended or timed out (4 tries)", 4),
    ],
)
def test_one_bad_answer_stops_no_other(tmp_path: Path, status: int, told: str, tries: int) -> None:
    """Of six slices one is answered so each time: five arrive, one is told, and only what may change is tried again."""
    files = write_ct_series(tmp_path / "ct")
    bad = pydicom.dcmread(files[2]).SOPInstanceUID
    with store_peer(lambda number, uid: status if uid == bad else 0) as peer:
        result = _send(peer, tmp_path / "ct")
    assert set(result.sent) == {*files} - {files[2]}
    ((path, reason),) = result.failed
    assert path == files[2]
    assert told in reason
    assert peer.asked.count(bad) == tries
    assert len(peer.asked) == 5 + tries


def test_a_warning_is_told_and_counts_as_sent(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "ct", make_volume(1))
    with store_peer(lambda number, uid: 0xB000) as peer:
        result = _send(peer, *files, ledger=SendLedger(tmp_path / "sent.sqlite"))
        again = _send(peer, *files, ledger=SendLedger(tmp_path / "sent.sqlite"))
    assert result.sent == tuple(files)
    assert result.warnings == ((files[0], "taken with a warning: coercion of data elements (0xB000)"),)
    assert (again.sent, again.known) == ((), tuple(files))


@pytest.mark.parametrize("bad", [0xA700, ABORT])
def test_what_passes_is_waited_for(tmp_path: Path, bad: int) -> None:
    """The third of six is answered badly twice and then taken: nothing fails, nothing acknowledged is sent again."""
    write_ct_series(tmp_path / "ct")
    with store_peer(lambda number, uid: bad if number in (3, 7) else 0) as peer:
        result = _send(peer, tmp_path / "ct")
    assert len(result.sent) == 6
    assert not result.failed
    assert len(peer.asked) == 8
    assert peer.associations == 3


def test_a_full_archive_is_not_hammered(tmp_path: Path) -> None:
    """One object is tried an association, one association and three more in a row: not six objects four times."""
    write_ct_series(tmp_path / "ct")
    with store_peer(lambda number, uid: 0xA700) as peer:
        result = _send(peer, tmp_path / "ct")
    assert len(peer.asked) == 4
    assert len(result.failed) == 6
    assert all("out of resources" in reason for _, reason in result.failed)


def test_a_rerun_sends_only_the_rest(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "ct")
    ledger = SendLedger(tmp_path / "sent.sqlite")
    with store_peer(lambda number, uid: 0 if number <= 2 or number > 6 else 0xC000) as peer:
        first = _send(peer, tmp_path / "ct", ledger=ledger)
        assert (len(first.sent), len(first.failed)) == (2, 4)
        second = _send(peer, tmp_path / "ct", ledger=SendLedger(tmp_path / "sent.sqlite"))
        assert set(second.known) == set(first.sent)
        assert set(second.sent) == {*files} - {*first.sent}
        assert len(peer.asked) == 10
        third = _send(peer, tmp_path / "ct", ledger=ledger, again=True)
    assert len(third.sent) == 6


def test_another_archive_has_nothing_of_it(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "ct", make_volume(1))
    ledger = SendLedger(tmp_path / "sent.sqlite")
    with store_peer() as one, store_peer() as other:
        _send(one, *files, ledger=ledger)
        assert _send(other, *files, ledger=ledger).sent == tuple(files)


def test_other_content_under_a_known_uid_is_refused(tmp_path: Path) -> None:
    """An archive keeps the first in silence: whoever means it must insist."""
    (file,) = write_ct_series(tmp_path / "ct", make_volume(1))
    ledger = SendLedger(tmp_path / "sent.sqlite")
    with store_peer() as peer:
        _send(peer, file, ledger=ledger)
        changed = pydicom.dcmread(file)
        changed.SeriesDescription = "changed"
        changed.save_as(file)
        refused = _send(peer, file, ledger=ledger)
        assert len(peer.asked) == 1
        assert "archives keep the first" in refused.failed[0][1]
        assert _send(peer, file, ledger=ledger, again=True).sent == (file,)
        assert _send(peer, file, ledger=ledger).known == (file,)


def test_copies_are_sent_once_and_contradictions_not_at_all(tmp_path: Path) -> None:
    first, second = write_ct_series(tmp_path / "ct", make_volume(2))
    shutil.copy(first, tmp_path / "ct" / "zz_copy")
    changed = pydicom.dcmread(second)
    changed.SeriesDescription = "changed"
    changed.save_as(tmp_path / "ct" / "zz_other")
    with store_peer() as peer:
        result = _send(peer, tmp_path / "ct")
    assert result.sent == (first,)
    assert result.known == (tmp_path / "ct" / "zz_copy",)
    assert {path for path, _ in result.failed} == {second, tmp_path / "ct" / "zz_other"}
    assert len(peer.asked) == 1


def test_compressed_pixels_go_as_they_are_or_not_at_all(tmp_path: Path) -> None:
    """An archive that takes no JPEG 2000 is told of as such; the uncompressed slice beside it arrives."""
    compressed = write_ct_series(tmp_path / "jpeg", make_volume(1, 64, 64), series="jpeg", syntax=JPEG2000Lossless)
    plain = write_ct_series(tmp_path / "plain", make_volume(1), series="plain")
    with store_peer() as peer:
        result = _send(peer, *compressed, *plain)
        assert result.sent == tuple(plain)
        assert "takes no CT Image Storage in JPEG 2000 Image Compression (Lossless Only)" in result.failed[0][1]
        only = _send(peer, *compressed)  # the association itself is refused then
        assert "takes no CT Image Storage in JPEG 2000" in only.failed[0][1]
    with store_peer(takes=[(CT, (JPEG2000Lossless, EXPLICIT_VR))]) as peer:
        assert len(_send(peer, *compressed, *plain).sent) == 2
        uid = pydicom.dcmread(compressed[0]).SOPInstanceUID
        assert peer.dataset(uid).file_meta.TransferSyntaxUID == JPEG2000Lossless
        assert peer.dataset(uid).PixelData == pydicom.dcmread(compressed[0]).PixelData


def test_an_archive_of_the_default_syntax_alone_is_served(tmp_path: Path) -> None:
    (file,) = write_ct_series(tmp_path / "ct", make_volume(1))
    with store_peer(takes=[(CT, (IMPLICIT_VR,))]) as peer:
        assert _send(peer, file).sent == (file,)
    stored = pydicom.dcmread(file)
    received = peer.dataset(stored.SOPInstanceUID)
    assert received.file_meta.TransferSyntaxUID == IMPLICIT_VR
    assert (received.pixel_array == stored.pixel_array).all()


def test_more_classes_than_an_association_has_contexts(tmp_path: Path) -> None:
    """70 classes of two transfer syntaxes each are 140 contexts, 12 more than fit: two associations."""
    (file,) = write_ct_series(tmp_path / "ct", make_volume(1))
    known = [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
    classes = [one for one in known if one not in ENHANCED_CT_IMAGES][:70]
    for number, sop_class in enumerate(classes):
        dataset = pydicom.dcmread(file)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(tmp_path / "ct" / f"{number:03d}")
    file.unlink()
    with store_peer(takes=[(sop_class, (EXPLICIT_VR,)) for sop_class in classes]) as peer:
        result = _send(peer, tmp_path / "ct")
    assert peer.associations == 2
    assert len(result.sent) == len(peer.kept) == 70


def test_damaged_files_are_told_and_others_passed_over(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "ct", make_volume(3))
    files[0].write_bytes(files[0].read_bytes()[:-20])
    (tmp_path / "ct" / "notes.txt").write_text("no DICOM")
    no_dicom = tmp_path / "mask.nii"
    no_dicom.write_bytes(bytes(400))
    with store_peer() as peer:
        result = _send(peer, tmp_path / "ct", no_dicom)
    assert dict(result.failed).keys() == {files[0], no_dicom}
    assert "lacks 20 bytes of its pixels" in dict(result.failed)[files[0]]
    assert result.passed_over == 1
    assert set(result.sent) == set(files[1:])


def test_whom_nobody_answers(tmp_path: Path) -> None:
    files = write_ct_series(tmp_path / "ct", make_volume(1))
    with store_peer(calling="OTHERS") as peer:
        with pytest.raises(WorkFailedError, match=r"[Cc]alling AE title not recognised"):
            _send(peer, *files)
        wrong = DicomAddress("NOBODY", LOOPBACK, peer.address.port)
        with pytest.raises(WorkFailedError, match="AE title not recognised"):
            send_objects(files, wrong, calling="OTHERS")
    with pytest.raises(WorkFailedError, match="Connection refused"):
        send_objects(files, DicomAddress("A", LOOPBACK, 1), calling="US", retries=1, pause_seconds=0.01)
    with pytest.raises(BadInputError, match="does not exist"):
        send_objects([tmp_path / "none"], DicomAddress("A", LOOPBACK, 1), calling="US")


def test_a_sending_that_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    """Killed after the archive has the third of six and before it is noted: only that one may come again."""
    write_ct_series(tmp_path / "ct")
    running: list[subprocess.Popen[bytes]] = []

    def kill(number: int, uid: str) -> int:
        if number == 3:
            running[0].kill()
        return 0

    with store_peer(kill) as peer:
        words = ["send", str(tmp_path / "ct"), "--to", str(peer.address), "--ledger", str(tmp_path / "sent.sqlite")]
        running.append(subprocess.Popen([sys.executable, "-m", "nnunet_amt", *words], stderr=subprocess.DEVNULL))
        assert running[0].wait(timeout=120) < 0
        result = _send(peer, tmp_path / "ct", ledger=SendLedger(tmp_path / "sent.sqlite"))
    assert len(result.known) == 2
    assert len(result.sent) == 4
    assert len(peer.asked) == 3 + 4
    assert len(peer.kept) == 6


def test_the_extra_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynetdicom", None)
    monkeypatch.setitem(sys.modules, "dicomweb_client", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[pacs\]'"):
        send_objects([tmp_path], DicomAddress("A", LOOPBACK, 1), calling="US")
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[pacs\]'"):
        store_objects([tmp_path], WebAddress("http://127.0.0.1:1"))


def test_nothing_to_send_asks_nobody(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = send_objects([tmp_path / "empty"], DicomAddress("A", LOOPBACK, 1), calling="US")
    assert result == SendResult((), (), ())


def test_no_words_of_ours_hold_an_identifier(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Reasons are shown and logs kept: neither names a patient or holds a UID at the default level."""
    files = write_ct_series(tmp_path / "ct")
    with store_peer(lambda number, uid: (0xC000, 0xB000, ABORT)[number % 3]) as peer, caplog.at_level("WARNING"):
        result = _send(peer, tmp_path / "ct")
    said = " ".join([*(reason for _, reason in (*result.failed, *result.warnings)), caplog.text])
    assert result.failed
    for secret in ("Planted", "planted-id", series_uid("ct"), *(pydicom.dcmread(f).SOPInstanceUID for f in files)):
        assert secret not in said
