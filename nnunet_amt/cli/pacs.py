"""The commands that speak to a hospital's archive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnunet_amt.cli.console import err, one_line_errors, out, printable, progress_bars, show_next, show_written
from nnunet_amt.errors import BadInputError

if TYPE_CHECKING:
    from nnunet_amt.clinic.pacs.address import DicomAddress, TlsFiles
    from nnunet_amt.clinic.pacs.found_series import Archive, FoundSeries
    from nnunet_amt.clinic.pacs.web import WebAddress

_MOST_SHOWN = 20

Dicomweb = Annotated[
    str | None,
    typer.Option("--dicomweb", metavar="URL", help="In its place: a DICOMweb service, https://HOST/PATH."),
]
Calling = Annotated[str, typer.Option("--calling", metavar="AET", help="Our AE title, which the archive must know.")]
TlsCa = Annotated[
    Path | None,
    typer.Option("--tls-ca", metavar="FILE", help="TLS: certificates that the archive's is signed by, PEM."),
]
TlsCert = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="FILE", help="TLS: our certificate, where it is asked for, PEM.")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="TLS: the key of our certificate, PEM.")]
CredentialsFile = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        metavar="FILE",
        help="DICOMweb: a line user:password or Bearer TOKEN, mode 600.",
        show_default="NNUNET_AMT_DICOMWEB_USER, _PASSWORD, _TOKEN in the environment",
    ),
]
AllowPlainHttp = Annotated[
    bool, typer.Option("--allow-plain-http", help="Send credentials to another machine without TLS.")
]
Retries = Annotated[
    int, typer.Option("--retries", min=0, max=20, metavar="N", help="How often what may pass is tried again.")
]


@one_line_errors
def send(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="DICOM files, or folders of them.")],
    to: Annotated[
        str | None, typer.Option("--to", metavar="AET@HOST:PORT", help="The archive, by DICOM (C-STORE).")
    ] = None,
    dicomweb: Dicomweb = None,
    calling: Calling = "NNUNET_AMT",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    credentials: CredentialsFile = None,
    allow_plain_http: AllowPlainHttp = False,
    ledger: Annotated[
        Path | None,
        typer.Option(
            "--ledger",
            metavar="FILE",
            help="What was acknowledged; it holds UIDs.",
            show_default="~/.local/state/nnunet_amt/sent.sqlite",
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Send what was acknowledged before too, also with other content.")
    ] = False,
    retries: Retries = 3,
) -> None:
    """Send DICOM files to an archive, by DICOM or DICOMweb. Research use only.

    What it acknowledges is remembered: the same command again sends only the rest. The exit code is 1 if anything was
    not acknowledged.
    """
    from nnunet_amt.clinic.pacs.send import SendOptions
    from nnunet_amt.clinic.pacs.send import send as send_files

    tls = _tls(tls_ca, tls_cert, tls_key)
    archive = _archive("--to", to, dicomweb, tls, credentials, allow_plain_http)
    options = SendOptions(_title(calling), tls, again, retries)
    with progress_bars() as progress:
        result = send_files(paths, archive, options=options, ledger=ledger, progress=progress)
    out.print(f"sent {len(result.sent)} now, {len(result.known)} before")
    if result.passed_over:
        out.print(f"passed over {result.passed_over} files that are no DICOM")
    _tell("warning: ", result.warnings, paths)
    _tell("not sent: ", result.failed, paths)
    if result.failed:
        out.print(f"{len(result.failed)} not sent; the same command again sends only these")
        raise typer.Exit(1)


def _tell(what: str, lines: Iterable[tuple[Path, str]], given: Iterable[Path]) -> None:
    """Say of files what became of them, without the names of files in folders, which may be a patient's."""
    from nnunet_amt.clinic.pacs.outgoing import shown_files

    lines = list(lines)
    shown = shown_files([path for path, _ in lines], list(given))
    for path, reason in lines[:_MOST_SHOWN]:
        err.print(printable(f"{what}{shown[path]}: {reason}"), markup=False)
    if len(lines) > _MOST_SHOWN:
        err.print(f"{what}and {len(lines) - _MOST_SHOWN} more", markup=False)


def _tls(ca: Path | None, cert: Path | None, key: Path | None) -> TlsFiles | None:
    from nnunet_amt.clinic.pacs.address import TlsFiles

    if ca is None:
        if cert is not None or key is not None:
            raise BadInputError("--tls-cert, --tls-key: go with --tls-ca, the certificates of the other side")
        return None
    return TlsFiles(ca, cert, key)


def _title(calling: str) -> str:
    from nnunet_amt.clinic.pacs.address import ae_title

    return ae_title(calling)


def _archive(
    option: str,
    dicom: str | None,
    dicomweb: str | None,
    tls: TlsFiles | None,
    credentials: Path | None,
    allow_plain: bool,
) -> DicomAddress | WebAddress:
    """Take the one address that is given."""
    from nnunet_amt.clinic.pacs.address import DicomAddress
    from nnunet_amt.clinic.pacs.credentials import find_credentials
    from nnunet_amt.clinic.pacs.web import WebAddress

    if (dicom is None) == (dicomweb is None):
        raise BadInputError(f"{option}, --dicomweb: give one of them, the archive")
    if dicomweb is not None:
        known = find_credentials(credentials)
        return WebAddress.checked(dicomweb, credentials=known, tls=tls, allow_plain=allow_plain)
    if credentials is not None:
        raise BadInputError(f"--credentials: are for --dicomweb; with {option} the AE titles and TLS say who we are")
    return DicomAddress.parse(dicom or "")


@one_line_errors
def fetch(
    from_: Annotated[
        str | None, typer.Option("--from", metavar="AET@HOST:PORT", help="The archive, by DICOM (C-FIND, C-GET).")
    ] = None,
    dicomweb: Dicomweb = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Where to, a folder a series.")
    ] = None,
    study: Annotated[
        list[str] | None, typer.Option("--study", metavar="UID", help="StudyInstanceUID; may be repeated.")
    ] = None,
    accession: Annotated[
        list[str] | None, typer.Option("--accession", metavar="NUMBER", help="Accession number; may be repeated.")
    ] = None,
    query: Annotated[
        list[str] | None,
        typer.Option(
            "--query",
            metavar="KEY=VALUE",
            help="Such as PatientID=12 or StudyDate=20260101-20260131; of several all must hold.",
        ),
    ] = None,
    listed: Annotated[
        Path | None,
        typer.Option(
            "--list",
            metavar="FILE",
            help="StudyInstanceUIDs or KEY=VALUE, one a line: what stands in a command stays in the shell's history.",
        ),
    ] = None,
    modality: Annotated[
        list[str] | None,
        typer.Option("--modality", metavar="CT|RTSTRUCT|SEG", help="Of the series; may be repeated; CT by default."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come, and fetch nothing.")] = False,
    show_identifiers: Annotated[
        bool, typer.Option("--show-identifiers", help="With --dry-run: who and which studies these are.")
    ] = False,
    move_to: Annotated[
        str | None,
        typer.Option(
            "--move-to",
            metavar="AET",
            help="C-MOVE in place of C-GET: our receiver, which the archive must know with this machine and --port.",
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, metavar="N", help="Port of our receiver, for --move-to.")
    ] = None,
    most_studies: Annotated[
        int, typer.Option("--most-studies", min=1, metavar="N", help="Refuse what finds more.")
    ] = 50,
    calling: Calling = "NNUNET_AMT",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    credentials: CredentialsFile = None,
    allow_plain_http: AllowPlainHttp = False,
    retries: Retries = 3,
) -> None:
    """Fetch series from an archive, by DICOM or DICOMweb, for segment or a table of cases. Research use only.

    Run again, only what is missing comes. The exit code is 1 if less came than the archive says it has, or a query
    found nothing.
    """
    from nnunet_amt.cli import options as shared
    from nnunet_amt.clinic.pacs.fetch import FetchOptions, find
    from nnunet_amt.clinic.pacs.fetch import fetch as fetch_series
    from nnunet_amt.clinic.pacs.wanted import MODALITIES, queries_of

    queries = queries_of(studies=study or [], accessions=accession or [], keys=query or [], listed=listed)
    for one in modality or []:
        shared.require_choice("--modality", one, MODALITIES)
    tls = _tls(tls_ca, tls_cert, tls_key)
    address = _archive("--from", from_, dicomweb, tls, credentials, allow_plain_http)
    archive = _source(address, calling, tls, move_to, port)
    asked = FetchOptions(tuple(dict.fromkeys(modality or ["CT"])), most_studies, retries)
    if dry_run:
        found, without = find(archive, queries, options=asked)
        _show_found(found, without, asked.modalities, show_identifiers)
        raise typer.Exit(1 if without else 0)
    if output is None:
        raise BadInputError("-o: is missing; give the folder for what comes, or --dry-run")
    with progress_bars() as progress:
        result = fetch_series(archive, queries, output, options=asked, progress=progress)
    new, received = (sum(getattr(one, name) for one in result.series) for name in ("new", "received"))
    out.print(f"{len(result.series)} series: {new} objects now, {received - new} before")
    if result.not_asked_for:
        err.print(f"warning: {result.not_asked_for} objects came that nobody had asked for; they were refused")
    for item in result.series:
        expected = item.series.expected
        if expected is None:
            err.print(f"warning: {item.series.name}: the archive does not say how many objects it has")
        if not item.is_complete:
            of = "" if expected is None else f" of {expected}"
            err.print(printable(f"incomplete: {item.series.name}: {item.received}{of}: {item.trouble}"), markup=False)
    _tell_without(result.without, asked.modalities)
    show_written([output, *result.files])
    if not all(one.is_complete for one in result.series):
        out.print("incomplete; the same command again fetches only the rest")
    if not result.is_complete:
        raise typer.Exit(1)
    show_next("nnunet_amt", "segment", output, "-o", "segmented")


def _source(
    address: DicomAddress | WebAddress, calling: str, tls: TlsFiles | None, move_to: str | None, port: int | None
) -> Archive:
    from nnunet_amt.clinic.pacs.address import DicomAddress
    from nnunet_amt.clinic.pacs.dicom_fetch import DicomArchive, MoveTo
    from nnunet_amt.clinic.pacs.web_fetch import WebArchive

    if (move_to is None) != (port is None):
        raise BadInputError("--move-to, --port: go together, the title and the port that the archive knows")
    if isinstance(address, DicomAddress):
        receiver = None if move_to is None or port is None else MoveTo(_title(move_to), port)
        return DicomArchive(address, _title(calling), tls, receiver)
    if move_to is not None:
        raise BadInputError("--move-to: is for --from; with --dicomweb objects come by WADO-RS")
    return WebArchive(address)


def _show_found(
    found: Sequence[FoundSeries], without: Sequence[int], modalities: Sequence[str], show_identifiers: bool
) -> None:
    """List the series that would come, a line each."""
    studies = len({one.study_uid for one in found})
    out.print(f"{studies} studies, {len(found)} series, {sum(one.expected or 0 for one in found)} objects")
    for one in found:
        count = "?" if one.expected is None else str(one.expected)
        out.print(f"  {one.name}: {count} objects")
        if show_identifiers:
            shown = ", ".join(f"{key} {value}" for key, value in one.identifiers.items() if value)
            out.print(printable(f"    {shown}, SeriesInstanceUID {one.series_uid}"), markup=False)
    _tell_without(without, modalities)


def _tell_without(numbers: Sequence[int], modalities: Sequence[str]) -> None:
    """Say which queries found nothing, in the order of --study, --accession, --query and --list."""
    if numbers:
        shown = ", ".join(map(str, numbers))
        kinds = " or ".join(modalities)
        err.print(f"found no {kinds}: number {shown} of what was asked for (--study, --accession, --query, --list)")
