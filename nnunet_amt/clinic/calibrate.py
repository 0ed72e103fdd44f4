"""Choose a model's operating points on its tuning cases, and say how wide the dial is and what probabilities mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt import __version__
from nnunet_amt.base.files import write_json
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, file_sha256, recorded_run
from nnunet_amt.clinic.tuning_cases import (
    ModelToCalibrate,
    predict_tuning_cases,
    require_not_external,
    tuning_cases,
)
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.case import evaluate_case
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair, check_headers, for_each_pair, read_mask_pair
from nnunet_amt.evaluation.operating_points.dial import (
    LARGEST_VOLUME_BIAS,
    CaseOutcomes,
    DialOutcomes,
    case_outcomes,
    choose_points,
    dial_width,
)
from nnunet_amt.evaluation.operating_points.figures import (
    FIGURES,
    POINT_IOU,
    PointFigures,
    figure_text,
    point_figures,
)
from nnunet_amt.evaluation.operating_points.point import ARGMAX, OperatingPoint
from nnunet_amt.evaluation.operating_points.point_file import (
    POINTS_FILE,
    SCHEMA_VERSION,
    at_point,
    figures_json,
    point_json,
)
from nnunet_amt.evaluation.operating_points.reliability import (
    RELIABILITY_FIGURE,
    level_histogram,
    reliability,
    reliability_figure,
    stuck_voxels,
)
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.clusters import clusters_of
from nnunet_amt.evaluation.summary.cohort_groups import read_cohort_rows
from nnunet_amt.evaluation.summary.summary import summarise
from nnunet_amt.images.mask_file import read_geometry
from nnunet_amt.images.probability_file import probability_file, read_probabilities
from nnunet_amt.writing.figure_style import save_figure
from nnunet_amt.writing.numbers import counted, interval_text, value_text
from nnunet_amt.writing.table import Row, Table


@dataclass(frozen=True)
class Calibrated:
    """What was written, the points' names, what each reached on the tuning cases, and what else to know."""

    files: tuple[Path, ...]
    points: tuple[str, ...]
    table: Table
    sentences: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _CaseOnDial:
    """What is counted in one tuning case."""

    outcomes: CaseOutcomes
    histogram: NDArray[np.int64]  # see `level_histogram`


def calibrate(
    model: ModelToCalibrate,
    *,
    most_fp_per_scan: float = 1.0,
    seed: int = 711,
    ci_always: bool = False,
    device: str = "auto",
    jobs: int = 1,
    progress: Progress = silent,
) -> Calibrated:
    """Write ``operating_points.json`` and ``reliability.png`` beside a checkpoint; run again, the network is not.

    Parameters
    ----------
    model
        See `model_of_dataset` and `model_of_study`.
    most_fp_per_scan
        False positives per scan at IoU > 0.1 that the point ``screening`` may have.
    seed, ci_always
        Of the bootstrap, see `EvaluationSettings`.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    jobs
        Cases that are read at the same time.

    Raises
    ------
    BadInputError
        If there are no tuning cases, one is in the external test set, none has a tumour, or a file cannot be used.
    WorkFailedError, DiskFullError
        If the network fails, or the disk fills up.
    """
    if not (math.isfinite(most_fp_per_scan) and most_fp_per_scan >= 0):
        raise BadInputError(f"--fp-per-scan {most_fp_per_scan:g}: must be a number, 0 or more")
    cases = tuning_cases(model)
    require_not_external(model.raw, cases, jobs=jobs, progress=progress)
    patients = _patients(model.raw / "cohort.csv", cases)
    drawn = "case" if patients is None else "patient"
    settings = EvaluationSettings(seed=seed, ci_always=ci_always, cluster=drawn)  # type: ignore[arg-type]
    inputs: dict[str, Path | RunInput] = {
        "checkpoint": model.checkpoint,
        "references": RunInput(model.raw / "labelsTr", "names_and_sizes"),
    }
    asked = {"most_fp_per_scan": most_fp_per_scan, "ci_always": ci_always}
    with recorded_run(
        model.checkpoint.parent,
        "calibrate",
        settings=asked,
        seed=seed,
        inputs=inputs,
        outputs=(POINTS_FILE, f"{RELIABILITY_FIGURE}.png", f"{RELIABILITY_FIGURE}.svg"),
    ) as notes:
        predict_tuning_cases(model, cases, device=device, jobs=jobs, progress=progress)
        pairs = _pairs(model, cases, progress)
        found = _on_dial(pairs, model, settings, jobs=jobs, progress=progress)
        dial = DialOutcomes.of([one.outcomes for one in found])
        points, missing = choose_points(dial, most_fp_per_scan=most_fp_per_scan)
        figures = {
            point.name: _figures(pairs, model, point, settings, patients, jobs=jobs, progress=progress)
            for point in (ARGMAX, *points.values())
        }
        histograms = np.array([one.histogram for one in found])
        content = {
            **_about(model, cases, drawn, settings, most_fp_per_scan, dial),
            "points": {name: point_json(point, figures[name]) for name, point in points.items()},
            "not_reached": missing,
            "argmax": {"tuning": figures_json(figures[ARGMAX.name])},
            "dial": {**dial_width(dial), "stuck_voxels": stuck_voxels(histograms.sum(axis=0))},
            "reliability": reliability(histograms, [(patients or {}).get(case, case) for case in cases]),
        }
        write_json(model.checkpoint.parent / POINTS_FILE, content)
        save_figure(reliability_figure(content["reliability"]), model.checkpoint.parent, RELIABILITY_FIGURE)
        notes.counts |= {"cases": len(cases), "points": len(points)}
    table = _table(points, figures, len(cases))
    described = tuple(f"{name}: {point.described}" for name, point in points.items())
    files = (model.checkpoint.parent / POINTS_FILE, model.checkpoint.parent / f"{RELIABILITY_FIGURE}.png")
    return Calibrated(files, tuple(points), table, (*described, *_sentences(content)))


def _patients(cohort: Path, cases: Sequence[str]) -> Mapping[str, str] | None:
    """Give the patient of each case; None where the cohort file, if there is one, does not tell patients."""
    if not cohort.is_file():
        return None
    rows = read_cohort_rows(cohort, case_ids=cases)
    if not any("patient" in row or "patient_id" in row for row in rows.values()):
        return None
    return clusters_of(rows, cluster="patient")


def _pairs(model: ModelToCalibrate, cases: Sequence[str], progress: Progress) -> tuple[LabelMapPair, ...]:
    references = {case: model.raw / "labelsTr" / f"{case}.nii.gz" for case in cases}
    if missing := [case for case, path in references.items() if not path.is_file()]:
        raise BadInputError(
            f"{model.raw / 'labelsTr'}: tuning case {missing[0]} has no label map; convert the cohort again"
        )
    pairs = tuple(LabelMapPair(case, model.predictions / f"{case}.nii.gz", references[case]) for case in cases)
    check_headers(pairs, progress=progress)
    return pairs


def _on_dial(
    pairs: Sequence[LabelMapPair],
    model: ModelToCalibrate,
    settings: EvaluationSettings,
    *,
    jobs: int,
    progress: Progress,
) -> tuple[_CaseOnDial, ...]:
    """Try the dial on every case; refuse a tuning set without a tumour."""

    def work(pair: LabelMapPair) -> _CaseOnDial:
        reference = read_mask_pair(pair).reference
        levels = read_probabilities(probability_file(model.predictions, pair.case_id), read_geometry(pair.reference))
        outcomes = case_outcomes(levels, reference, settings=settings)
        return _CaseOnDial(outcomes, level_histogram(levels, reference))

    found = for_each_pair(work, pairs, jobs=jobs, progress=progress, what="trying the dial")
    if not any(one.outcomes.references for one in found):
        raise BadInputError(
            f"{model.raw / 'labelsTr'}: none of {counted(len(pairs), 'tuning case')} has a tumour, so no point can be "
            "chosen; convert a cohort with tumours in its tuning cases"
        )
    return found


def _figures(
    pairs: Sequence[LabelMapPair],
    model: ModelToCalibrate,
    point: OperatingPoint,
    settings: EvaluationSettings,
    patients: Mapping[str, str] | None,
    *,
    jobs: int,
    progress: Progress,
) -> PointFigures:
    """Evaluate the tuning cases at a point, as `evaluate` evaluates others."""
    cases = for_each_pair(
        lambda pair: evaluate_case(pair, settings=settings), at_point(pairs, model.predictions, point), jobs=jobs,
        progress=progress, what=f"evaluating: {point.name}",
    )  # fmt: skip
    overall = summarise(cases, settings=settings, clusters=patients)
    return point_figures(cases, overall, settings=settings, clusters=patients)


def _about(
    model: ModelToCalibrate,
    cases: Sequence[str],
    drawn: str,
    settings: EvaluationSettings,
    most_fp_per_scan: float,
    dial: DialOutcomes,
) -> dict[str, Any]:
    """Say for which model, on which cases and by which rules the points were chosen."""
    return {
        "schema_version": SCHEMA_VERSION,
        "software": {"name": "nnunet_amt", "version": __version__},
        "research_use_only": True,
        "model": {"checkpoint": model.checkpoint.name, "sha256": file_sha256(model.checkpoint)},
        "dataset": model.raw.name,
        "tuning_cases": len(cases),
        "tuning_lesions": dial.references,
        "rules": {
            "iou_threshold": POINT_IOU,
            "most_fp_per_scan": most_fp_per_scan,
            "largest_volume_bias": LARGEST_VOLUME_BIAS,
            "minimum_predicted_voxels": settings.minimum_predicted_voxels,
        },
        "intervals": {"drawn": drawn, "resamples": settings.bootstrap_resamples, "seed": settings.seed},
    }


def _table(points: Mapping[str, OperatingPoint], figures: Mapping[str, PointFigures], cases: int) -> Table:
    rows = tuple(
        Row(name, tuple(figure_text(key, figures[name][key]) for key in FIGURES)) for name in (ARGMAX.name, *points)
    )
    notes = (
        "These are the cases that the points were chosen on, so the figures are too good; evaluate --operating-point "
        "shows those of other cases beside them.",
    )
    return Table(f"Operating points on {counted(cases, 'tuning case')}", "Point", tuple(FIGURES.values()), rows, notes)


def _sentences(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what the file holds besides the points."""
    dial, told = content["dial"], content["reliability"]
    alone, stuck = dial["candidate_threshold_alone"], dial["stuck_voxels"]
    before, after = (None if told[when] is None else told[when]["ece"] for when in ("before", "after"))
    at_1 = "none" if stuck["at_1"] is None else f"{stuck['at_1']:.0%}"
    return (
        *(f"no point {name}: {reason}" for name, reason in content["not_reached"].items()),
        f"the dial: {dial['distinct_points']} different points in {dial['settings']} settings, sensitivity "
        f"{interval_text(dial['sensitivity'], digits=2)}, FP per scan {interval_text(dial['fp_per_scan'], digits=2)}",
        f"the candidate threshold alone: {alone['distinct_points']} in {alone['settings']}, sensitivity "
        f"{interval_text(alone['sensitivity'], digits=2)}, FP per scan {interval_text(alone['fp_per_scan'], digits=2)}",
        f"stuck: {stuck['at_0']:.1%} of all voxels are under 0.01; of the others {at_1} at 1; of the tumour "
        f"{0 if stuck['tumour_at_0'] is None else stuck['tumour_at_0']:.1%} is under 0.01, which no threshold finds",
        f"calibration error (ECE) of voxels of 0.01 and more: {value_text(before)}; {value_text(after)} after scaling "
        f"by a temperature ({value_text(told['temperature'], digits=2)} on all), {told['cross_validation']}",
        *(() if content["intervals"]["drawn"] == "patient" else ("no patients are told: each case counts as one",)),
    )
