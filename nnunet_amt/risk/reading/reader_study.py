"""The stage: a reader table becomes Table 3, the answer over readers and cases, a figure and a planned study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nnunet_amt import __version__
from nnunet_amt.base.files import write_json, write_text
from nnunet_amt.base.json_file import NUMBER, read_json
from nnunet_amt.base.run_record import RECORD_FILE
from nnunet_amt.errors import BadInputError, UnmatchedCasesError
from nnunet_amt.evaluation.results.result_folder import recorded_results
from nnunet_amt.evaluation.subjects import why_not_published
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.evaluation.performance import AucEstimate
from nnunet_amt.risk.evaluation.summary_json import rates_json, read_document
from nnunet_amt.risk.reading.reader_file import CONDITION_NAMES, WITH, WITHOUT, ReaderTable
from nnunet_amt.risk.reading.reader_sentences import reader_sentences
from nnunet_amt.risk.reading.reader_tables import answer_table, group_table, planning_table, table_3
from nnunet_amt.risk.reading.simulated import plan_readers
from nnunet_amt.statistics.rates import Rate, confusion
from nnunet_amt.statistics.reader_table import Readings, gather_readings
from nnunet_amt.statistics.readers import (
    GroupComparison,
    ReaderComparison,
    ReaderStudy,
    VarianceComponents,
    analyse_readers,
    compare_groups,
)
from nnunet_amt.statistics.roc import AucInterval, delong
from nnunet_amt.statistics.tests import holm
from nnunet_amt.writing.figure_style import save_figure
from nnunet_amt.writing.table import Document, Picture
from nnunet_amt.writing.table_formats import html_document, markdown_document

STAGE = "risk-readers"
STUDY_FILE = "reader_study.json"
SCHEMA_VERSION = 1
READER_FILES = ("reader_tables.md", "reader_tables.html", STUDY_FILE, "reader_roc.png", "reader_roc.svg")
_PICTURE = "Sensitivity and specificity of each reader without and with AI, a panel for each level"
_FORM = {
    "schema_version": int,
    "sentences": [str],
    "document": dict,
    "pictures": [{"file": str, "text": str}],
    "components": {field.name: NUMBER for field in fields(VarianceComponents)},
}


class ReadCase(Protocol):
    """What of a case a reader study needs; a `RiskCase` has it."""

    @property
    def case_id(self) -> str:
        """Its name in the reader table."""

    @property
    def high(self) -> bool:
        """Whether it is of high risk."""

    @property
    def split(self) -> str:
        """``training`` for a case that models were trained on."""


@dataclass(frozen=True)
class Reads:
    """AUC and rates of a reader, or of the model, on the cases of the study."""

    estimate: AucEstimate
    rates: Mapping[str, Rate]


@dataclass(frozen=True)
class OneReader:
    """A reader without (`first`) and with AI (`second`); `p_holm` is corrected over the readers."""

    name: str
    level: str
    first: Reads
    second: Reads
    comparison: ReaderComparison
    p_holm: float | None


@dataclass(frozen=True, eq=False)
class ReaderStudyResult:
    """What a reader study found, and the files that it was written to.

    `study` is of all readers, `of_level` of those of each level; `between_levels` compares levels, by a title. `high_from`
    is the rating from which on a case counts as high risk, `notes` what has to be said.
    """

    output: Path
    readings: Readings
    model: Reads | None
    model_scores: NDArray[np.float64] | None
    readers: tuple[OneReader, ...]
    study: ReaderStudy
    of_level: Mapping[str, ReaderStudy]
    between_levels: Mapping[str, GroupComparison]
    graded: bool
    high_from: float
    notes: tuple[str, ...]

    @property
    def levels(self) -> tuple[str, ...]:
        """Those that readers have, in order."""
        return tuple(dict.fromkeys(one.level for one in self.readers))

    @property
    def files(self) -> tuple[Path, ...]:
        """What was written."""
        return tuple(self.output / name for name in (*READER_FILES, RECORD_FILE) if (self.output / name).exists())

    @property
    def sentences(self) -> tuple[str, ...]:
        """See `reader_sentences`."""
        return reader_sentences(self)


def write_reader_study(
    table: ReaderTable,
    cases: Sequence[ReadCase],
    *,
    output: Path,
    model_scores: Mapping[str, float] | None = None,
    model_threshold: float | None = None,
    high_from: float | None = None,
    planned_difference: float = 0.05,
    power: float = 0.8,
    table_file: Path | None = None,
    subjects: str | None = None,
    simulated: bool = False,
    figures: bool = True,
) -> ReaderStudyResult:
    """Analyse a reader study and write it to a folder, all at once or not at all.

    Parameters
    ----------
    table
        Of `read_readers` or `simulate_readers`.
    cases
        Those that were read, and others, with their risk.
    output
        Folder for `READER_FILES`.
    model_scores, model_threshold
        Of the model that the readers were given, by case, for the row "AI" and its curve.
    high_from
        The rating from which on a reader calls a case high risk: needed of graded ratings.
    planned_difference, power
        What a planned study is to find, see `plan_readers`.
    table_file
        That the table was read from, for the record.
    subjects
        What the cases are, see `nnunet_amt.evaluation.subjects.subjects_of`: the paper's rows stand beside patients.
    simulated
        The readers are no people: said wherever the results are.
    figures
        Draw the figure.

    Raises
    ------
    BadInputError
        If readings are missing, it is not known whether a case is high risk, or graded ratings have no `high_from`.
    TooFewCasesError
        If there are not two cases of either class.
    UnmatchedCasesError
        If the model has no score of a case that was read.
    """
    result = analyse_study(
        table, cases, output=output, model_scores=model_scores, model_threshold=model_threshold, high_from=high_from,
        simulated=simulated,
    )  # fmt: skip
    given = {
        "high_from": result.high_from, "planned_difference": planned_difference, "power": power,
        "simulated": simulated, "model_threshold": model_threshold,
    }  # fmt: skip
    with recorded_results(
        output, file_names=READER_FILES, stage=STAGE, settings=given, inputs={"readers": table_file}
    ) as (folder, notes):
        notes.counts |= {"readers": len(result.readers), "cases": len(result.readings.cases)}
        document = _document(result, folder, planned_difference, power, figures=figures)
        if why := why_not_published(subjects):
            document = document.without_published()
            document = replace(document, notes=(*document.notes, why))
        write_text(folder / "reader_tables.md", markdown_document(document))
        write_text(folder / "reader_tables.html", html_document(document))
        write_json(folder / STUDY_FILE, _json(result, document))
    return result


def analyse_study(
    table: ReaderTable,
    cases: Sequence[ReadCase],
    *,
    output: Path,
    model_scores: Mapping[str, float] | None = None,
    model_threshold: float | None = None,
    high_from: float | None = None,
    simulated: bool = False,
) -> ReaderStudyResult:
    """Do what `write_reader_study` does, without writing anything."""
    if table.graded and high_from is None:
        raise BadInputError(
            "the ratings are graded, not yes and no: say from which rating on a reader calls a case high risk (high_from)"
        )
    cut = 1.0 if high_from is None else high_from
    readings = gather_readings(
        table.rows, high={case.case_id: case.high for case in cases}, conditions=(CONDITION_NAMES[0], CONDITION_NAMES[1])
    )
    study = analyse_readers(readings)
    scores = None if model_scores is None else _scores_of(readings, model_scores)
    levels = dict.fromkeys(table.levels[reader] for reader in readings.readers)
    return ReaderStudyResult(
        output,
        readings,
        None if scores is None or model_threshold is None else _reads(scores, readings.high, model_threshold),
        scores,
        _readers(table, readings, study, cut),
        study,
        {level: analyse_readers(readings.of(table.of_level(level))) for level in levels} if len(levels) > 1 else {},
        _between(table, readings, tuple(levels)),
        table.graded,
        cut,
        tuple(_notes(readings, cases, simulated)),
    )


def read_components(folder: Path) -> VarianceComponents:
    """Read the variances of an analysed study, for `plan_readers`; raises BadInputError if it cannot be read."""
    content = read_json(folder / STUDY_FILE, form=_FORM, advice="analyse the readers again")
    return VarianceComponents(**content["components"])


def read_reader_document(folder: Path) -> Document:
    """Read the sentences, tables and picture of a study's folder; raises BadInputError if they cannot be read."""
    return read_document(folder / STUDY_FILE, version=SCHEMA_VERSION, form=_FORM)


def _scores_of(readings: Readings, scores: Mapping[str, float]) -> NDArray[np.float64]:
    if missing := [case for case in readings.cases if case not in scores]:
        raise UnmatchedCasesError(
            f"case {missing[0]} was read, but the model has no score of it ({len(missing)} such cases); score it, or "
            "leave the model out"
        )
    return np.array([scores[case] for case in readings.cases], dtype=float)


def _readers(table: ReaderTable, readings: Readings, study: ReaderStudy, cut: float) -> tuple[OneReader, ...]:
    """Give the readers by level, in the order of the levels in the file."""
    tested = [one for one in study.readers if one.difference.p is not None]
    corrected = dict(zip([one.reader for one in tested], holm([one.difference.p or 0.0 for one in tested]), strict=True))
    order = list(dict.fromkeys(table.levels.values()))
    found = [
        OneReader(
            one.reader,
            table.levels[one.reader],
            *(_reads(readings.ratings[condition, place], readings.high, cut) for condition in (0, 1)),
            one,
            corrected.get(one.reader),
        )
        for place, one in enumerate(study.readers)
    ]
    return tuple(sorted(found, key=lambda one: order.index(one.level)))


def _reads(scores: NDArray[np.float64], high: NDArray[np.bool_], threshold: float) -> Reads:
    found: AucInterval = delong(scores, high)
    interval = found.interval if high.size >= FEWEST_CASES else None
    estimate = AucEstimate(high.size, int(high.sum()), found.auc, interval, by_patient=False)
    return Reads(estimate, confusion(scores, high, threshold=threshold).rates())


def _between(table: ReaderTable, readings: Readings, levels: tuple[str, ...]) -> dict[str, GroupComparison]:
    """Compare each level with those after it: both without, both with, and the first with AI, the other without."""
    found = {}
    for place, first in enumerate(levels):
        for second in levels[place + 1 :]:
            for one, other in ((WITHOUT, WITHOUT), (WITH, WITH), (WITH, WITHOUT)):
                groups = (one, table.of_level(first)), (other, table.of_level(second))
                found[f"{first} {one}, {second} {other}"] = compare_groups(readings, *groups)
    return found


def _notes(readings: Readings, cases: Sequence[ReadCase], simulated: bool) -> list[str]:
    read, notes = set(readings.cases), []
    if simulated:
        notes.append("The readers are simulated (Roe and Metz) at the published AUCs: they are no people.")
    trained = sum(case.split == "training" for case in cases if case.case_id in read)
    if trained:
        notes.append(
            f"{trained} of the {len(read)} cases are of the training centres: a model that was trained on them helps more "
            "than it would with new cases, unless its scores were out of fold."
        )
    return notes


def _document(
    result: ReaderStudyResult, folder: Path, difference: float, power: float, *, figures: bool
) -> Document:
    planned = plan_readers(result.study.components, difference=difference, power=power) if _varies(result) else ()
    levels = group_table(result)
    pictures: tuple[Picture, ...] = ()
    if figures:
        from nnunet_amt.risk.reading.reader_figure import reader_figure

        save_figure(reader_figure(result), folder, "reader_roc")
        pictures = (Picture(folder / "reader_roc.png", _PICTURE, wide=True),)
    tables = [table_3(result), answer_table(result), *([] if levels is None else [levels])]
    if planned:
        tables.append(planning_table(planned, difference=difference, power=power))
    return Document(
        title="Readers without and with AI",
        tables=tuple(tables),
        sentences=result.sentences,
        pictures=pictures,
        notes=result.notes,
        foot=f"nnunet_amt {__version__}. Research use only.",
    )


def _varies(result: ReaderStudyResult) -> bool:
    """Whether there is any variance to plan with: of one reader, or of equal ones, there is none."""
    answer = result.study.random_readers
    return answer is not None and answer.f is not None


def _json(result: ReaderStudyResult, document: Document) -> dict[str, object]:
    def reads(one: Reads) -> dict[str, object]:
        return {**asdict(one.estimate), "rates": rates_json(one.rates)}

    return {
        "schema_version": SCHEMA_VERSION,
        "software": {"name": "nnunet_amt", "version": __version__},
        "sentences": list(document.sentences),
        "cases": len(result.readings.cases),
        "high": int(result.readings.high.sum()),
        "high_from": result.high_from,
        "model": None if result.model is None else reads(result.model),
        "readers": [
            {
                "reader": one.name,
                "level": one.level,
                WITHOUT: reads(one.first),
                WITH: reads(one.second),
                "difference": asdict(one.comparison.difference),
                "p_holm": one.p_holm,
            }
            for one in result.readers
        ],
        "all_readers": _finite(asdict(result.study)),
        "of_level": {level: _finite(asdict(study)) for level, study in result.of_level.items()},
        "between_levels": {title: _finite(asdict(one)) for title, one in result.between_levels.items()},
        "components": asdict(result.study.components),
        "notes": list(result.notes),
        "pictures": [{"file": picture.file.name, "text": picture.text} for picture in document.pictures],
        "document": document.as_json(),
    }


def _finite(content: object) -> object:
    """Write infinite degrees of freedom as null, which JSON has no number for."""
    if isinstance(content, dict):
        return {name: _finite(item) for name, item in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(item) for item in content]
    return None if isinstance(content, float) and not np.isfinite(content) else content
