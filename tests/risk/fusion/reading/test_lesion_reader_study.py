"""A reader study of 24 lesions that can be counted, what is said of it, and its refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError, TooFewCasesError, UnmatchedCasesError
from nnunet_amt.risk.fusion.class_scores import ClassScore, ClassScoreTable
from nnunet_amt.risk.fusion.lesion_case import LesionCohort
from nnunet_amt.risk.fusion.reading.lesion_reader_analysis import (
    LesionReaderStudy,
    analyse_lesion_readers,
    model_scores,
)
from nnunet_amt.risk.fusion.reading.lesion_reader_sentences import lesion_reader_sentences
from nnunet_amt.risk.fusion.reading.lesion_reader_study import LESION_READER_FILES, write_lesion_reader_study
from nnunet_amt.risk.reading.reader_figure import reader_figure
from nnunet_amt.risk.reading.reader_file import ReaderTable
from nnunet_amt.statistics.roc import delong_test
from nnunet_amt.study.study_files import LESION_READER_STUDY
from tests.risk.fusion.reading.made_up import (
    BENIGN,
    CLASSES,
    MALIGNANT,
    WITH,
    WITHOUT,
    answers,
    lesion,
    lesions,
    named,
    scores_of,
)

# Right answers in the ten benign and the 14 malignant cases, without and with CTC.
DIAGNOSES = answers(
    {
        "Resident 1": ((5, 7), (7, 10)),
        "Resident 2": ((6, 8), (6, 11)),
        "Chief 1": ((8, 12), (8, 13)),
        "Chief 2": ((9, 11), (9, 12)),
    }
)
DECISIONS = named(
    {"Resident 1": (12, 18), "Resident 2": (14, 20), "Chief 1": (20, 20), "Chief 2": (21, 22)},
    [0.0] * 8 + [1.0] * 8 + [2.0] * 8,
    wrong=0.0,
)
BINARY = {"diagnosis": DIAGNOSES, "management": DECISIONS}
# The model is right in nine benign and thirteen malignant cases at the tuning cases' threshold of .5.
MODEL = {f"x{at:02}": 0.3 + 0.01 * at for at in range(BENIGN - 1)} | {"x09": 0.8}
MODEL |= {f"x{at}": 0.6 + 0.01 * at for at in range(BENIGN, BENIGN + MALIGNANT - 1)} | {"x23": 0.35}
TUNING = {"t0": 0.2, "t1": 0.4, "t2": 0.6, "t3": 0.7}


def analysed(tables: dict[str, ReaderTable], cohort: LesionCohort | None = None, **more: Any) -> LesionReaderStudy:
    cohort = lesions() if cohort is None else cohort
    scores = scores_of(cohort, MODEL | TUNING)
    model = model_scores(scores, task="binary", classes=scores.classes, model="dmfn")
    return analyse_lesion_readers(tables, cohort, task="binary", model=model, **more)


def test_the_model_is_compared_on_the_same_patients() -> None:
    """Resident 1 without CTC: the model alone is right in 6 malignant and 4 benign cases, he in none and none."""
    found = analysed(BINARY)
    assert found.model is not None and found.model.threshold == pytest.approx(0.5)
    assert found.comparison is not None
    first = found.comparison.readers[0]
    assert (first.reader, first.condition, first.auc) == ("Resident 1", WITHOUT, pytest.approx(0.5))
    readings = found.yes_or_no["diagnosis"].readings
    scores = np.array([MODEL[case] for case in readings.cases])
    said = readings.in_condition(WITHOUT, ["Resident 1"])[0]
    assert first.difference == delong_test(said, scores, readings.high)
    assert first.sensitivity is not None and first.specificity is not None
    assert (first.sensitivity.first, first.sensitivity.second) == (0, 6)
    assert first.sensitivity.p == pytest.approx(2 / 2**6)
    assert (first.specificity.first, first.specificity.second) == (0, 4)
    assert [(one.group, one.condition, one.readers) for one in found.comparison.groups] == [
        ("all readers", WITHOUT, 4),
        ("all readers", WITH, 4),
        ("resident", WITHOUT, 2),
        ("resident", WITH, 2),
        ("chief", WITHOUT, 2),
        ("chief", WITH, 2),
    ]


def test_decisions_are_right_of_three_and_surgery_or_not() -> None:
    """Resident 1 decides 12 of 24 rightly, then 18; without CTC he operates on all eight and on 12 of the other 16."""
    found = analysed(BINARY)
    resident = found.named["management"].readers[0]
    assert [rate.k for rate in resident.rates] == [12, 18]
    assert found.named["management"].model is None  # it makes no decisions
    surgery = found.yes_or_no["management"]
    assert (int(surgery.readings.high.sum()), surgery.model) == (8, None)
    assert surgery.readers[0].first.estimate.auc == pytest.approx((1 + 4 / 16) / 2)


def test_without_a_case_of_either_decision_there_is_no_auc() -> None:
    """All who are in a surgical series were operated on: how often surgery was advised is all there is."""
    table = named({"Chief 1": (20, 22)}, [0.0] * 24, wrong=2.0)
    found = analysed({"management": table})
    assert found.yes_or_no == {}
    assert [rate.k for rate in found.named["management"].readers[0].rates] == [20, 22]
    assert any("there is no AUC of the decision for surgery" in note for note in found.notes)


def test_the_sentences_stay_true_alone() -> None:
    said = lesion_reader_sentences(analysed(BINARY))
    assert said[0] == "4 readers read 24 cases for malignancy (10 benign, 14 malignant) without and with CTC."
    beside = [one for one in said if one.startswith("On the same 24 cases the AUC of DMFN for malignancy is 0.")]
    assert len(beside) == 4
    assert "than the mean of readers of level chief with CTC (0." in beside[-1]
    assert "4 readers named one of 3 decisions in 24 cases, without and with CTC." in said
    assert any(
        "mean share of right decisions of readers of level resident is 0.792 with CTC and 0.542" in one for one in said
    )


def test_everything_is_written_and_read_back(tmp_path: Path, undrawn: None) -> None:
    cohort = lesions()
    write_lesion_reader_study(
        cohort, BINARY, output=tmp_path, task="binary", scores=scores_of(cohort, MODEL | TUNING), subjects="patients"
    )
    written = {name for name in LESION_READER_FILES if (tmp_path / name).exists()}
    assert written == set(LESION_READER_FILES) - {"lesion_readers_class.png", "lesion_readers_class.svg"}
    document = LESION_READER_STUDY.read(tmp_path)
    assert [picture.file.name for picture in document.pictures] == [
        "lesion_readers_diagnosis.png",
        "lesion_readers_management.png",
    ]
    titles = [table.title for table in document.tables]
    assert titles[0] == "Table 3: readers without and with CTC for malignancy, 24 cases"
    assert "DMFN against readers for malignancy, on the same 24 cases" in titles
    assert "Right decisions of readers without and with CTC, 24 cases" in titles
    cells = {row.title: row.cells for row in document.tables[0].rows}
    assert cells["Chief physicians, published (validation)"][0] == "0.802 (0.742–0.863)"
    assert cells["DMFN"][2] == "0.929 (0.685–0.987)"  # 13 of 14
    content = json.loads((tmp_path / LESION_READER_STUDY.name).read_text())
    assert (content["task"], content["simulated"], content["model"]["threshold"]) == ("binary", False, 0.5)
    assert content["right_answers"]["management"]["readers"][0]["right"][WITHOUT]["k"] == 12
    assert content["yes_or_no"]["diagnosis"]["high"] == 14


def test_simulated_readers_are_of_phantoms_and_it_is_said(tmp_path: Path, undrawn: None) -> None:
    cohort = lesions()
    for subjects in ("patients", "patients and phantoms", None):
        with pytest.raises(BadInputError, match="readers are simulated of phantoms alone; give the table"):
            write_lesion_reader_study(cohort, None, output=tmp_path, task="binary", subjects=subjects)
    write_lesion_reader_study(cohort, None, output=tmp_path, task="binary", subjects="phantoms")
    document = LESION_READER_STUDY.read(tmp_path)
    assert document.title == "Simulated readers without and with CTC, binary task"
    assert all("simulated reader" in sentence for sentence in document.sentences)
    assert all(row.kind != "published" for table in document.tables for row in table.rows)
    assert any("theirs without is taken" in note for note in document.notes)
    assert any("The reference decision is made up" in note for note in document.notes)
    assert "Published" not in (tmp_path / "lesion_reader_tables.md").read_text()


def test_of_few_cases_no_interval_is_told() -> None:
    """Twelve cases, one level: means and counts, but no interval and no p-value of an AUC or a share."""
    cohort = lesions()
    few = LesionCohort((*cohort.cases[4:16], *cohort.cases[-4:]), {}, CLASSES)
    kept = {case.case_id for case in few.cases}
    tables = {
        name: ReaderTable(
            tuple(row for row in table.rows if row.case_id in kept and row.reader.startswith("Chief")),
            {reader: level for reader, level in table.levels.items() if level == "chief"},
            {case: right for case, right in table.references.items() if case in kept},
        )
        for name, table in BINARY.items()
    }
    said = lesion_reader_sentences(analysed(tables, few))
    assert "12 cases are too few to tell whether readers are better for malignancy with CTC." in said
    assert sum("(too few cases for an interval)" in one for one in said) == 3
    assert all("CI" not in one and "p = " not in one for one in said)


def test_graded_ratings_have_curves(tmp_path: Path, undrawn: None) -> None:
    graded = ReaderTable(tuple(replace(row, rating=row.rating * 3) for row in DIAGNOSES.rows), DIAGNOSES.levels)
    found = write_lesion_reader_study(
        lesions(), {"diagnosis": graded}, output=tmp_path, task="binary", high_from=2, subjects="patients"
    )
    figure = reader_figure(found.yes_or_no["diagnosis"])
    assert [axes.get_title("left") for axes in figure.axes] == ["resident", "chief"]
    assert len(figure.axes[0].lines) == 2 * 5 + 1  # two readers: a line, two marks and two curves each; chance


def classes_of(cohort: LesionCohort, right: int) -> ClassScoreTable:
    """The model names the right class of the first cases, the last class of the others."""
    rows = []
    for at, case in enumerate(cohort.of_split("external")):
        place = CLASSES.index(str(case.lesion_class)) if at < right else 2
        rows.append(ClassScore("dmfn", 0, "external", case.case_id, str(case.lesion_class), tuple(np.eye(3)[place])))
    return ClassScoreTable(CLASSES, tuple(rows))


def test_classes_are_named_by_readers_and_model(tmp_path: Path, undrawn: None) -> None:
    """The model is right in 20 of 24, Resident 1 in 12: the model alone in eight; one answer has an area too."""
    cohort = lesions()
    table = named({"Resident 1": (12, 16), "Chief 1": (20, 24)}, [0.0] * 10 + [1.0] * 14, wrong=2.0)
    found = write_lesion_reader_study(
        cohort, {"class": table}, output=tmp_path, task="multiclass", scores=classes_of(cohort, 20), subjects="patients"
    )
    model, macro = found.named["class"].model, found.macro
    assert model is not None and macro is not None
    assert (model.rate.k, model.readers["Resident 1", WITHOUT].second) == (20, 8)
    assert macro.judged == (0, 1)
    assert macro.area("Chief 1", WITH) == 1.0
    # cysts all found, thymomas 2 of 14, nothing wrongly called either
    assert macro.area("Resident 1", WITHOUT) == pytest.approx((1 + 2 / 14) / 4 + 0.5)
    document = LESION_READER_STUDY.read(tmp_path)
    assert [picture.file.name for picture in document.pictures] == ["lesion_readers_class.png"]
    rows = {row.title: row.cells for row in document.tables[0].rows}
    assert rows["Chief physicians, published"][:2] == ("–", "0.787 (0.714–0.862)")
    assert "On the same 24 cases the share of right classes of DMFN is 0.833" in " ".join(document.sentences)


def test_what_makes_results_too_good_is_noted() -> None:
    cohort = lesions()
    changed = tuple(
        replace(case, split="training" if case.case_id == "x00" else "tuning" if case.case_id == "x01" else case.split)
        for case in cohort.cases
    )
    changed = tuple(replace(case, ctc_level=None) if case.case_id == "x02" else case for case in changed)
    changed = tuple(replace(case, patient="p_x04") if case.case_id == "x03" else case for case in changed)
    said = analysed({"diagnosis": DIAGNOSES}, LesionCohort(changed, {}, CLASSES)).notes
    assert [note.partition(" of the")[0] for note in said if note[0] == "1"] == ["1", "1", "1"]
    text = " ".join(said)
    for what in ("are of the training cohort", "are of the tuning cohort", "have no level of CTC", "several cases"):
        assert what in text


def test_a_model_without_a_threshold_has_no_rates() -> None:
    """No tuning case: its AUC is compared, its sensitivity is not known."""
    cohort = lesions()
    scores = scores_of(cohort, MODEL)
    model = model_scores(scores, task="binary", classes=scores.classes, model="dmfn")
    found = analyse_lesion_readers({"diagnosis": DIAGNOSES}, cohort, task="binary", model=model)
    assert found.comparison is not None and found.comparison.readers[0].sensitivity is None
    assert found.yes_or_no["diagnosis"].model is None


def test_bad_studies_are_refused() -> None:
    cohort = lesions()
    scores = scores_of(cohort, MODEL | TUNING)
    fewer = LesionCohort(cohort.cases[1:], {}, CLASSES)
    with pytest.raises(UnmatchedCasesError, match="case x00 was read, but takes no part in the study"):
        analysed(BINARY, fewer)
    with pytest.raises(BadInputError, match="no reading is of the multiclass task, whose questions are class"):
        analyse_lesion_readers(BINARY, cohort, task="multiclass")
    with pytest.raises(BadInputError, match="the scores are of the classes benign, malignant, the multiclass task has"):
        model_scores(scores, task="multiclass", classes=CLASSES, model="dmfn")
    with pytest.raises(BadInputError, match="there are no scores of regnet; name one of dmfn"):
        model_scores(scores, task="binary", classes=scores.classes, model="regnet")
    unscored = scores_of(cohort, {case: score for case, score in MODEL.items() if case != "x05"} | TUNING)
    model = model_scores(unscored, task="binary", classes=scores.classes, model="dmfn")
    with pytest.raises(UnmatchedCasesError, match="case x05 was read, but DMFN has no score of it"):
        analyse_lesion_readers(BINARY, cohort, task="binary", model=model)
    benign = LesionCohort(tuple(replace(case, malignant=case.case_id == "x23") for case in cohort.cases), {}, CLASSES)
    with pytest.raises(TooFewCasesError, match="1 malignant and 23 benign cases were read; an AUC takes 2 of each"):
        analyse_lesion_readers({"diagnosis": DIAGNOSES}, benign, task="binary")
    table = named({"Chief 1": (20, 24)}, [0.0] * 10 + [1.0] * 14, wrong=2.0)
    others = LesionCohort((lesion("x00", True, lesion_class=None), *cohort.cases[1:]), {}, CLASSES)
    with pytest.raises(BadInputError, match="case x00 was read for its class, but its diagnosis is of no class"):
        analyse_lesion_readers({"class": table}, others, task="multiclass")
    graded = ReaderTable(tuple(replace(row, rating=row.rating * 3) for row in DIAGNOSES.rows), DIAGNOSES.levels)
    with pytest.raises(BadInputError, match=r"from which rating on a case is called malignant \(high_from\)"):
        analyse_lesion_readers({"diagnosis": graded}, cohort, task="binary")
