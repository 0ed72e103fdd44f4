"""A reader study of the published size that can be worked out on paper, and its refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError, TooFewCasesError, UnmatchedCasesError
from nnunet_amt.risk.cases import RiskCase
from nnunet_amt.risk.reading.reader_analysis import analyse_study
from nnunet_amt.risk.reading.reader_figure import reader_figure
from nnunet_amt.risk.reading.reader_file import WITH, WITHOUT, ReaderTable
from nnunet_amt.risk.reading.reader_sentences import reader_sentences
from nnunet_amt.risk.reading.reader_study import (
    READER_FILES,
    read_components,
    write_reader_study,
)
from nnunet_amt.risk.reading.reader_tables import table_3
from nnunet_amt.risk.reading.simulated import published_aucs, simulate_readers
from nnunet_amt.statistics.reader_table import Reading
from nnunet_amt.statistics.readers import analyse_readers
from nnunet_amt.study.study_files import READER_STUDY
from tests.risk.evaluation.made_up import risk_case

LOW, HIGH = 20, 41  # the published external set
# Right answers, low-risk and high-risk, without and with AI: those of the paper's Table 3.
ANSWERS = {
    "Junior 1": ((11, 35), (15, 36)),
    "Junior 2": ((12, 34), (16, 36)),
    "Senior 1": ((15, 37), (16, 37)),
    "Senior 2": ((15, 38), (16, 38)),
}


def the_cases(**about: Any) -> list[RiskCase]:
    return [risk_case(f"x{place}", "external", place >= LOW, **about) for place in range(LOW + HIGH)]


def the_table() -> ReaderTable:
    """Readers are right in the first cases of either class, so many as in the paper."""
    rows = []
    for reader, of_conditions in ANSWERS.items():
        for condition, (low, high) in zip((WITHOUT, WITH), of_conditions, strict=True):
            answers = [0.0] * low + [1.0] * (LOW - low) + [1.0] * high + [0.0] * (HIGH - high)
            rows += [Reading(reader, condition, f"x{place}", answer) for place, answer in enumerate(answers)]
    return ReaderTable(tuple(rows), {reader: reader.partition(" ")[0].lower() for reader in ANSWERS})


def test_table_3_has_the_published_figures() -> None:
    """Junior 1 is right in 11 of 20 and 35 of 41: the printed .702 [.5773-.8264], .754, .854 and .550."""
    found = analyse_study(the_table(), the_cases())
    junior = found.readers[0]
    assert junior.first.estimate.auc == pytest.approx(0.702, abs=5e-4)
    assert junior.first.estimate.interval == pytest.approx((0.5773, 0.8264), abs=6e-5)
    rates = {name: rate.value for name, rate in junior.first.rates.items()}
    assert rates == pytest.approx(
        {"accuracy": 0.754, "sensitivity": 0.854, "specificity": 0.55, "ppv": 0.795, "npv": 0.647}, abs=5e-4
    )
    cells = {row.title: row.cells for row in table_3(found).rows}
    assert cells["Junior 1, without AI"][0] == "0.702 (0.577–0.826)"
    assert cells["Junior 1, published"][0] == "0.702 (0.5773–0.8264)"


def test_the_answer_is_of_all_readers_and_of_each_level() -> None:
    table = the_table()
    found = analyse_study(table, the_cases())
    assert found.levels == ("junior", "senior")
    assert found.study == analyse_readers(found.readings)
    assert found.of_level["junior"] == analyse_readers(found.readings.of(["Junior 1", "Junior 2"]))
    assert list(found.between_levels) == [
        "junior without AI, senior without AI",
        "junior with AI, senior with AI",
        "junior with AI, senior without AI",
    ]
    assert "Obuchowski-Rockette, for readers like these" in reader_sentences(found)[1]


def test_one_level_is_not_compared_with_itself() -> None:
    table = the_table()
    found = analyse_study(ReaderTable(table.rows, dict.fromkeys(table.levels, "resident")), the_cases())
    assert (found.of_level, found.between_levels) == ({}, {})


def test_everything_is_written_and_read_back(tmp_path: Path, undrawn: None) -> None:
    cases = the_cases()
    found = write_reader_study(
        the_table(), cases, output=tmp_path / "out", model_scores={case.case_id: 0.9 * case.high for case in cases},
        model_threshold=0.5, subjects="patients",
    )  # fmt: skip
    assert all((tmp_path / "out" / name).exists() for name in READER_FILES)
    assert read_components(tmp_path / "out") == found.study.components
    document = READER_STUDY.read(tmp_path / "out")
    assert document.sentences == reader_sentences(found)
    assert [table.title.partition(":")[0] for table in document.tables] == [
        "Table 3",
        "Mean AUC of readers with AI less without (Obuchowski and Rockette)",
        "Mean AUC of levels compared",
        "Planned study",
    ]
    content = json.loads((tmp_path / "out" / READER_STUDY.name).read_text())
    assert content["model"]["auc"] == 1.0
    assert content["model"]["interval"] is None  # all in order is no certainty
    assert content["all_readers"]["fixed_readers"]["ddf"] is None


def test_nothing_of_the_paper_stands_beside_phantoms(tmp_path: Path) -> None:
    table = simulate_readers({case.case_id: case.high for case in the_cases()})
    write_reader_study(table, the_cases(), output=tmp_path / "out", subjects="phantoms", simulated=True, figures=False)
    text = (tmp_path / "out" / "reader_tables.md").read_text()
    assert "Frontiers" not in text
    assert "6 simulated readers read 61 cases" in text
    assert "they are no people" in text


def test_few_cases_have_no_intervals_and_no_p(tmp_path: Path) -> None:
    """Of ten cases DeLong's variances are too small: three equal gains would have p < 0.001."""
    cases = the_cases()[15:25]
    table = simulate_readers({case.case_id: case.high for case in cases})
    write_reader_study(table, cases, output=tmp_path / "out", figures=False)
    document = READER_STUDY.read(tmp_path / "out")
    assert document.sentences[-1] == "10 cases are too few to tell whether readers are better with AI."
    assert all("p = " not in sentence and "CI" not in sentence for sentence in document.sentences)
    answer = next(table for table in document.tables if table.title.startswith("Mean AUC of readers"))
    assert {row.cells[3:] for row in answer.rows if row.kind == "row"} == {("–", "–")}


def test_cases_that_models_were_trained_on_are_told() -> None:
    cases = [*the_cases()[1:], risk_case("x0", "training", False)]
    (note,) = analyse_study(the_table(), cases).notes
    assert note.startswith("1 of the 61 cases are of the training centres")


def test_graded_ratings_need_a_cut() -> None:
    cases = the_cases()
    table = simulate_readers({case.case_id: case.high for case in cases}, levels=5)
    with pytest.raises(BadInputError, match="ratings are graded, not yes and no: say from which rating on"):
        analyse_study(table, cases)
    found = analyse_study(table, cases, high_from=4)
    ratings = found.readings.in_condition(WITHOUT, ["Junior 1"])[0]
    assert found.readers[0].first.rates["sensitivity"].k == int((ratings[found.readings.high] >= 4).sum())


def test_bad_studies_are_refused() -> None:
    table, cases = the_table(), the_cases()
    with pytest.raises(BadInputError, match=r"x60 by reader Senior 2 in condition with AI is missing"):
        analyse_study(ReaderTable(table.rows[: 8 * 61 - 1], table.levels), cases)
    with pytest.raises(BadInputError, match="case x9 was read, but it is not known whether it is high risk"):
        analyse_study(table, [case for case in cases if case.case_id != "x9"])
    with pytest.raises(UnmatchedCasesError, match="case x0 was read, but the model has no score of it"):
        analyse_study(table, cases, model_scores={})
    with pytest.raises(TooFewCasesError, match="there are 0 high-risk and 20 low-risk cases"):
        few = ReaderTable(tuple(row for row in table.rows if int(row.case_id[1:]) < LOW), table.levels)
        analyse_study(few, cases)


def test_the_figure_has_a_panel_a_level_and_two_marks_a_reader() -> None:
    """Each reader is a line between an open and a filled mark; chance is the last line."""
    figure = reader_figure(analyse_study(the_table(), the_cases()))
    assert [axes.get_title("left") for axes in figure.axes] == ["junior", "senior"]
    junior = figure.axes[0]
    assert len(junior.lines) == 2 * 3 + 1
    before = junior.lines[1]
    assert (np.asarray(before.get_xdata())[0], np.asarray(before.get_ydata())[0]) == pytest.approx(
        (1 - 11 / 20, 35 / 41)
    )


def test_simulated_readers_have_the_published_aucs() -> None:
    """Of 4000 cases the AUC of a reader is near the one that it was drawn for."""
    aucs = published_aucs()
    assert aucs["Junior 1"] == (0.702, 0.814)
    assert len(aucs) == 6
    found = analyse_study(
        simulate_readers({f"c{place}": place % 2 == 1 for place in range(4000)}, seed=1),
        [risk_case(f"c{place}", "external", place % 2 == 1) for place in range(4000)],
        simulated=True,
    )
    for one in found.readers:
        assert one.first.estimate.auc == pytest.approx(aucs[one.name][0], abs=0.03)
        assert one.second.estimate.auc == pytest.approx(aucs[one.name][1], abs=0.03)
