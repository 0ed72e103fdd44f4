"""Scores out of fold and of external cases; and what the order of steps does to noise."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("imblearn", reason="imbalanced-learn is not installed")

from sklearn.svm import SVC

from nnunet_amt.base.files import write_csv
from nnunet_amt.base.run_record import read_runs
from nnunet_amt.errors import ManifestError, MissingExtraError, SplitLeakageError, TooFewCasesError
from nnunet_amt.risk.radiomics.feature_tables import FeatureTable
from nnunet_amt.risk.radiomics.radiomics_scores import LEARNERS, RadiomicsScores, radiomics_scores
from nnunet_amt.risk.radiomics.train_radiomics import train_radiomics
from nnunet_amt.risk.scores import ScoreRow

SVM = ("Rad_SVM",)


@dataclass(frozen=True)
class Case:
    case_id: str
    patient: str
    split: str
    high: bool


@dataclass(frozen=True)
class Cohort:
    cases: list[Case]
    features: FeatureTable
    second: FeatureTable

    def scores(self, **given: Any) -> RadiomicsScores:
        """Of the SVM alone by two folds, unless something else is said: it is quick."""
        return radiomics_scores(self.cases, self.features, self.second, **{"learners": SVM, "folds": 2, **given})


def cohort(values: np.ndarray, high: Sequence[bool], *, external: int = 0, read_twice: int | None = None) -> Cohort:
    """One case a patient, the last `external` ones from elsewhere, and the first read again with next to no change."""
    number, features = values.shape
    splits = ["training"] * (number - external) + ["external"] * external
    cases = [Case(f"c{i}", f"p{i}", splits[i], bool(high[i])) for i in range(number)]
    names = tuple(f"f{i}" for i in range(features))
    table = FeatureTable(tuple(case.case_id for case in cases), names, values)
    again = values + 0.001 * np.random.default_rng(9).normal(size=values.shape)
    twice = slice(number // 2 if read_twice is None else read_twice)
    return Cohort(cases, table, FeatureTable(table.case_ids[twice], names, again[twice]))


def told_apart(number: int, *, external: int = 0, difference: float = 3.0) -> Cohort:
    """Six features of noise; the fifth is higher in every third case, which has a high risk."""
    high = np.arange(number) % 3 == 0
    values = np.random.default_rng(2).normal(size=(number, 6))
    values[:, 4] += difference * high
    return cohort(values, high.tolist(), external=external)


def auc(rows: Sequence[ScoreRow]) -> float:
    """Share of pairs of a case of high and one of low risk in which the former has the higher score."""
    high = np.array([row.score for row in rows if row.high])
    low = np.array([row.score for row in rows if not row.high])
    return float(np.mean(high[:, None] > low) + np.mean(high[:, None] == low) / 2)


def of(result: RadiomicsScores, kind: str, model: str = "Rad_SVM") -> list[ScoreRow]:
    return [row for row in result.rows if (row.kind, row.model) == (kind, model)]


def test_all_five_learners_tell_apart_what_can_be_told_apart() -> None:
    """Every development case has one score out of fold and one of training, every external case one, from 0 to 1."""
    made = told_apart(45, external=12)
    result = made.scores(learners=LEARNERS)
    for model in LEARNERS:
        for kind, number in (("out_of_fold", 33), ("training", 33), ("external", 12)):
            rows = of(result, kind, model)
            assert len({row.case_id for row in rows}) == len(rows) == number
            assert auc(rows) > 0.85, (model, kind)
            assert all(0 <= row.score <= 1 for row in rows)
    assert {row.fold for row in of(result, "out_of_fold")} == {0, 1}
    assert result.selected[0].name == "f4"
    assert result.selected[0].folds == 2
    icc, icc_low = result.selected[0].icc, result.selected[0].icc_low
    assert icc == pytest.approx(1, abs=1e-4)
    assert icc is not None and icc_low is not None and 0.99 < icc_low < icc


def test_the_unit_of_a_feature_changes_nothing() -> None:
    """All features are brought to their z-score first: else LASSO and SVM would see little of one in m."""
    made = told_apart(45)
    in_other_units = np.array([1e3, 1e-3, 1, 1, 1e-3, 1])
    first, second = (
        replace(table, values=table.values * in_other_units + 7 * in_other_units)
        for table in (made.features, made.second)
    )
    expected = [row.score for row in made.scores().rows]
    assert [row.score for row in replace(made, features=first, second=second).scores().rows] == pytest.approx(expected)


def test_the_cases_of_a_patient_are_in_one_fold() -> None:
    made = told_apart(30)
    cases = [replace(case, patient=f"p{number // 6}", high=number // 6 < 2) for number, case in enumerate(made.cases)]
    result = replace(made, cases=cases).scores()
    fold = {row.case_id: row.fold for row in of(result, "out_of_fold")}
    for first in range(0, 30, 6):
        assert len({fold[case.case_id] for case in cases[first : first + 6]}) == 1


def test_external_cases_change_nothing_of_the_models() -> None:
    """Other features and other risks of external cases: the same scores of development cases."""
    made = told_apart(36, external=6)
    values = made.features.values.copy()
    values[-6:] = 1000
    cases = [case if case.split == "training" else replace(case, high=not case.high) for case in made.cases]
    before, after = made.scores(), Cohort(cases, replace(made.features, values=values), made.second).scores()
    for kind in ("out_of_fold", "training"):
        assert of(after, kind) == of(before, kind)


def test_the_same_seed_gives_the_same_scores() -> None:
    made = told_apart(30, external=3)
    drawn = ("Rad_SVM", "Rad_ExtraTrees")
    assert made.scores(learners=drawn) == made.scores(learners=drawn)


def test_nothing_is_learnt_of_the_cases_that_a_fold_scores() -> None:
    """Other features and readings of one case change its own score, and no other's in its fold."""
    made = told_apart(30)
    before = {row.case_id: row for row in of(made.scores(), "out_of_fold")}
    values, again = made.features.values.copy(), made.second.values.copy()
    values[0], again[0] = 50, -50
    changed = Cohort(made.cases, replace(made.features, values=values), replace(made.second, values=again))
    after = {row.case_id: row for row in of(changed.scores(), "out_of_fold")}
    of_its_fold = [case_id for case_id, row in before.items() if row.fold == before["c0"].fold and case_id != "c0"]
    assert len(of_its_fold) > 3
    assert all(after[case_id] == before[case_id] for case_id in of_its_fold)
    assert after["c0"] != before["c0"]


def noise(seed: int) -> Cohort:
    """60 cases, 20 of high risk, and 300 features that know nothing of it."""
    values = np.random.default_rng(seed).normal(size=(60, 300))
    return cohort(values, [number < 20 for number in range(60)])


@pytest.mark.slow
def test_noise_stays_noise_inside_the_folds_and_not_in_the_papers_order() -> None:
    """Selection and SMOTE before the cross-validation make an AUC of .86 of nothing."""
    ours = [auc(of(noise(seed).scores(seed=seed, folds=5), "out_of_fold")) for seed in range(6)]
    papers = [auc(of(noise(seed).scores(seed=seed, folds=5, paper_order=True), "out_of_fold")) for seed in range(6)]
    assert 0.35 < np.mean(ours) < 0.65
    assert np.mean(papers) > 0.85


def test_the_papers_order_counts_cases_that_smote_has_made_up() -> None:
    """8 high of 24 need 8 more; the external scores are those of the right order, which one refit gives."""
    made = told_apart(30, external=6)
    papers, ours = made.scores(paper_order=True), made.scores()
    assert sum(row.case_id.startswith("smote_") for row in of(papers, "out_of_fold")) == 8
    assert len(of(papers, "out_of_fold")) == 32
    assert of(papers, "external") == of(ours, "external")


def test_a_case_without_features_is_named_and_has_no_score() -> None:
    made = told_apart(30)
    cases = [*made.cases, Case("lost", "q", "external", True)]
    result = replace(made, cases=cases).scores()
    assert "cases: without features and so without scores: lost" in result.warnings
    assert of(result, "external") == []


def test_few_patients_of_a_risk_make_fewer_folds_with_warnings() -> None:
    """Three of high risk: three folds, and SMOTE with one neighbour in place of five."""
    values = np.random.default_rng(0).normal(size=(20, 4))
    result = cohort(values, [number < 3 for number in range(20)]).scores(folds=5)
    assert {row.fold for row in of(result, "out_of_fold")} == {0, 1, 2}
    assert "cases: 3 folds in place of 5, as many as patients of the rarer risk" in result.warnings
    assert "fold 0: the smaller class has 2 cases: SMOTE takes 1 neighbours in place of 5" in result.warnings


def test_no_second_reading_is_a_warning_of_each_fit() -> None:
    values = np.random.default_rng(0).normal(size=(20, 4))
    result = cohort(values, [number % 2 == 0 for number in range(20)], read_twice=0).scores()
    said = [text for text in result.warnings if text.endswith("no feature is left out by its ICC")]
    assert [text.partition(":")[0] for text in said] == ["fold 0", "fold 1", "refit"]
    assert result.selected[0].icc is None


def test_a_risk_without_cases_is_refused() -> None:
    values = np.random.default_rng(0).normal(size=(10, 3))
    with pytest.raises(TooFewCasesError, match="1 development patients with features have high risk, at least 2 are"):
        cohort(values, [number == 0 for number in range(10)]).scores()
    with pytest.raises(TooFewCasesError, match="0 development patients with features have low risk"):
        cohort(values, [True] * 10).scores()


def test_a_patient_on_both_sides_is_refused_without_the_name() -> None:
    made = told_apart(30, external=3)
    cases = [*made.cases[:-1], replace(made.cases[-1], patient="p0")]
    with pytest.raises(SplitLeakageError, match=r"cases 'c0' \(development\) and 'c29' \(external\)") as refused:
        replace(made, cases=cases).scores()
    assert "p0" not in str(refused.value)


def test_the_svm_decides_at_a_half() -> None:
    """Its score is above .5 just where scikit-learn's SVM says 1; no calibration moves the border."""
    from nnunet_amt.risk.radiomics.learners import Learners

    values = np.random.default_rng(0).normal(size=(40, 2))
    high = (values[:, 0] > 0.5).astype(int)
    learners = Learners(SVM).fit(values, high)
    assert ((learners.predict(values)[:, 0] > 0.5) == SVC().fit(values, high).predict(values)).all()


def write_tables(made: Cohort, folder: Path) -> None:
    for name, table in (("features.csv", made.features), ("features_second.csv", made.second)):
        rows = ((case_id, *row) for case_id, row in zip(table.case_ids, table.values.tolist(), strict=True))
        write_csv(folder / name, ("case_id", *table.names), rows)


def test_the_stage_writes_scores_features_and_warnings(tmp_path: Path) -> None:
    made = told_apart(30, external=3)
    write_tables(made, tmp_path / "features")
    output = tmp_path / "models"
    result = train_radiomics(made.cases, features=tmp_path / "features", output=output, learners=SVM, folds=2)
    assert result == made.scores()
    with (output / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["model", "kind", "fold", "case_id", "high", "score"]
    assert {row["kind"]: row["fold"] for row in rows} == {"out_of_fold": "1", "training": "", "external": ""}
    assert len(rows) == 27 + 27 + 3
    assert (output / "selected_features.csv").read_text().startswith("feature,coefficient,icc,icc_95_low,folds\nf4,")
    before = (output / "scores.csv").read_bytes()
    train_radiomics(made.cases, features=tmp_path / "features", output=output, learners=SVM, folds=2)
    assert (output / "scores.csv").read_bytes() == before
    (run,) = read_runs(output)
    assert (run["stage"], run["counts"]["scores"]) == ("risk-radiomics", 57)


def test_tables_of_different_features_are_refused(tmp_path: Path) -> None:
    made = told_apart(30)
    other = replace(made.second, names=("g", *made.second.names[1:]))
    write_tables(replace(made, second=other), tmp_path)
    with pytest.raises(ManifestError, match=r"features_second\.csv line 1: has other features than features\.csv"):
        train_radiomics(made.cases, features=tmp_path, output=tmp_path / "models", learners=SVM)


def test_without_the_extra_one_line_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imblearn", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[risk\]'"):
        told_apart(30).scores()
