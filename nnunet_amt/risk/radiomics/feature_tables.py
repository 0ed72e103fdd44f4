"""The stage: CTs and masks become ``features.csv``, and ``features_second.csv`` of the same tumours drawn again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.base.files import numbered_rows, require_columns, require_no_file, row_texts, write_csv
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, recorded_run
from nnunet_amt.base.workers import open_workers
from nnunet_amt.errors import AMTError, BadInputError, ManifestError
from nnunet_amt.risk.radiomics.case_features import CaseFeatures, Kind, Reading, case_features
from nnunet_amt.risk.radiomics.feature_settings import FeatureSettings
from nnunet_amt.writing.numbers import counted

FEATURES_FILE, SECOND_FILE, FAILED_FILE = "features.csv", "features_second.csv", "features_failed.csv"
CASES_FOLDER = "cases"
STAGE = "risk-features"
DEVELOPMENT = "training"
# As many as the paper's readers drew again.
FEWEST_READ_TWICE = 3  # an ICC has no interval of fewer
PERTURBED_CASES = 30


class TumourCase(Protocol):
    """What is asked of a case; a `RiskCase` has it."""

    @property
    def case_id(self) -> str:
        """Its name, in files too."""

    @property
    def split(self) -> str:
        """Whether it is a development case, ``training``, or another."""

    @property
    def image(self) -> Path:
        """Its CT in HU."""

    @property
    def mask(self) -> Path:
        """Its tumour, 1, on the grid of the CT."""

    @property
    def mask_2(self) -> Path | None:
        """The tumour as a second reader has drawn it."""


@dataclass(frozen=True)
class FailedReading:
    """Why a reading of a case has no features."""

    case_id: str
    reading: Kind
    message: str


@dataclass(frozen=True)
class FeatureFiles:
    """What was written, how many readings were computed now, and which failed; they stand in ``features_failed.csv``.

    `second` is ``"second"`` where second readers' masks were read, ``"perturbed"`` where none are.
    """

    features: Path
    features_second: Path
    computed: int
    failed: tuple[FailedReading, ...]
    second: Kind


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Cases, names of features, and values of shape (cases, features)."""

    case_ids: tuple[str, ...]
    names: tuple[str, ...]
    values: NDArray[np.float64]

    def rows(self, case_ids: Sequence[str]) -> NDArray[np.float64]:
        """Values of these cases in this order, (cases, features); NaN for a case that is not in the table."""
        place = {case_id: row for row, case_id in enumerate(self.case_ids)}
        found = np.full((len(case_ids), len(self.names)), np.nan)
        for row, case_id in enumerate(case_ids):
            if case_id in place:
                found[row] = self.values[place[case_id]]
        return found


def write_features(
    cases: Sequence[TumourCase],
    *,
    output: Path,
    settings: FeatureSettings | None = None,
    seed: int = 0,
    perturbed_cases: int = PERTURBED_CASES,
    jobs: int = 1,
    executor: str | None = None,
    progress: Progress = silent,
) -> FeatureFiles:
    """Compute the features of all tumours, and again of those drawn twice, and write the tables.

    A case is computed again only if its CT, its mask, the settings or pyradiomics have changed. One that cannot be
    read stops no other: it is listed in ``features_failed.csv``, with the reason, and is in no table. Second readings
    are of development cases alone, as features are selected by these. Where fewer than three have a second reader's
    mask, the masks of `perturbed_cases` of them are perturbed in its place, see `perturbed_mask`.

    Parameters
    ----------
    output
        Folder of the tables; ``cases`` in it keeps a file a reading.
    seed
        Of the perturbation and of the choice of cases for it.
    jobs, executor
        See `open_workers`.

    Raises
    ------
    BadInputError
        If there is no case, two have one name, or none can be read.
    MissingExtraError
        If pyradiomics is not installed.
    """
    settings = settings or FeatureSettings()
    names = settings.feature_names()
    require_no_file(output)
    _require_distinct(cases)
    first = [_reading(case, case.mask, "first", seed, settings, output) for case in cases]
    second = _second_readings(cases, seed=seed, number=perturbed_cases, settings=settings, output=output)
    kind: Kind = second[0].kind if second else "perturbed"
    record = recorded_run(
        output, STAGE, seed=seed, inputs=_inputs(first + second), outputs=(FEATURES_FILE, SECOND_FILE, FAILED_FILE),
        settings={"features": settings, "second": kind, "second_cases": len(second)},
    )  # fmt: skip
    with record as notes:
        with open_workers(jobs=jobs, executor=executor, progress=progress) as workers:
            results = workers.each(case_features, first + second, "computing radiomics features")
        failed = tuple(
            FailedReading(reading.case_id, reading.kind, str(result))
            for reading, result in zip(first + second, results, strict=True)
            if isinstance(result, AMTError)
        )
        _write_failed(output / FAILED_FILE, failed)
        computed = sum(isinstance(result, CaseFeatures) and result.computed for result in results)
        _write_table(output / FEATURES_FILE, first, results[: len(first)], names, with_kind=False)
        _write_table(output / SECOND_FILE, second, results[len(first) :], names, with_kind=True)
        notes.counts |= {"cases": len(cases), "computed": computed, "failed": len(failed)}
    if len({one.case_id for one in failed if one.reading == "first"}) == len(cases):
        number = counted(len(cases), "case")
        raise BadInputError(f"{output / FAILED_FILE}: none of {number} has features, the first: {failed[0].message}")
    return FeatureFiles(output / FEATURES_FILE, output / SECOND_FILE, computed, failed, kind)


def read_features(path: Path) -> FeatureTable:
    """Read ``features.csv`` or ``features_second.csv``.

    Raises
    ------
    ManifestError
        If it cannot be read, names a case twice, or a cell is no number; of one line.
    """
    rows = numbered_rows(path, "the table that risk features writes")
    _, columns = next(rows, (1, []))
    require_columns(path, columns, required=["case_id"])
    names = tuple(column for column in columns if column not in ("case_id", "reading"))
    values: dict[str, list[float]] = {}
    for line, cells in rows:
        texts = row_texts(path, line, columns=columns, cells=cells)
        if texts["case_id"] in values:
            raise ManifestError(f"{path} line {line}: case {texts['case_id']!r} stands there twice; remove one")
        values[texts["case_id"]] = [_number(path, line, name, texts[name]) for name in names]
    table = np.array(list(values.values()), np.float64).reshape(len(values), len(names))
    return FeatureTable(tuple(values), names, table)


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise ManifestError(f"{path} line {line}, column {column!r}: is {text!r}, must be a number; compute it again")
    return value


def _require_distinct(cases: Sequence[TumourCase]) -> None:
    if not cases:
        raise BadInputError("radiomics: there is no case; give a dataset with cases whose risk is known")
    case_id, times = Counter(case.case_id for case in cases).most_common(1)[0]
    if times > 1:
        raise BadInputError(f"radiomics: case {case_id!r} is there {times} times; give it once")


def _second_readings(
    cases: Sequence[TumourCase], *, seed: int, number: int, settings: FeatureSettings, output: Path
) -> list[Reading]:
    """Second readers' masks of development cases; of fewer than three, some of these cases with perturbed masks."""
    development = [case for case in cases if case.split == DEVELOPMENT]
    twice = [
        _reading(case, case.mask_2, "second", seed, settings, output) for case in development if case.mask_2 is not None
    ]
    if len(twice) >= FEWEST_READ_TWICE:
        return twice
    order = np.random.default_rng(seed).permutation(len(development))[:number]
    chosen = [development[place] for place in sorted(order.tolist())]
    return [_reading(case, case.mask, "perturbed", seed, settings, output) for case in chosen]


def _reading(case: TumourCase, mask: Path, kind: Kind, seed: int, settings: FeatureSettings, output: Path) -> Reading:
    return Reading(case.case_id, case.image, mask, kind, seed, settings, output / CASES_FOLDER)


def _inputs(readings: Sequence[Reading]) -> dict[str, RunInput]:
    """Folders of CTs and masks for the run record; what a case was computed of is hashed in its own file."""
    folders = {path.parent for reading in readings for path in (reading.image, reading.mask)}
    return {folder.name: RunInput(folder, "names_and_sizes") for folder in sorted(folders)}


def _write_failed(path: Path, failed: Sequence[FailedReading]) -> None:
    if failed:
        write_csv(path, ("case_id", "reading", "message"), ((one.case_id, one.reading, one.message) for one in failed))
    else:
        path.unlink(missing_ok=True)


def _write_table(
    path: Path,
    readings: Sequence[Reading],
    results: Sequence[CaseFeatures | AMTError],
    names: Sequence[str],
    *,
    with_kind: bool,
) -> None:
    columns = ["case_id", *(["reading"] if with_kind else []), *names]
    rows = [
        {"case_id": reading.case_id, **({"reading": reading.kind} if with_kind else {}), **result.values}
        for reading, result in zip(readings, results, strict=True)
        if isinstance(result, CaseFeatures)
    ]
    write_csv(path, columns, rows)
