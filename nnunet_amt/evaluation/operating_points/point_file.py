"""``operating_points.json``, which stands beside the checkpoint that its points were chosen for, and who applied one.

`read_point` is how every command comes to a point by its name; `points_of_predictions` tells which made label maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import read_record
from nnunet_amt.base.json_file import NUMBER, read_json
from nnunet_amt.base.run_record import file_sha256, input_path, newest_run
from nnunet_amt.errors import BadInputError, UnmatchedCasesError
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair, named_cases
from nnunet_amt.evaluation.operating_points.figures import FIGURES, PointFigures
from nnunet_amt.evaluation.operating_points.point import OperatingPoint, apply_point
from nnunet_amt.evaluation.summary.summary import MetricSummary
from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.mask_file import orientation, read_geometry
from nnunet_amt.images.probability_file import FOLDER, RECORDS, probability_file, read_probabilities

POINTS_FILE = "operating_points.json"
SCHEMA_VERSION = 1
_ADVICE = "make it again with: nnunet_amt calibrate"
_NUMBER = (*NUMBER, None)
_METRIC = {"mean": _NUMBER, "sd": _NUMBER, "ci95": ([NUMBER], None), "n": int}
_POINT = {
    "candidate_level": int,
    "score": str,
    "score_threshold": NUMBER,
    "minimum_cm3": NUMBER,
    "connectivity": int,
    "tuning": dict.fromkeys(FIGURES, _METRIC),
}
_CONTENT = {
    "schema_version": int,
    "model": {"checkpoint": str, "sha256": str},
    "tuning_cases": int,
    "points": {str: _POINT},
    "not_reached": {str: str},
}


@dataclass(frozen=True, eq=False)
class TunedPoint:
    """A point, and what it reached on the cases that it was chosen on."""

    point: OperatingPoint
    tuning: PointFigures
    tuning_cases: int


def point_json(point: OperatingPoint, tuning: PointFigures) -> dict[str, Any]:
    """Give what the file holds of a point, but for its name."""
    values = {name: value for name, value in asdict(point).items() if name != "name"}
    threshold = {"candidate_threshold": round(point.candidate_level / 255, 4)}  # for readers; the level is what counts
    return {**threshold, **values, "tuning": figures_json(tuning)}


def figures_json(figures: PointFigures) -> dict[str, Any]:
    """Give figures as a file holds them."""
    return {name: {"mean": one.mean, "sd": one.sd, "ci95": one.ci95, "n": one.n} for name, one in figures.items()}


def read_point(checkpoint: Path, name: str, *, sha256: str | None = None) -> TunedPoint:
    """Read one of a model's points.

    Parameters
    ----------
    checkpoint
        The model's; the file stands beside it.
    name
        Of the point.
    sha256
        Of the checkpoint, where it is known already.

    Raises
    ------
    BadInputError
        If there is no such file, it was made for another checkpoint, it is damaged, or has no point of this name.
    """
    path, option = checkpoint.parent / POINTS_FILE, f"--operating-point {name}"
    if not path.is_file():
        raise BadInputError(f"{option}: the model has no points ({path} is missing); make them: nnunet_amt calibrate")
    content = read_json(path, form=_CONTENT, advice=_ADVICE)
    if content["schema_version"] != SCHEMA_VERSION:
        raise BadInputError(f"{path}: is of version {content['schema_version']}, not {SCHEMA_VERSION}; {_ADVICE}")
    there = ", ".join(sorted(content["points"])) or "none"
    made_for, digest = content["model"], sha256 or file_sha256(checkpoint) or ""
    if made_for["sha256"] != digest:
        raise BadInputError(
            f"{option}: the points in {path} ({there}) were made for {made_for['checkpoint']} {made_for['sha256'][:12]}"
            f", not for {checkpoint.name} {digest[:12]}; {_ADVICE}"
        )
    if name not in content["points"]:
        why = content["not_reached"].get(name)
        raise BadInputError(f"{option}: {f'{why}; ' if why else ''}the points of this model are: {there}")
    entry = content["points"][name]
    try:
        point = OperatingPoint(name, *(entry[key] for key in _POINT if key != "tuning"))
        return TunedPoint(point, _figures(entry["tuning"]), content["tuning_cases"])
    except ValueError as error:
        raise BadInputError(f"{path}: is damaged ({error}); {_ADVICE}") from error


def _figures(content: Mapping[str, Any]) -> PointFigures:
    return {
        name: MetricSummary(one["mean"], one["sd"], _interval(one["ci95"]), one["n"])
        for name, one in content.items()
        if name in FIGURES
    }


def _interval(bounds: Sequence[float] | None) -> tuple[float, float] | None:
    if bounds is None:
        return None
    low, high = bounds  # a ValueError otherwise
    return low, high


def point_of_predictions(predictions: Path) -> dict[str, str]:
    """Give the `point_record` of what made the label maps of a folder; empty for the argmax, or where none is kept.

    Raises
    ------
    BadInputError
        If they are of two points.
    """
    paths = sorted((predictions / RECORDS).glob("*.json"))
    records = (read_record(path) for path in paths if (predictions / f"{path.stem}.nii.gz").is_file())
    made_by = {(str(one.get("name", "")), str(one.get("digest", ""))): one for one in map(_point_in, records)}
    if len(made_by) > 1:
        names = ", ".join(name or "argmax" for name, _ in sorted(made_by))
        raise BadInputError(
            f"{predictions}: its label maps are of several operating points ({names}); run nnunet_amt predict on it "
            "again with the one that is meant"
        )
    return next(iter(made_by.values()), {})


def point_record(point: OperatingPoint) -> dict[str, str]:
    """Give what the record of a label map holds of the point that made it."""
    return {"name": point.name, "digest": point.digest}


def _point_in(record: Mapping[str, Any]) -> dict[str, Any]:
    point = record.get("operating_point")
    return {key: str(point.get(key, "")) for key in ("name", "digest")} if isinstance(point, dict) else {}


def point_for_predictions(predictions: Path, name: str) -> TunedPoint:
    """Read a point of the model that made the probabilities of a folder, which the folder's record names.

    Raises
    ------
    BadInputError
        If the record or the model is not there, and as `read_point`.
    """
    option = f"--operating-point {name}"
    run = newest_run(predictions, "predict")
    if run is None:
        raise BadInputError(
            f"{option}: {predictions} has no record of the model that made it; predict with: nnunet_amt predict "
            "--probabilities"
        )
    checkpoint = input_path(predictions, run, "checkpoint")
    if checkpoint is None:
        told = run["inputs"].get("checkpoint", {}).get("path") or "not told"
        raise BadInputError(
            f"{option}: the checkpoint that made {predictions} is not where its record says ({told}), nor are its "
            f"points; put the model's folder back, with {POINTS_FILE} beside the checkpoint"
        )
    return read_point(checkpoint, name, sha256=run["inputs"]["checkpoint"].get("sha256"))


@dataclass(frozen=True)
class _MaskOfPoint:
    """Makes the mask of a point from the probabilities of a label map; it can be sent to another process."""

    label_map: Path
    probabilities: Path
    point: OperatingPoint

    def __call__(self) -> Foreground:
        grid = read_geometry(self.label_map)
        spacing, axes = orientation(grid)
        labels = apply_point(read_probabilities(self.probabilities, grid), spacing, self.point)
        return Foreground.of(labels, spacing, axes)


def at_point(pairs: Sequence[LabelMapPair], predictions: Path, point: OperatingPoint) -> tuple[LabelMapPair, ...]:
    """Take in place of each label map what a point makes of the probabilities that were saved with it.

    Raises
    ------
    UnmatchedCasesError
        If a case has none.
    """
    found = {pair.case_id: probability_file(predictions, pair.case_id).absolute() for pair in pairs}
    missing = [pair.case_id for pair in pairs if pair.prediction is not None and not found[pair.case_id].is_file()]
    if missing:
        raise UnmatchedCasesError(
            f"--operating-point {point.name}: no saved probabilities for {named_cases(missing)} in "
            f"{predictions / FOLDER}; predict with: nnunet_amt predict --operating-point {point.name}"
        )
    return tuple(
        pair
        if pair.prediction is None
        else replace(pair, read_prediction=_MaskOfPoint(pair.prediction.absolute(), found[pair.case_id], point))
        for pair in pairs
    )
