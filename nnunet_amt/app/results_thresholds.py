"""The page of the operating point: a case whose outline and counts move with the threshold of probability."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nnunet_amt.app.language import language_of, texts
from nnunet_amt.app.pages import opened_folder, render, told
from nnunet_amt.app.results_view import find_results
from nnunet_amt.app.studies import study_of
from nnunet_amt.errors import AMTError
from nnunet_amt.evaluation.results.read_results import EvaluatedCase, read_cases, worst_first
from nnunet_amt.evaluation.results.summary_json import read_summary
from nnunet_amt.images.probability_file import probability_file
from nnunet_amt.report.other_thresholds import (
    USUAL_STEP,
    CaseAtThresholds,
    case_at_thresholds,
    cases_with_probabilities,
)
from nnunet_amt.report.viewer.dial import THRESHOLDS
from nnunet_amt.study import Study


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
    problem, case = "", None
    try:
        case = _read(folder, opened, case_id, _stamp(study, case_id))
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
    Route("/studies/{name}/results/thresholds", _thresholds),
    Route("/studies/{name}/results/thresholds/{case}/{step:int}.png", _picture),
]
