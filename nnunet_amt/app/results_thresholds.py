"""The page of the operating point: a case whose outline and counts move with the threshold of probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nnunet_amt.app.aside import Aside
from nnunet_amt.app.language import language_of, texts
from nnunet_amt.app.pages import opened_folder, render, told
from nnunet_amt.app.results_view import find_results
from nnunet_amt.app.studies import study_of
from nnunet_amt.base.files import read_record
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import AMTError
from nnunet_amt.evaluation.operating_points.point_file import POINTS_FILE
from nnunet_amt.evaluation.results.read_results import EvaluatedCase, read_cases, worst_first
from nnunet_amt.evaluation.results.summary_json import read_summary
from nnunet_amt.images.probability_file import probability_file
from nnunet_amt.report.other_thresholds import (
    USUAL_STEP,
    CaseAtThresholds,
    case_at_thresholds,
    cases_with_probabilities,
    outcomes_of,
)
from nnunet_amt.report.viewer.dial import THRESHOLDS
from nnunet_amt.study import Study
from nnunet_amt.study.settings import StudyFolders, StudySettings

JOB_KIND = "calibrate"
_REACHED = ("sensitivity", "fp_per_scan")
_PATIENCE_SECONDS = 1.0  # with the counting of all cases, before a page tells how far it is
_counted: dict[Path, tuple[object, Aside[Pooled]]] = {}  # by study, with what its files were


@dataclass(frozen=True)
class ChosenPoint:
    """An operating point that was chosen on the tuning cases: its name, its threshold, and what it reached there."""

    name: str
    threshold: float
    sensitivity: float | None
    fp_per_scan: float | None


def calibrate_command(folder: Path) -> tuple[str, ...]:
    """Write the command that chooses a study's operating points on its tuning cases."""
    return ("nnunet_amt", "calibrate", "--study", str(folder))


def chosen_points(folder: Path, settings: StudySettings) -> tuple[ChosenPoint, ...]:
    """Read the points of a study's model; none where they are older than it, or damaged: they are chosen again then."""
    checkpoint = StudyFolders.of(folder, settings).fold_folder / settings.predict.checkpoint
    path = checkpoint.with_name(POINTS_FILE)
    try:
        if path.stat().st_mtime < checkpoint.stat().st_mtime:
            return ()
        points = read_record(path)["points"].items()
        return tuple(
            ChosenPoint(name, point["candidate_threshold"], *(point["tuning"][one]["mean"] for one in _REACHED))
            for name, point in points
        )
    except (OSError, KeyError, TypeError, AttributeError):
        return ()


def _thresholds(request: Request) -> Response:
    """Show a case at a threshold; ``?case=ID&step=N``, the case of lowest Dice at one half if not given."""
    folder, opened = study_of(request), opened_folder(request)
    t = texts(language_of(request))
    study = find_results(folder, opened)
    cases = _cases(study)
    if not cases:
        raise HTTPException(HTTPStatus.NOT_FOUND, t("thresholds.none", study=folder.name))
    ids = [case.case_id for case in cases]
    asked = request.query_params.get("case", "")
    case_id = asked if asked in ids else ids[0]
    step = _step(request.query_params.get("step", ""))
    problem, case, pooled = "", None, None
    work = _pooled(folder, study, cases)
    try:
        case = _read(folder, opened, case_id, _stamp(study, case_id))
        if work.is_over(seconds=_PATIENCE_SECONDS):
            pooled = work.outcome()
    except AMTError as error:
        problem = told(request, error)
    return render(
        request,
        "thresholds.html.j2",
        study=folder.name,
        cases=ids,
        case_id=case_id,
        step=step,
        case=case,
        pooled=pooled,
        work=work,
        is_over=work.is_over(),
        problem=problem,
        thresholds=THRESHOLDS,
        usual=USUAL_STEP,
    )


def _picture(request: Request) -> Response:
    """Draw a case at a threshold."""
    folder, opened = study_of(request), opened_folder(request)
    study, case_id = find_results(folder, opened), request.path_params["case"]
    step = request.path_params["step"]
    if step >= len(THRESHOLDS) or case_id not in {case.case_id for case in _cases(study)}:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    case = _read(folder, opened, case_id, _stamp(study, case_id))
    return Response(case.picture(step), media_type="image/png")


@dataclass(frozen=True)
class Pooled:
    """All cases with probabilities at each threshold: the sensitivity of lesions and the false positives a scan."""

    cases: int
    sensitivity: tuple[float | None, ...]
    fp_per_scan: tuple[float, ...]


def pooled_outcomes(study: Study, cases: Sequence[EvaluatedCase], *, progress: Progress = silent) -> Pooled:
    """Add the counts of cases up at each threshold; BadInputError if the files of one are others than those evaluated.

    Parameters
    ----------
    cases
        Those with probabilities.
    """
    settings = read_summary(study.evaluation.path).settings
    found, false = [0] * len(THRESHOLDS), [0] * len(THRESHOLDS)
    for number, case in enumerate(cases):
        progress(number, len(cases), "trying the thresholds")
        for step, one in enumerate(outcomes_of(study, case, settings=settings)):
            found[step] += one.found
            false[step] += one.false_positives
    references = sum(case.reference_lesions for case in cases)
    sensitivity = tuple(count / references if references else None for count in found)
    return Pooled(len(cases), sensitivity, tuple(count / len(cases) for count in false))


def _pooled(folder: Path, study: Study, cases: Sequence[EvaluatedCase]) -> Aside[Pooled]:
    """Give the counts of all cases, begun to be counted if the files are others than before."""
    stamp = tuple(_stamp(study, case.case_id) for case in cases)
    known = _counted.get(folder)
    if known is None or known[0] != stamp:
        known = stamp, Aside(lambda progress: pooled_outcomes(study, cases, progress=progress))
        _counted[folder] = known
    return known[1]


def _pooled_state(request: Request) -> Response:
    """Tell how far the counting of all cases is."""
    known = _counted.get(study_of(request))
    work = known[1] if known else None
    return render(request, "pooled.html.j2", work=work, is_over=work is None or work.is_over())


def _step(text: str) -> int:
    digits = text.isascii() and text.isdigit() and len(text) < 4
    return int(text) if digits and int(text) < len(THRESHOLDS) else USUAL_STEP


def _cases(study: Study) -> tuple[EvaluatedCase, ...]:
    cases = sorted(read_cases(study.evaluation.path), key=worst_first)
    return cases_with_probabilities(study, cases)


def _stamp(study: Study, case_id: str) -> tuple[int, ...]:
    """Tell the evaluation and the probabilities of now from others before."""
    assert study.evaluation.predictions is not None  # there are probabilities beside them
    paths = study.evaluation.path / "summary.json", probability_file(study.evaluation.predictions, case_id)
    return tuple(path.stat().st_mtime_ns for path in paths)


@lru_cache(maxsize=4)  # a case is some megabytes, and is asked for at every step of the slider
def _read(folder: Path, opened: Path, case_id: str, _stamp: tuple[int, ...]) -> CaseAtThresholds:
    study = find_results(folder, opened)
    case = next(case for case in read_cases(study.evaluation.path) if case.case_id == case_id)
    return case_at_thresholds(study, case, settings=read_summary(study.evaluation.path).settings)


routes = [
    Route("/studies/{name}/results/thresholds/pooled", _pooled_state),
    Route("/studies/{name}/results/thresholds", _thresholds),
    Route("/studies/{name}/results/thresholds/{case}/{step:int}.png", _picture),
]
