"""To a hospital's archive and from it: results of a new patient sent, studies fetched, each by a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from nnunet_amt.app.jobs import APP_FOLDER, job_store
from nnunet_amt.app.language import language_of, texts
from nnunet_amt.app.pages import opened_folder, render, told
from nnunet_amt.app.patient_runs import new_folder, run_of
from nnunet_amt.base.files import read_record, write_json, write_text
from nnunet_amt.clinic.pacs.address import DicomAddress, ae_title
from nnunet_amt.errors import AMTError, BadInputError

FETCHED = "fetched"  # below the opened folder: what came, a folder each time
OUR_TITLE = "NNUNET_AMT"
_ADDRESS_FILE = "archive.json"
_LEDGER = "sent.sqlite"


@dataclass(frozen=True)
class Asked:
    """What the form holds, and what is wrong with it: field to message, shown at the field."""

    address: str = ""
    title: str = OUR_TITLE
    wanted: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)


def last_asked(opened: Path) -> Asked:
    """Fill the form with the archive that was spoken to last."""
    known = read_record(_place(opened) / _ADDRESS_FILE)
    return Asked(str(known.get("address", "")), str(known.get("title", OUR_TITLE)))


def send_command(results: Path, address: DicomAddress, title: str, *, opened: Path) -> tuple[str, ...]:
    """Write the command line that sends the DICOM objects of results; what was acknowledged is not sent again."""
    ledger = str(_place(opened) / _LEDGER)
    return (*("nnunet_amt", "send", str(results), "--to", str(address)), *("--calling", title, "--ledger", ledger))


def fetch_command(listed: Path, output: Path, address: DicomAddress, title: str) -> tuple[str, ...]:
    """Write the command line that fetches what a file lists: identifiers stand neither in the job nor in the log."""
    return (
        *("nnunet_amt", "fetch", "--from", str(address), "--list", str(listed), "-o", str(output)),
        *("--modality", "CT", "--modality", "RTSTRUCT", "--modality", "SEG", "--calling", title),
    )


def _archive(request: Request, asked: Asked | None = None) -> Response:
    """Show the form by which studies are fetched."""
    asked = asked or last_asked(opened_folder(request))
    status = HTTPStatus.BAD_REQUEST if asked.problems else HTTPStatus.OK
    return render(request, "archive.html.j2", status_code=status, asked=asked)


async def _fetch(request: Request) -> Response:
    form = await request.form(max_files=0, max_fields=10)
    return await run_in_threadpool(_fetched, request, form)


def _fetched(request: Request, form: FormData) -> Response:
    """Start fetching what is listed, or show the form with what is wrong with it."""
    opened, t = opened_folder(request), texts(language_of(request))
    wanted = str(form.get("wanted", "")).strip()
    problems = {} if wanted else {"wanted": t("archive.wanted_missing")}
    try:
        address, title = _archive_of(opened, form)
    except AMTError as error:
        problems["address"] = told(request, error)
    if not problems:
        output = new_folder(opened / FETCHED, datetime.now().astimezone())
        listed = _place(opened) / "lists" / f"{output.name}.txt"
        try:
            write_text(listed, _listed(wanted))
            command = fetch_command(listed, output, address, title)
            job = job_store(opened).submit("fetch", command, takes_device=False)
            return RedirectResponse(f"/jobs/{job.id}", HTTPStatus.SEE_OTHER)
        except AMTError as error:
            problems["address"] = told(request, error)
    asked = Asked(str(form.get("address", "")), str(form.get("title", "")), wanted, problems)
    return _archive(request, asked)


async def _send(request: Request) -> Response:
    form = await request.form(max_files=0, max_fields=10)
    return await run_in_threadpool(_sent, request, form)


def _sent(request: Request, form: FormData) -> Response:
    """Start sending the DICOM objects of a new patient's results."""
    opened = opened_folder(request)
    try:
        run = run_of(opened, request.path_params["id"])
    except BadInputError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error
    address, title = _archive_of(opened, form)
    command = send_command(run.results, address, title, opened=opened)
    job = job_store(opened).submit("send", command, takes_device=False)
    return RedirectResponse(f"/jobs/{job.id}", HTTPStatus.SEE_OTHER)


def _archive_of(opened: Path, form: FormData) -> tuple[DicomAddress, str]:
    """Take the archive and our title from a form, and keep them for the next."""
    address, title = DicomAddress.parse(str(form.get("address", ""))), ae_title(str(form.get("title", "")))
    write_json(_place(opened) / _ADDRESS_FILE, {"address": str(address), "title": title})
    return address, title


def _listed(wanted: str) -> str:
    """Write what was typed as ``fetch --list`` takes it: what is no UID is an accession number."""
    lines = (line.strip() for line in wanted.splitlines())
    keyed = (line if "=" in line or _is_uid(line) else f"AccessionNumber={line}" for line in lines if line)
    return "".join(f"{line}\n" for line in keyed)


def _is_uid(text: str) -> bool:
    return text.count(".") >= 2 and text.replace(".", "").isdecimal()


def _place(opened: Path) -> Path:
    return opened / APP_FOLDER


routes = [
    Route("/archive", _archive, methods=["GET"]),
    Route("/archive", _fetch, methods=["POST"]),
    Route("/patients/{id}/send", _send, methods=["POST"]),
]
