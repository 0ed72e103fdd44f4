"""The commands that speak to a hospital's archive."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnunet_amt.cli.console import err, one_line_errors, out, printable, progress_bars
from nnunet_amt.errors import BadInputError

if TYPE_CHECKING:
    from nnunet_amt.clinic.pacs.address import DicomAddress, TlsFiles
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
