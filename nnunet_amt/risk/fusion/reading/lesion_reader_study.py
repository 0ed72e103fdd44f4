"""The stage: readings of lesions become Table 3, right decisions and classes, the model beside readers, and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from nnunet_amt import __version__
from nnunet_amt.base.files import write_json, write_text
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.results.result_folder import recorded_results
from nnunet_amt.evaluation.subjects import PHANTOMS, of_subjects
from nnunet_amt.risk.evaluation.summary_json import rates_json
from nnunet_amt.risk.fusion.class_scores import ClassScoreTable
from nnunet_amt.risk.fusion.lesion_case import LesionCohort, Task
from nnunet_amt.risk.fusion.reading.lesion_questions import DIAGNOSIS
from nnunet_amt.risk.fusion.reading.lesion_reader_analysis import (
    LesionReaderStudy,
    analyse_lesion_readers,
    model_scores,
)
from nnunet_amt.risk.fusion.reading.lesion_reader_sentences import lesion_reader_sentences
from nnunet_amt.risk.fusion.reading.lesion_reader_tables import (
    comparison_table,
    model_right_table,
    right_table,
    share_table,
)
from nnunet_amt.risk.fusion.reading.macro_points import MacroPoints
from nnunet_amt.risk.fusion.reading.right_answers import RightAnswers
from nnunet_amt.risk.fusion.reading.simulated_surgeons import simulate_surgeons
from nnunet_amt.risk.reading.reader_figure import DrawnReader, draw_readers, reader_figure
from nnunet_amt.risk.reading.reader_file import ReaderTable
from nnunet_amt.risk.reading.reader_study import analysis_json, document_json, finite, planning_tables, study_tables
from nnunet_amt.study.study_files import LESION_READER_STUDY
from nnunet_amt.writing.figure_style import save_figure
from nnunet_amt.writing.table import Document, Picture, Table
from nnunet_amt.writing.table_formats import html_document, markdown_document

STAGE = "lesion-readers"
_FIGURES = {
    "diagnosis": "the diagnosis benign or malignant",
    "management": "the decision for surgery",
    "class": "the class (mean over classes)",
}
LESION_READER_FILES = (
    "lesion_reader_tables.md",
    LESION_READER_STUDY.page,
    LESION_READER_STUDY.name,
    *(f"lesion_readers_{name}.{ending}" for name in _FIGURES for ending in ("png", "svg")),
)


def write_lesion_reader_study(
    cohort: LesionCohort,
    tables: Mapping[str, ReaderTable] | None,
    *,
    output: Path,
    task: Task,
    scores: ClassScoreTable | None = None,
    model: str = "dmfn",
    high_from: float | None = None,
    table_file: Path | None = None,
    subjects: str | None = None,
    figures: bool = True,
    seed: int = 0,
) -> LesionReaderStudy:
    """Analyse a reader study of lesions and write it to a folder, all at once or not at all.

    Of the binary task the diagnosis, and the decision as surgery or not, become AUCs as in the study of risk; decisions
    and classes, which are one of several, are right or wrong.

    Parameters
    ----------
    cohort
        The cases that were read, and others.
    tables
        Of `read_lesion_readers`; questions of the other task are not looked at. None lets simulated readers at the
        published AUCs read the external cases: of phantoms alone, and it is said with every result.
    output
        Folder for `LESION_READER_FILES`.
    task
        Whose questions are analysed, see `questions_of`.
    scores, model
        Scores of the task, and the model whose ensemble is compared with the readers on the cases that they read; none
        is if `scores` is None.
    high_from
        The rating from which on a reader calls a case malignant: needed of graded ratings.
    table_file
        That the tables were read from, for the record.
    subjects
        What the cases are, see `nnunet_amt.evaluation.subjects.subjects_of`: the paper's rows stand beside patients.
    figures
        Draw the figures.
    seed
        Of the bootstrap, of permutations, and of simulated readers.

    Raises
    ------
    BadInputError
        If no reading is of the task, readings are missing, graded ratings have no `high_from`, the scores are of
        another task or model, or readers are to be simulated and the cases are not phantoms.
    TooFewCasesError
        If the diagnosis is asked of fewer than two benign or two malignant cases.
    UnmatchedCasesError
        If a case was read that takes no part, or that the model has no score of.
    """
    classes = cohort.classes_of(task)
    if (simulated := tables is None) and subjects != PHANTOMS:
        raise BadInputError(
            f"the cases are {subjects or 'not said to be phantoms'}, and readers are simulated of phantoms alone; give "
            "the table of their readings"
        )
    if tables is None:
        tables = simulate_surgeons(cohort.of_split("external"), task=task, classes=classes, seed=seed)
    compared = None if scores is None else model_scores(scores, task=task, classes=classes, model=model)
    study = analyse_lesion_readers(
        tables, cohort, task=task, model=compared, high_from=high_from, simulated=simulated, seed=seed
    )
    given = {"task": task, "model": None if scores is None else model, "high_from": high_from, "simulated": simulated}
    with recorded_results(
        output, file_names=LESION_READER_FILES, stage=STAGE, settings=given, inputs={"readers": table_file}, seed=seed
    ) as (folder, notes):
        notes.counts |= {name: len(analysis.readings.cases) for name, analysis in study.yes_or_no.items()}
        notes.counts |= {name: len(answers.readings.cases) for name, answers in study.named.items()}
        document = _document(study, _draw(study, folder) if figures else ())
        document = of_subjects(document, subjects)
        write_text(folder / "lesion_reader_tables.md", markdown_document(document))
        write_text(folder / LESION_READER_STUDY.page, html_document(document))
        write_json(folder / LESION_READER_STUDY.name, _json(study, document))
    return study


def _document(study: LesionReaderStudy, pictures: tuple[Picture, ...]) -> Document:
    who = "Simulated readers" if study.simulated else "Readers"
    return Document(
        title=f"{who} without and with {DIAGNOSIS.help}, {study.task} task",
        tables=tuple(_tables(study)),
        sentences=lesion_reader_sentences(study),
        pictures=pictures,
        notes=study.notes,
        foot=f"nnunet_amt {__version__}. Research use only.",
    )


def _tables(study: LesionReaderStudy) -> list[Table]:
    found: list[Table] = []
    for name, analysis in study.yes_or_no.items():
        found += study_tables(analysis)
        if name == DIAGNOSIS.name:
            found += [] if study.comparison is None else [comparison_table(study.comparison, analysis)]
            found += planning_tables(analysis)
    for answers in study.named.values():
        found += [right_table(answers, study.macro), share_table(answers)]
        model = model_right_table(answers)
        found += [] if model is None else [model]
    return found


def _draw(study: LesionReaderStudy, folder: Path) -> tuple[Picture, ...]:
    drawn = {name: reader_figure(analysis) for name, analysis in study.yes_or_no.items()}
    if study.macro is not None:
        for name, answers in study.named.items():
            readers = [_drawn(one.name, one.level, answers, study.macro) for one in answers.readers]
            drawn[name] = draw_readers(
                readers,
                question=answers.question,
                model=study.macro.model_curve,
                simulated=study.simulated,
                area="macro AUC",
            )
    pictures = []
    for name, figure in drawn.items():
        save_figure(figure, folder, f"lesion_readers_{name}")
        text = (
            f"Sensitivity and specificity of each reader without and with CTC, a panel for each level: {_FIGURES[name]}"
        )
        pictures.append(Picture(folder / f"lesion_readers_{name}.png", text, wide=True))
    return tuple(pictures)


def _drawn(reader: str, level: str, answers: RightAnswers, macro: MacroPoints) -> DrawnReader:
    """Place a reader who names classes by the mean over the classes, each against the rest."""
    without, helped = answers.question.conditions
    points = macro.points[reader, without], macro.points[reader, helped]
    return DrawnReader(reader, level, points, (macro.area(reader, without), macro.area(reader, helped)))


def _json(study: LesionReaderStudy, document: Document) -> dict[str, object]:
    comparison, macro, model = study.comparison, study.macro, study.model
    return {
        **document_json(document, LESION_READER_STUDY.version),
        "task": study.task,
        "simulated": study.simulated,
        "model": None if model is None else {"model": model.title, "threshold": model.threshold},
        "yes_or_no": {name: analysis_json(analysis) for name, analysis in study.yes_or_no.items()},
        "right_answers": {name: _right_json(answers) for name, answers in study.named.items()},
        "model_against_readers": None if comparison is None else finite(asdict(comparison)),
        "macro": None
        if macro is None
        else {
            "classes": [next(iter(study.named.values())).question.answers[place] for place in macro.judged],
            "model_auc": macro.model_auc,
            "readers": [
                {"reader": reader, "condition": condition, "auc": macro.area(reader, condition)}
                for reader, condition in macro.points
            ],
        },
        "notes": list(study.notes),
    }


def _right_json(answers: RightAnswers) -> dict[str, object]:
    model, conditions = answers.model, answers.question.conditions
    return {
        "cases": len(answers.readings.cases),
        "answers": list(answers.question.answers),
        "readers": [
            {
                "reader": one.name,
                "level": one.level,
                "right": rates_json(dict(zip(conditions, one.rates, strict=True))),
                "change": asdict(one.change),
            }
            for one in answers.readers
        ],
        "groups": {group: asdict(one) for group, one in answers.groups.items()},
        "model": None
        if model is None
        else {
            "right": rates_json({"first answer": model.rate})["first answer"],
            "against_readers": [
                {"reader": reader, "condition": condition, **asdict(one)}
                for (reader, condition), one in model.readers.items()
            ],
            "against_groups": [
                {"group": group, "condition": condition, **asdict(one)}
                for (group, condition), one in model.groups.items()
            ],
        },
    }
