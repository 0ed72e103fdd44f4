"""The command of the receiver: a PACS sends, results come back."""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from nnunet_amt.cli import options
from nnunet_amt.cli.console import err, one_line_errors, out, printable
from nnunet_amt.errors import BadInputError, missing_extra

if TYPE_CHECKING:
    from nnunet_amt.clinic.pacs.address import DicomAddress, TlsFiles
    from nnunet_amt.clinic.pacs.return_results import Send

_TELL_UIDS = ("outgoing", "dicom_send")  # of these modules what is less than a warning
_PLACE = "Where the receiver keeps what came, its ledger and the results."


@one_line_errors
def receive(
    folder: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help=_PLACE)],
    model: Annotated[
        str,
        typer.Option("--model", metavar="FOLDER|N|ZIP", help="A study, a dataset's number, or a model or its zip."),
    ] = "711",
    aet: Annotated[str, typer.Option("--aet", metavar="AET", help="Our AE title, as peers call it.")] = "AMT",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port; 0 takes a free one.")] = 11112,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; another than this machine only as you need it.")
    ] = "127.0.0.1",
    peers: Annotated[
        Path | None, typer.Option("--peers", metavar="FILE.toml", help="Who may send; see docs/clinic.md.")
    ] = None,
    return_to: Annotated[
        str | None, typer.Option("--return-to", metavar="AET@HOST:PORT", help="The archive that results go to.")
    ] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--as", metavar="seg|rtstruct|sc|sr", help="What goes back; may be repeated.",
                     show_default="seg and sc"),
    ] = None,
    operating_point: options.OperatingPoint = None,
    fold: options.Fold = "0",
    trainer: Annotated[str | None, typer.Option(metavar="CLASS", help="Of a dataset's model.")] = None,
    checkpoint: Annotated[str | None, typer.Option(metavar="FILE", help="As for segment.")] = None,
    resample_tilt: Annotated[
        bool, typer.Option("--resample-tilt", help="Straighten series of a tilted gantry; DICOM is moved back.")
    ] = False,
    device: options.Device = "auto",
    quiet: Annotated[
        float, typer.Option("--quiet-seconds", min=1, metavar="S", help="A series is looked at after so long a pause.")
    ] = 60.0,
    ask: Annotated[
        bool, typer.Option("--ask/--no-ask", help="Ask the archive how many images a series has (C-FIND).")
    ] = True,
    retry: Annotated[
        list[float] | None,
        typer.Option("--retry-minutes", min=0, metavar="M", help="Pauses before a further try; may be repeated.",
                     show_default="1, 5, 25"),
    ] = None,
    keep_free: Annotated[
        float, typer.Option("--keep-free", min=0, metavar="GB", help="Room that stays free on the disk.")
    ] = 10.0,
    keep_days: Annotated[
        float | None, typer.Option("--keep-days", min=0, metavar="D", help="Then pixels go; the ledger stays.",
                                   show_default="for ever")
    ] = None,
    tls_ca: Annotated[Path | None, typer.Option("--tls-ca", metavar="FILE", help="Signs peers' certificates.")] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", metavar="FILE", help="Our certificate, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its key, PEM.")] = None,
    return_tls: Annotated[bool, typer.Option("--return-tls", help="Speak TLS with the archive too.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only list what came and what became of it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --status: as JSON.")] = False,
    again: Annotated[
        str | None, typer.Option("--again", metavar="STUDY|all", help="Only take again a study that was set aside.")
    ] = None,
) -> None:  # fmt: skip
    """Receive CTs from a PACS, segment those that are whole, and return the results, each once. Research use only.

    A series is worked on when nothing more came for a while, its slices form a regular grid, and the archive counts as
    many images. Ctrl-C or SIGTERM ends it; started again it goes on where it was.
    """
    if status or again is not None:
        _look(folder, as_json=as_json, again=again)
        return
    if missing := [name for name in ("pynetdicom", "pydicom", "highdicom") if importlib.util.find_spec(name) is None]:
        raise missing_extra(f"receiving ({missing[0]})", "pacs,dicom")
    if peers is None or return_to is None:
        lacking = "--peers" if peers is None else "--return-to"
        raise BadInputError(f"{lacking}: is missing; say who may send (--peers) and where results go (--return-to)")
    from nnunet_amt.clinic.pacs.address import DicomAddress, ae_title
    from nnunet_amt.clinic.pacs.peers import read_peers
    from nnunet_amt.clinic.pacs.receiver import ReceiveSettings
    from nnunet_amt.clinic.pacs.receiver import receive as run_receiver
    from nnunet_amt.clinic.pacs.worker_settings import WorkerSettings

    tls = _tls(tls_ca, tls_cert, tls_key, return_tls=return_tls)
    settings = ReceiveSettings(
        ae_title(aet), host, port, read_peers(peers), DicomAddress.parse(return_to), tls=tls, return_tls=return_tls,
        ask_archive=ask, quiet_seconds=quiet, keep_free_bytes=int(keep_free * 1e9), keep_days=keep_days,
    )  # fmt: skip
    work = WorkerSettings(
        str(folder.absolute()), _whole(model), fold=fold, trainer=trainer, checkpoint=checkpoint,
        operating_point=operating_point, device=device, kinds=_kinds(kinds), resample_tilt=resample_tilt,
        backoff_seconds=tuple(60.0 * minutes for minutes in retry or (1.0, 5.0, 25.0)),
    )  # fmt: skip
    _log_lines()
    send = _sender(settings.return_to, settings.ae_title, tls if return_tls else None)
    run_receiver(settings, work, send=send, on_start=lambda at: _show_start(settings.ae_title, host, at, folder))


def _look(folder: Path, *, as_json: bool, again: str | None) -> None:
    from nnunet_amt.clinic.pacs.ledger import Ledger
    from nnunet_amt.clinic.pacs.receive_status import read_status

    found = read_status(folder)
    if again is not None:
        count = Ledger(folder).again_all() if again == "all" else Ledger(folder).again(again)
        of = "" if again == "all" else f" of study {again}"
        out.print(f"taken again: {count} job{'' if count == 1 else 's'}{of}", markup=False)
        return
    if as_json:
        print(json.dumps([one.as_json() for one in found], indent=2))
        return
    table = Table()
    for title in ("study", "state", "images", "revision", "returned"):
        table.add_column(title, no_wrap=True)
    for one in found:
        back = datetime.fromisoformat(one.returned).astimezone().strftime("%Y-%m-%d %H:%M") if one.returned else ""
        revision = str(one.revision) if one.revision else ""
        table.add_row(one.study, one.state.replace("_", " "), str(one.objects), revision, back)
    out.print(table)
    for one in found:  # beside the table it would be a narrow column
        if one.note:
            out.print(printable(f"{one.study}: {one.note}"), markup=False)


def _kinds(kinds: Sequence[str] | None) -> Any:
    from nnunet_amt.clinic.case_objects import KINDS

    for kind in kinds or ():
        options.require_choice("--as", kind, KINDS)
    return tuple(dict.fromkeys(kinds or ("seg", "sc")))


def _whole(model: str) -> str:
    """Give a path as it holds in any folder, which the worker is started in; a dataset's number as it is."""
    from nnunet_amt.nnunet.environment import dataset_number

    return str(Path(model).absolute()) if dataset_number(model) is None else model


def _tls(ca: Path | None, cert: Path | None, key: Path | None, *, return_tls: bool) -> TlsFiles | None:
    from nnunet_amt.clinic.pacs.address import TlsFiles

    if ca is None:
        if cert is not None or key is not None or return_tls:
            raise BadInputError("--tls-ca: is missing; TLS needs --tls-ca, --tls-cert and --tls-key")
        return None
    return TlsFiles(ca, cert, key)


def _sender(to: DicomAddress, calling: str, tls: TlsFiles | None) -> Send:
    from nnunet_amt.clinic.pacs.dicom_send import send_objects

    def send(paths: Sequence[Path]) -> Any:
        return send_objects(paths, to, calling=calling, tls=tls)

    return send


def _log_lines() -> None:
    """Say what happens by marks, a line each with its time; what holds UIDs is shown with --verbose only."""
    from rich.logging import RichHandler

    from nnunet_amt.clinic.pacs.worker_settings import LOG_LINE

    root = logging.getLogger()
    is_verbose = root.getEffectiveLevel() <= logging.INFO
    for handler in [one for one in root.handlers if isinstance(one, RichHandler)]:  # it breaks lines, and has no time
        root.removeHandler(handler)
        lines = logging.StreamHandler(sys.stderr)
        lines.setFormatter(logging.Formatter(LOG_LINE))
        root.addHandler(lines)
    logging.getLogger("pynetdicom").setLevel(logging.INFO if is_verbose else logging.CRITICAL + 1)
    logging.getLogger("nnunet_amt.clinic.pacs").setLevel(logging.INFO)
    if not is_verbose:
        logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
        for name in _TELL_UIDS:
            logging.getLogger(f"nnunet_amt.clinic.pacs.{name}").setLevel(logging.WARNING)


def _show_start(title: str, host: str, port: int, folder: Path) -> None:
    out.print(f"{title} listens at {host}:{port}; Ctrl-C ends it, and nothing that was accepted is lost", markup=False)
    err.print(printable(f"see what became of what: nnunet_amt receive -o {folder} --status"), markup=False)
