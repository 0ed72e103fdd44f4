"""Send DICOM files to an archive by whichever way, with a ledger of what it has and a record of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import recorded_run
from nnunet_amt.clinic.pacs.address import DicomAddress, TlsFiles
from nnunet_amt.clinic.pacs.dicom_send import RETRIES, send_objects
from nnunet_amt.clinic.pacs.send_ledger import SendLedger, default_ledger
from nnunet_amt.clinic.pacs.send_result import SendResult
from nnunet_amt.clinic.pacs.web import WebAddress
from nnunet_amt.clinic.pacs.web_send import store_objects

OUR_TITLE = "NNUNET_AMT"


@dataclass(frozen=True)
class SendOptions:
    """How to send.

    Attributes
    ----------
    calling
        Our AE title, for C-STORE.
    tls
        Files of TLS, for C-STORE; of DICOMweb they stand in the address.
    again
        Send also what was acknowledged before, and other content under a UID that was.
    retries
        How often an object is tried again where that may help.
    """

    calling: str = OUR_TITLE
    tls: TlsFiles | None = None
    again: bool = False
    retries: int = RETRIES


def send(
    paths: Sequence[Path],
    to: DicomAddress | WebAddress,
    *,
    options: SendOptions | None = None,
    ledger: Path | None = None,
    progress: Progress = silent,
) -> SendResult:
    """Send DICOM files, and those in folders; what the archive has acknowledged is remembered, and left out next time.

    Parameters
    ----------
    paths
        Files or folders.
    to
        An application entity, by C-STORE, or a DICOMweb service, by STOW-RS.
    options
        How; the default ones if None.
    ledger
        Where it is kept what was acknowledged; `default_ledger` if None. The record of the run stands beside it.

    Raises
    ------
    WorkFailedError
        If the archive cannot be reached or refuses everything.
    BadInputError
        If a path does not exist, or a file of TLS or the ledger cannot be used.
    """
    options = options or SendOptions()
    memory = SendLedger(ledger or default_ledger())
    settings = {
        "by": "C-STORE" if isinstance(to, DicomAddress) else "STOW-RS",
        "tls": options.tls is not None if isinstance(to, DicomAddress) else to.url.startswith("https:"),
        "again": options.again,
        "retries": options.retries,
    }
    with recorded_run(memory.path.parent, "send", settings=settings, files_named=False) as notes:
        if isinstance(to, DicomAddress):
            result = send_objects(
                paths, to, calling=options.calling, tls=options.tls, ledger=memory, again=options.again,
                retries=options.retries, progress=progress,
            )  # fmt: skip
        else:
            result = store_objects(
                paths, to, ledger=memory, again=options.again, retries=options.retries, progress=progress
            )
        notes.counts |= {
            "sent": len(result.sent),
            "known": len(result.known),
            "failed": len(result.failed),
            "warnings": len(result.warnings),
        }
        notes.nothing_done = not (result.sent or result.failed)
    return result
