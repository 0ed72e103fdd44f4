"""Who may send, how much, and what happens to those who send rubbish: the others do not notice."""

from __future__ import annotations

import logging
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian
from pynetdicom import AE, build_context
from pynetdicom.sop_class import CTImageStorage, Verification  # type: ignore[attr-defined]

from nnunet_amt.clinic.pacs import association_limits
from nnunet_amt.clinic.pacs.address import DicomAddress, TlsFiles
from nnunet_amt.clinic.pacs.association import NoAssociationError, associated
from nnunet_amt.clinic.pacs.ledger import Ledger
from nnunet_amt.clinic.pacs.object_store import ObjectStore
from nnunet_amt.clinic.pacs.peers import Limits, Peer, Peers
from nnunet_amt.clinic.pacs.store_scp import listening
from tests.app.stand_ins import wait_for
from tests.clinic.pacs.stand_ins import LOOPBACK, PEERS, store, store_all, write_study


@contextmanager
def receiver(folder: Path, *, peers: Peers = PEERS, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, Ledger]]:
    ledger = Ledger(folder / "received")
    objects = ObjectStore(folder / "received" / "objects", ledger, keep_free_bytes=0, quiet_seconds=0)
    with listening(objects, peers=peers, ae_title="AMT", host=LOOPBACK, port=0, tls=tls) as port:
        yield port, ledger


def kept(ledger: Ledger) -> int:
    return len(ledger.files())


def test_a_study_is_taken_and_again(tmp_path: Path) -> None:
    """Sent twice, each object is acknowledged twice and kept once; the files are those that were sent."""
    files = write_study(tmp_path, "one")
    with receiver(tmp_path) as (port, ledger):
        for _ in range(2):
            answers = store(port, files)
            assert answers is not None and answers.statuses == [0] * 8
        assert kept(ledger) == 8
        for name in ledger.files():
            read = pydicom.dcmread(tmp_path / "received" / "objects" / name)
            assert read.PatientID == "planted-one"


@pytest.mark.slow
def test_a_burst_and_two_studies_at_once(tmp_path: Path) -> None:
    """200 objects, and beside them two studies that come interleaved over two associations."""
    burst = write_study(tmp_path, "burst", slices=200)
    pairs = [write_study(tmp_path, name, slices=10) for name in ("left", "right")]
    mixed = [file for pair in zip(*pairs, strict=True) for file in pair]
    with receiver(tmp_path) as (port, ledger):
        threads = [threading.Thread(target=store_all, args=(port, files)) for files in (burst, mixed[:11], mixed[9:])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert kept(ledger) == 220
        assert sorted(one.objects for one in ledger.series_to_look_at()) == [10, 10, 200]


def test_strangers_are_rejected_and_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Another title, another called title, a peer at another address, and an address of nobody."""
    files = write_study(tmp_path, "one")[:1]
    elsewhere = Peers((*PEERS.peers, Peer("FAR", (ip_network("10.0.0.5"),))))
    with receiver(tmp_path, peers=elsewhere) as (port, ledger):
        assert store(port, files, calling="STRANGER") is None
        assert store(port, files, called="OTHER") is None
        assert store(port, files, calling="FAR") is None
        assert kept(ledger) == 0
        assert store(port, files) is not None
    assert sum("rejected an association" in line for line in caplog.messages) == 3
    with receiver(tmp_path, peers=Peers(elsewhere.peers[1:])) as (port, ledger):
        assert store(port, files, calling="FAR") is None
    assert "the address is no peer's" in caplog.text


def test_no_more_associations_than_allowed(tmp_path: Path) -> None:
    entity = AE("PACS")
    entity.add_requested_context(Verification)
    with receiver(tmp_path, peers=Peers(PEERS.peers, Limits(associations=2))) as (port, _):
        open_now = [entity.associate(LOOPBACK, port, ae_title="AMT") for _ in range(3)]
        assert [one.is_established for one in open_now] == [True, True, False]
        assert open_now[0].send_c_echo().Status == 0
        open_now[0].release()
        open_now[1].release()


def test_hostile_objects_are_refused_and_good_ones_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A path as UID, a UID that lies, other content under a known UID, a missing series: the rest is taken."""
    good = [pydicom.dcmread(file) for file in write_study(tmp_path, "one")]
    lies, changed, lacks, path_like = (pydicom.dcmread(file) for file in write_study(tmp_path, "two")[:4])
    changed.SOPInstanceUID = changed.file_meta.MediaStorageSOPInstanceUID = good[0].SOPInstanceUID
    del lacks.SeriesInstanceUID
    path_like.SeriesInstanceUID = "../../../tmp/evil"
    lies.StudyInstanceUID = "not.a.uid"
    caplog.set_level(logging.DEBUG)
    with receiver(tmp_path) as (port, ledger):
        answers = store(port, [good[0], lies, good[1], changed, lacks, path_like, *good[2:]])
        assert answers is not None
        assert [answers.statuses[at] for at in (1, 3, 4, 5)] == [0xC000, 0x0111, 0xC000, 0xC000]
        assert answers.statuses.count(0) == 8 and kept(ledger) == 8
    assert not (tmp_path / "tmp").exists()
    ours = [one.getMessage() for one in caplog.records if one.name.startswith("nnunet_amt")]
    assert ours and not any("planted" in line or str(good[0].SOPInstanceUID) in line for line in ours)


def test_an_object_that_is_too_large_ends_its_association(tmp_path: Path) -> None:
    """The limit is 4 MB: what is larger is not read to its end, and the next sender is served."""
    files = write_study(tmp_path, "one")
    large = pydicom.dcmread(files[0])
    large.PixelData = bytes(6 * 1024**2)
    with receiver(tmp_path) as (port, ledger):
        answers = store(port, [large])
        assert answers is None or answers.statuses == [-1]
        assert kept(ledger) == 0
        again = store(port, files)
        assert again is not None and again.refused == []


def test_what_is_deflated_is_not_spoken_of(tmp_path: Path) -> None:
    """A few bytes may unpack to gigabytes: the transfer syntax is not accepted at all."""
    entity = AE("PACS")
    entity.add_requested_context(CTImageStorage, DeflatedExplicitVRLittleEndian)
    entity.add_requested_context(Verification)
    with receiver(tmp_path) as (port, _):
        association = entity.associate(LOOPBACK, port, ae_title="AMT")
        assert [context.abstract_syntax for context in association.accepted_contexts] == [Verification]
        association.release()


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.0\r\n\r\n", b"\x01\x00\xff\xff\xff\xff" + bytes(100), bytes(6), b""])
def test_what_is_no_dicom_at_all(tmp_path: Path, sent: bytes) -> None:
    """A browser, a PDU of 4 GB, zeros, and one who says nothing: they are left alone, and others are served."""
    files = write_study(tmp_path, "one")[:2]
    with receiver(tmp_path) as (port, _), socket.create_connection((LOOPBACK, port), timeout=20) as stranger:
        stranger.sendall(sent)
        answers = store(port, files)
        assert answers is not None and answers.refused == []
        if sent.startswith(b"\x01"):
            assert stranger.recv(1) == b""  # hung up on: nobody waits for 4 GB


@pytest.fixture
def pem(tmp_path: Path) -> TlsFiles:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate of this test")
    return make_pem(tmp_path)


def make_pem(folder: Path) -> TlsFiles:
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {cert} -days 1 -subj /CN=localhost "
        "-addext subjectAltName=IP:127.0.0.1".split(), check=True, capture_output=True,
    )  # fmt: skip
    return TlsFiles(cert, cert, key)


def test_with_tls_only_those_with_a_certificate_come_in(tmp_path: Path, pem: TlsFiles) -> None:
    """One who never ends his handshake keeps nobody waiting."""
    entity = AE("PACS")
    entity.add_requested_context(Verification)
    entity.acse_timeout = entity.network_timeout = 10
    with receiver(tmp_path, tls=pem.for_server()) as (port, _), socket.create_connection((LOOPBACK, port)):
        secured = entity.associate(LOOPBACK, port, ae_title="AMT", tls_args=(pem.for_client(), LOOPBACK))
        assert secured.is_established and secured.send_c_echo().Status == 0
        secured.release()
        without = TlsFiles(pem.ca).for_client()
        assert not entity.associate(LOOPBACK, port, ae_title="AMT", tls_args=(without, LOOPBACK)).is_established
        assert not entity.associate(LOOPBACK, port, ae_title="AMT").is_established


def test_who_comes_to_no_tls_is_told_of(tmp_path: Path, pem: TlsFiles, caplog: pytest.LogCaptureFixture) -> None:
    """Five who show no certificate make one line; a browser would make another, a minute later."""
    with receiver(tmp_path, tls=pem.for_server()) as (port, _):
        for _ in range(5):
            why_none(DicomAddress("AMT", LOOPBACK, port), TlsFiles(pem.ca))
        wait_for(lambda: no_tls(caplog))
    assert no_tls(caplog) == [f"no TLS with {LOOPBACK}: peer did not return a certificate"]


def test_one_address_fills_no_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every ten seconds from one address, seven times, and once from another: 0 s, 60 s, and that of the other."""
    now = 0.0
    monkeypatch.setattr(association_limits, "time", SimpleNamespace(monotonic=lambda: now))
    handshakes = association_limits.FailedHandshakes()
    for step in range(7):
        now = 1000.0 + 10 * step
        handshakes.tell("10.0.0.5", TimeoutError())
        if step == 3:
            handshakes.tell("10.0.0.6", ConnectionResetError())
    assert no_tls(caplog) == [
        "no TLS with 10.0.0.5: it did not go on",
        "no TLS with 10.0.0.6: it ended the connection",
        "no TLS with 10.0.0.5: it did not go on; 5 more since it was last told",
    ]


def no_tls(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if line.startswith("no TLS with")]


def test_what_lacks_for_tls_is_told(tmp_path: Path, pem: TlsFiles) -> None:
    """Our certificate, one that is trusted there, or TLS at all: each has its own hint."""
    other = tmp_path / "other"
    other.mkdir()
    stranger = make_pem(other)
    with receiver(tmp_path, tls=pem.for_server()) as (port, _):
        at = DicomAddress("AMT", LOOPBACK, port)
        assert "does it ask for TLS (--tls-ca)?" in why_none(at, None)
        assert "does it ask for our certificate (--tls-cert, --tls-key)?" in why_none(at, TlsFiles(pem.ca))
        untrusted = TlsFiles(pem.ca, stranger.certificate, stranger.key)
        assert "does it trust who signed our certificate (--tls-cert)?" in why_none(at, untrusted)
    with receiver(other) as (port, _):
        assert "does it speak TLS?" in why_none(DicomAddress("AMT", LOOPBACK, port), pem)


def why_none(at: DicomAddress, tls: TlsFiles | None) -> str:
    with (
        pytest.raises(NoAssociationError) as caught,
        associated(at, [build_context(Verification)], calling="PACS", tls=tls),
    ):
        pass
    return str(caught.value)
