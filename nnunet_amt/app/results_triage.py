"""The worklist of findings: predicted lesions without a partner, decisions on them, and what these change."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from nnunet_amt.app.jobs import job_store
from nnunet_amt.app.language import Texts, language_of, texts
from nnunet_amt.app.pages import opened_folder, render, told
from nnunet_amt.app.results_jobs import start_once, work_of
from nnunet_amt.app.results_view import read_results
from nnunet_amt.app.studies import study_of
from nnunet_amt.base.files import write_csv
from nnunet_amt.errors import AMTError
from nnunet_amt.evaluation.measure.lesions import TABLE_THRESHOLDS, threshold_index
from nnunet_amt.evaluation.results.read_results import read_cases, worst_first
from nnunet_amt.evaluation.results.summary_json import read_summary
from nnunet_amt.evaluation.summary.triage import DECISIONS, TRIAGE_COLUMNS, Verdict, read_triage
from nnunet_amt.report.study_content import TRIAGED, StudyContent
from nnunet_amt.study.settings import PAGE_NAME
from nnunet_amt.writing.numbers import value_text

JOB_KIND = "triage"
DECISIONS_FILE = Path("triage", "decisions.csv")  # of a study
_MOST_FIELDS = 20_000
_LONGEST_NOTE = 500
Key = tuple[str, int]


@dataclass(frozen=True)
class Finding:
    """A predicted lesion without a partner at IoU > 0.1, and what a reader decided on it.

    Attributes
    ----------
    lesion, voxels
        Its number in ``lesions.csv``, and its size.
    overlaps
        Whether it shares voxels with the reference.
    """

    case_id: str
    lesion: int
    voxels: int
    volume_cm3: float
    overlaps: bool
    decision: str = "undecided"
    note: str = ""

    @property
    def key(self) -> Key:
        """What it is told from others by."""
        return self.case_id, self.lesion


@dataclass(frozen=True)
class Counted:
    """What decisions changed when they were counted.

    Attributes
    ----------
    accepted, dismissed, undecided
        How many findings.
    rates
        IoU threshold, false positives per scan without and with the decisions, as texts.
    is_fresh
        Whether it is of the decisions, and of the results, as they are.
    """

    accepted: int
    dismissed: int
    undecided: int
    rates: tuple[tuple[str, str, str], ...]
    is_fresh: bool


def findings_of(content: StudyContent) -> tuple[Finding, ...]:
    """List what a reader is asked about, in the cases of lowest Dice first, with the decisions that were kept.

    Raises
    ------
    BadInputError
        If the file of decisions is damaged.
    """
    kept = _kept(content.study.folder / DECISIONS_FILE)
    cases = read_cases(content.study.evaluation.path, false_positives="unmatched")
    found = (
        Finding(case.case_id, one.lesion, one.voxels, one.volume_cm3, one.overlaps)
        for case in sorted(cases, key=worst_first)
        for one in case.false_positives
    )
    return tuple(_decided(finding, kept) for finding in found)


def counted_of(content: StudyContent) -> Counted | None:
    """Read what the decisions changed when they were counted last; None if they never were.

    Raises
    ------
    BadInputError
        If those results are damaged.
    """
    folder = content.study.folder
    place = triaged_folder(folder)
    if not (place / "summary.json").is_file():
        return None
    overall = read_summary(place).overall
    triage = overall.triage
    if triage is None:
        return None
    at = [threshold_index(threshold) for threshold in TABLE_THRESHOLDS]
    decisions = folder / DECISIONS_FILE
    same_decisions = decisions.is_file() and sha256(decisions.read_bytes()).hexdigest() == triage.sha256
    same_results = triage.fp_without_triage == tuple(content.summary.overall.lesion.fp[i] for i in at)
    rates = tuple(
        (f"{threshold:g}", value_text(before, digits=2), value_text(overall.lesion.fp_per_scan[i].mean, digits=2))
        for threshold, before, i in zip(TABLE_THRESHOLDS, triage.fp_per_scan_without_triage, at, strict=True)
    )
    return Counted(triage.accepted, triage.dismissed, triage.undecided, rates, same_decisions and same_results)


def triaged_folder(folder: Path) -> Path:
    """Give the folder of the evaluation that decisions are counted in."""
    return folder / f"evaluation{TRIAGED}"


def count_command(content: StudyContent) -> tuple[str, ...] | None:
    """Write the command that counts the decisions; None where the label maps are not found."""
    folder = content.study.folder
    if content.study.evaluation.predictions is None or content.study.evaluation.references is None:
        return None
    words = content.evaluate_words("--triage", folder / DECISIONS_FILE, output=triaged_folder(folder))
    return ("nnunet_amt", *(str(word.resolve()) if isinstance(word, Path) else word for word in words))


def save_decisions(folder: Path, findings: Sequence[Finding]) -> None:
    """Write the decisions as ``evaluate --triage`` reads them."""
    rows = ((one.case_id, one.lesion, one.voxels, one.decision, one.note) for one in findings)
    write_csv(folder / DECISIONS_FILE, TRIAGE_COLUMNS, rows)


def _kept(path: Path) -> Mapping[Key, Verdict]:
    """Read decisions; none where nothing was decided."""
    return read_triage(path).verdicts if path.is_file() else {}


def _decided(finding: Finding, kept: Mapping[Key, Verdict]) -> Finding:
    """Give a finding with what was decided on it, unless that was on one of another size."""
    verdict = kept.get(finding.key)
    if verdict is None or verdict.voxels != finding.voxels:
        return finding
    return replace(finding, decision=verdict.decision, note=verdict.note)


def _page(request: Request, content: StudyContent, *, problem: str = "", saved: bool = False) -> Response:
    folder = content.study.folder
    t = texts(language_of(request))
    findings: tuple[Finding, ...] = ()
    counted, command = None, count_command(content)
    try:
        findings, counted = findings_of(content), counted_of(content)
    except AMTError as error:
        problem = problem or told(request, error)
    return render(
        request,
        "triage.html.j2",
        status_code=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
        study=folder.name,
        findings=findings,
        decisions=DECISIONS,
        longest=_LONGEST_NOTE,
        counted=counted,
        command=None if command is None else shlex.join(command),
        work=work_of(job_store(opened_folder(request)), folder.name, JOB_KIND, t),
        begun=(folder / DECISIONS_FILE).is_file(),
        report=(folder / PAGE_NAME).is_file(),
        problem=problem,
        saved=saved,
    )


def _content(request: Request) -> StudyContent:
    return read_results(study_of(request), opened_folder(request))


def _triage(request: Request) -> Response:
    return _page(request, _content(request), saved="saved" in request.query_params)


async def _save(request: Request) -> Response:
    """Keep the decisions of the form."""
    form = await request.form(max_fields=_MOST_FIELDS)

    def saved() -> Response:
        content = _content(request)
        save_decisions(content.study.folder, [_as_sent(one, form) for one in findings_of(content)])
        return _back(content, "?saved")

    return await run_in_threadpool(saved)


def _as_sent(finding: Finding, form: Mapping[str, Any]) -> Finding:
    name = f"{finding.case_id}/{finding.lesion}"
    decision = str(form.get(f"decision-{name}", finding.decision))
    note = " ".join(str(form.get(f"note-{name}", finding.note)).split())[:_LONGEST_NOTE]
    return replace(finding, decision=decision if decision in DECISIONS else finding.decision, note=note)


async def _send(request: Request) -> Response:
    """Take the decisions that a reader saved from the report."""
    form = await request.form(max_files=1, max_fields=5)
    upload = form.get("decisions")
    sent = await upload.read() if isinstance(upload, UploadFile) else b""

    def taken() -> Response:
        content, t = _content(request), texts(language_of(request))
        try:
            findings = _as_in_file(sent, findings_of(content), t)
        except AMTError as error:
            return _page(request, content, problem=told(request, error))
        if isinstance(findings, str):
            return _page(request, content, problem=findings)
        save_decisions(content.study.folder, findings)
        return _back(content, "?saved")

    return await run_in_threadpool(taken)


def _as_in_file(sent: bytes, findings: Sequence[Finding], t: Texts) -> list[Finding] | str:
    """Give the findings with the decisions of a file; or why they are not of these findings."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / DECISIONS_FILE.name
        path.write_bytes(sent)
        try:
            kept = _kept(path)
        except AMTError as error:
            raise type(error)(str(error).replace(f"{scratch}/", "")) from error
    voxels = {finding.key: finding.voxels for finding in findings}
    if any(voxels.get(key) != verdict.voxels for key, verdict in kept.items()):
        return t("triage.other_predictions")
    return [_decided(finding, kept) for finding in findings]


def _count(request: Request) -> Response:
    """Evaluate once more with the decisions, into a folder of its own."""
    content, t = _content(request), texts(language_of(request))
    command = count_command(content)
    if command is None or not (content.study.folder / DECISIONS_FILE).is_file():
        return _page(request, content, problem=t("triage.cannot_count"))
    problem = start_once(request, JOB_KIND, command, content.study.folder.name)
    return _page(request, content, problem=problem) if problem else _back(content, "#counted")


def _back(content: StudyContent, rest: str) -> Response:
    return RedirectResponse(f"/studies/{quote(content.study.folder.name)}/results/triage{rest}", HTTPStatus.SEE_OTHER)


routes = [
    Route("/studies/{name}/results/triage", _triage, methods=["GET"]),
    Route("/studies/{name}/results/triage", _save, methods=["POST"]),
    Route("/studies/{name}/results/triage/file", _send, methods=["POST"]),
    Route("/studies/{name}/results/triage/count", _count, methods=["POST"]),
]
