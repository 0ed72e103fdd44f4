"""A receiver with the quick worker, as a program that tests can kill: FOLDER PORT ARCHIVE QUIET_SECONDS PROCESSES."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from nnunet_amt.base.processes import end_tidily_when_told
from nnunet_amt.clinic.pacs.address import DicomAddress
from nnunet_amt.clinic.pacs.dicom_send import send_objects
from nnunet_amt.clinic.pacs.receiver import ReceiveSettings, receive
from nnunet_amt.clinic.pacs.worker_settings import WorkerSettings
from tests.clinic.pacs.stand_ins import LOOPBACK, PEERS, WORKER


def main() -> None:
    """Run until told to end, or killed."""
    folder, port, archive, quiet = Path(sys.argv[1]), int(sys.argv[2]), DicomAddress.parse(sys.argv[3]), sys.argv[4]
    end_tidily_when_told()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("nnunet_amt.clinic.pacs").setLevel(logging.INFO)
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    settings = ReceiveSettings(
        "AMT", LOOPBACK, port, PEERS, archive, quiet_seconds=float(quiet), keep_free_bytes=0, ask_seconds=5.0
    )
    work = WorkerSettings(str(folder / "receiver"), str(folder / "model"), device="cpu", backoff_seconds=(0.5, 0.5))
    receive(
        settings, work, send=lambda paths: send_objects(paths, archive, calling="AMT", retries=0),
        worker_command=WORKER, on_start=lambda at: print(at, flush=True),
    )  # fmt: skip


if __name__ == "__main__":
    main()
