"""The stage: a reader table becomes Table 3, the answer over readers and cases, a figure and a planned study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from nnunet_amt import __version__
from nnunet_amt.base.files import write_json, write_text
from nnunet_amt.base.json_file import NUMBER, read_json
from nnunet_amt.evaluation.results.result_folder import recorded_results
from nnunet_amt.evaluation.subjects import of_subjects
from nnunet_amt.risk.evaluation.summary_json import rates_json
from nnunet_amt.risk.reading.reader_analysis import ReadCase, ReaderAnalysis, Reads, analyse_study
from nnunet_amt.risk.reading.reader_file import ReaderTable
from nnunet_amt.risk.reading.reader_sentences import reader_sentences
from nnunet_amt.risk.reading.reader_tables import answer_table, group_table, planning_table, table_3
from nnunet_amt.risk.reading.simulated import plan_readers
from nnunet_amt.statistics.readers import VarianceComponents
from nnunet_amt.study.study_files import READER_STUDY
from nnunet_amt.writing.figure_style import save_figure
from nnunet_amt.writing.table import Document, Picture, Table
from nnunet_amt.writing.table_formats import html_document, markdown_document

STAGE = "risk-readers"
READER_FILES = ("reader_tables.md", READER_STUDY.page, READER_STUDY.name, "reader_roc.png", "reader_roc.svg")
_PICTURE = "Sensitivity and specificity of each reader without and with AI, a panel for each level"
_FORM = {"components": {field.name: NUMBER for field in fields(VarianceComponents)}}


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
) -> ReaderAnalysis:
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
        table, cases, model_scores=model_scores, model_threshold=model_threshold, high_from=high_from,
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
        document = of_subjects(document, subjects)
        write_text(folder / "reader_tables.md", markdown_document(document))
        write_text(folder / READER_STUDY.page, html_document(document))
        write_json(folder / READER_STUDY.name, document_json(document, READER_STUDY.version) | analysis_json(result))
    return result


def read_components(folder: Path) -> VarianceComponents:
    """Read the variances of an analysed study, for `plan_readers`; raises BadInputError if it cannot be read."""
    content = read_json(folder / READER_STUDY.name, form=_FORM, advice=f"run nnunet_amt {READER_STUDY.command} again")
    return VarianceComponents(**content["components"])


def _document(result: ReaderAnalysis, folder: Path, difference: float, power: float, *, figures: bool) -> Document:
    pictures: tuple[Picture, ...] = ()
    if figures:
        from nnunet_amt.risk.reading.reader_figure import reader_figure

        save_figure(reader_figure(result), folder, "reader_roc")
        pictures = (Picture(folder / "reader_roc.png", _PICTURE, wide=True),)
    return Document(
        title=f"Readers without and with {result.question.help}",
        tables=(*study_tables(result), *planning_tables(result, difference=difference, power=power)),
        sentences=reader_sentences(result),
        pictures=pictures,
        notes=result.notes,
        foot=f"nnunet_amt {__version__}. Research use only.",
    )


def study_tables(result: ReaderAnalysis) -> tuple[Table, ...]:
    """Lay out Table 3, the answer over readers and cases, and the levels compared where there are several."""
    levels = group_table(result)
    return (table_3(result), answer_table(result), *(() if levels is None else (levels,)))


def planning_tables(result: ReaderAnalysis, *, difference: float = 0.05, power: float = 0.8) -> tuple[Table, ...]:
    """Lay out a planned study, see `plan_readers`; none where there is nothing to plan with."""
    if not _varies(result):
        return ()
    planned = plan_readers(result.study.components, difference=difference, power=power)
    return (planning_table(planned, difference=difference, power=power),)


def _varies(result: ReaderAnalysis) -> bool:
    """Whether there are variances to plan with: not of one reader, of equal ones, or of few cases."""
    answer = result.study.random_readers
    return answer is not None and answer.f is not None and not result.few


def document_json(document: Document, version: int) -> dict[str, object]:
    """Give what a results file has of a document, see `DocumentFile`, and of the software that made it."""
    return {
        "schema_version": version,
        "software": {"name": "nnunet_amt", "version": __version__},
        "sentences": list(document.sentences),
        "pictures": [{"file": picture.file.name, "text": picture.text} for picture in document.pictures],
        "document": document.as_json(),
    }


def analysis_json(result: ReaderAnalysis) -> dict[str, object]:
    """Give every figure of an analysis; undefined and withheld is null."""

    def reads(one: Reads) -> dict[str, object]:
        return {**asdict(one.estimate), "rates": rates_json(one.rates)}

    without, helped = result.question.conditions
    return {
        "cases": len(result.readings.cases),
        "high": int(result.readings.high.sum()),
        "high_from": result.high_from,
        "model": None if result.model is None else reads(result.model),
        "readers": [
            {
                "reader": one.name,
                "level": one.level,
                without: reads(one.first),
                helped: reads(one.second),
                "difference": asdict(one.comparison.difference),
                "p_holm": one.p_holm,
            }
            for one in result.readers
        ],
        "all_readers": finite(asdict(result.study)),
        "of_level": {level: finite(asdict(study)) for level, study in result.of_level.items()},
        "between_levels": {title: finite(asdict(one)) for title, one in result.between_levels.items()},
        "components": asdict(result.study.components),
        "notes": list(result.notes),
    }


def finite(content: object) -> object:
    """Write infinite degrees of freedom as null, which JSON has no number for."""
    if isinstance(content, dict):
        return {name: finite(item) for name, item in content.items()}
    if isinstance(content, (list, tuple)):
        return [finite(item) for item in content]
    return None if isinstance(content, float) and not np.isfinite(content) else content
