"""The scores of all models in one table, ``scores.csv``, with their thresholds beside it in ``models.json``.

A score is the probability of high risk. Every model writes its rows here, and every table and figure reads them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from nnunet_amt.base.files import files_together, read_rows, write_csv, write_json
from nnunet_amt.base.json_file import NUMBER, read_json
from nnunet_amt.errors import BadInputError
from nnunet_amt.statistics.roc import sensitivity_threshold, youden_threshold

SCORES_FILE = "scores.csv"
MODELS_FILE = "models.json"
SCHEMA_VERSION = 1
SENSITIVITY = 0.9  # of the second threshold
Kind = Literal["out_of_fold", "external", "training"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_COLUMNS = ("model", "kind", "fold", "case_id", "high", "score")
_AGAIN = "make these results again"
_ENTRY = {
    "threshold": (*NUMBER, None),
    "sensitive_threshold": (*NUMBER, None),
    "external_looks": int,
    "details": dict,
}


@dataclass(frozen=True)
class ScoreRow:
    """What a model says of a case.

    Attributes
    ----------
    model
        Such as ``resnet101``.
    kind
        ``out_of_fold``: by a model of this kind that was trained without the case's patient. ``training``: by the final
        model, which was. ``external``: by the final model, of a case of another institution.
    fold
        The one that held the case out, from 0 on; None of the other kinds.
    case_id
        Name of the case in the dataset.
    high
        Whether the tumour is of high risk.
    score
        Probability of high risk, 0..1.
    """

    model: str
    kind: Kind
    fold: int | None
    case_id: str
    high: bool
    score: float


@dataclass(frozen=True)
class ModelEntry:
    """What ``models.json`` holds of a model.

    Attributes
    ----------
    threshold
        A score of this or more is high risk: Youden's, on the out-of-fold scores. None without such scores.
    sensitive_threshold
        The highest one with a sensitivity of `SENSITIVITY` on the out-of-fold scores.
    external_looks
        How often external scores were written that were not there before.
    details
        What the model says of itself: epochs, hashes, settings.
    """

    threshold: float | None
    sensitive_threshold: float | None
    external_looks: int
    details: Mapping[str, Any] = field(default_factory=dict)


def write_scores(
    folder: Path, rows: Iterable[ScoreRow], *, details: Mapping[str, Mapping[str, Any]] | None = None
) -> None:
    """Put rows into the table of a folder, in place of earlier ones of the same model and kind.

    New out-of-fold scores of a model are those of a new training: what else stood there of it goes. The thresholds
    follow from the out-of-fold scores alone.

    Parameters
    ----------
    folder
        Of ``scores.csv`` and ``models.json``; made where missing.
    rows
        Of one or several models.
    details
        For ``models.json``, by the model's name; kept where None is given for a model.

    Raises
    ------
    BadInputError
        If a row cannot be, stands twice, or contradicts another: a case of both classes, or on both sides of the split.
    """
    rows = list(rows)
    earlier = read_scores(folder) if (folder / SCORES_FILE).exists() else []
    entries = read_models(folder) if (folder / MODELS_FILE).exists() else {}
    kept = _rows_that_stay(earlier, rows)
    together = sorted([*kept, *rows], key=lambda row: (row.model, KINDS.index(row.kind), row.case_id))
    _require_sound(folder / SCORES_FILE, together)
    details = details or {}
    models = {}
    for model in dict.fromkeys(row.model for row in together):
        looks = entries[model].external_looks if model in entries else 0
        known = entries[model].details if model in entries else {}
        held_out = [row for row in together if row.model == model and row.kind == "out_of_fold"]
        high = [row.high for row in held_out]
        youden, sensitive = thresholds_of([row.score for row in held_out], high) if len({*high}) == 2 else (None, None)
        models[model] = {
            "threshold": youden,
            "sensitive_threshold": sensitive,
            "external_looks": looks + _is_new_look(model, rows, earlier),
            "details": dict(details.get(model, known)),
        }
    with files_together(folder) as staging:
        write_csv(staging / SCORES_FILE, _COLUMNS, map(_cells, together))
        write_json(staging / MODELS_FILE, {"schema_version": SCHEMA_VERSION, "models": models})


def read_scores(folder: Path) -> list[ScoreRow]:
    """Read the table of a folder, by model, kind and case.

    Raises
    ------
    BadInputError
        If it cannot be read, or holds what `write_scores` refuses.
    """
    path = folder / SCORES_FILE
    rows = [_row(path, number, cells) for number, cells in enumerate(read_rows(path, *_COLUMNS), start=1)]
    _require_sound(path, rows)
    return rows


def read_models(folder: Path) -> dict[str, ModelEntry]:
    """Read ``models.json`` of a folder; raises BadInputError if it cannot be read."""
    path = folder / MODELS_FILE
    content = read_json(path, form={"schema_version": int, "models": {str: _ENTRY}}, advice=_AGAIN)
    if content["schema_version"] != SCHEMA_VERSION:
        raise BadInputError(f"{path}: is of version {content['schema_version']}, not {SCHEMA_VERSION}; {_AGAIN}")
    return {
        model: ModelEntry(
            entry["threshold"], entry["sensitive_threshold"], entry["external_looks"], details=entry["details"]
        )
        for model, entry in content["models"].items()
    }


def ensemble_rows(rows: Iterable[ScoreRow], *, models: Collection[str], name: str = "ensemble") -> list[ScoreRow]:
    """Give the mean of the probabilities of several models as the rows of one.

    Raises
    ------
    BadInputError
        If a model has no row of a case that another has one of, or another fold held it out.
    """
    scores: dict[tuple[Kind, str], dict[str, ScoreRow]] = defaultdict(dict)
    for row in rows:
        if row.model in models:
            scores[row.kind, row.case_id][row.model] = row
    together = []
    for (kind, case_id), of_models in scores.items():
        if missing := sorted(set(models) - of_models.keys()):
            raise BadInputError(
                f"case {case_id}: has no {kind} score of {missing[0]}; score all models on the same cases"
            )
        if len({row.fold for row in of_models.values()}) > 1:
            raise BadInputError(f"case {case_id}: was held out by different folds; train all models with one seed")
        first = next(iter(of_models.values()))
        mean = sum(row.score for row in of_models.values()) / len(of_models)
        together.append(ScoreRow(name, kind, first.fold, case_id, high=first.high, score=mean))
    return together


def thresholds_of(scores: Sequence[float], high: Sequence[bool]) -> tuple[float, float]:
    """Give Youden's threshold and the highest one with a sensitivity of `SENSITIVITY`, of scores of both classes."""
    return youden_threshold(scores, high), sensitivity_threshold(scores, high, sensitivity=SENSITIVITY)


def _rows_that_stay(earlier: Sequence[ScoreRow], rows: Sequence[ScoreRow]) -> list[ScoreRow]:
    """Give the earlier rows that neither `rows` replace nor belong to an earlier training of a model of them."""
    replaced = {(row.model, row.kind) for row in rows}
    trained_anew = {
        model
        for model, kind in replaced
        if kind == "out_of_fold" and _of(rows, model, kind) != _of(earlier, model, kind)
    }
    return [row for row in earlier if (row.model, row.kind) not in replaced and row.model not in trained_anew]


def _is_new_look(model: str, rows: Sequence[ScoreRow], earlier: Sequence[ScoreRow]) -> bool:
    new = _of(rows, model, "external")
    return bool(new) and new != _of(earlier, model, "external")


def _of(rows: Iterable[ScoreRow], model: str, kind: Kind) -> set[ScoreRow]:
    return {row for row in rows if (row.model, row.kind) == (model, kind)}


def _require_sound(path: Path, rows: Iterable[ScoreRow]) -> None:
    seen: set[tuple[str, Kind, str]] = set()
    first: dict[str, ScoreRow] = {}
    for row in rows:
        where = f"{path}, {row.model}, case {row.case_id}"
        if not row.model or not row.case_id or row.kind not in KINDS:
            raise BadInputError(f"{where}: kind {row.kind!r}; a row has a model, a case, and one of {', '.join(KINDS)}")
        if not 0 <= row.score <= 1:
            raise BadInputError(f"{where}: score {row.score}; must be a probability, 0 to 1")
        if (row.fold is not None) != (row.kind == "out_of_fold"):
            raise BadInputError(f"{where}: fold {row.fold} of a score that is {row.kind}; out_of_fold alone has one")
        if (key := (row.model, row.kind, row.case_id)) in seen:
            raise BadInputError(f"{where}: has two {row.kind} scores; a model scores a case once")
        seen.add(key)
        other = first.setdefault(row.case_id, row)
        if other.high != row.high:
            raise BadInputError(f"{where}: high is {int(row.high)}, of {other.model} it is {int(other.high)}; {_AGAIN}")
        if (other.kind == "external") != (row.kind == "external"):
            raise BadInputError(f"{where}: is {row.kind} here and {other.kind} of {other.model}; {_AGAIN}")


def _cells(row: ScoreRow) -> tuple[object, ...]:
    return row.model, row.kind, row.fold, row.case_id, int(row.high), float(row.score)


def _row(path: Path, number: int, cells: Mapping[str, str]) -> ScoreRow:
    where = f"{path} row {number}"
    kind, high, fold = cells["kind"], cells["high"], cells["fold"]
    if kind not in KINDS:
        raise BadInputError(f"{where}: kind {kind!r}; must be one of {', '.join(KINDS)}; {_AGAIN}")
    if high not in ("0", "1"):
        raise BadInputError(f"{where}: high {high!r}; must be 0 or 1; {_AGAIN}")
    if fold and not (fold.isascii() and fold.isdigit()):
        raise BadInputError(f"{where}: fold {fold!r}; must be a whole number or empty; {_AGAIN}")
    try:
        score = float(cells["score"])
    except ValueError:
        raise BadInputError(f"{where}: score {cells['score']!r}; must be a number, 0 to 1; {_AGAIN}") from None
    return ScoreRow(cells["model"], kind, int(fold) if fold else None, cells["case_id"], high == "1", score)
