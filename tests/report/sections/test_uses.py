"""What each result may be used for, on whom it was trained and tested: as the records have it, and no more."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.report.page_parts import page_environment
from nnunet_amt.report.sections.uses import Use, uses
from nnunet_amt.report.study_content import StudyContent, read_study_content
from nnunet_amt.study import find_study
from nnunet_amt.study.facts import ModelFacts
from nnunet_amt.study.study_files import risk_files
from tests.report.studies import PageReader, write_lesion_study, write_risk_study
from tests.study.recorded_model import recorded, write_runs


@pytest.fixture(scope="module")
def content(study: Path, tmp_path_factory: pytest.TempPathFactory) -> StudyContent:
    folder = tmp_path_factory.mktemp("uses") / "study"
    shutil.copytree(study, folder)
    write_risk_study(folder)
    write_lesion_study(folder)
    return read_study_content(find_study(folder))


def of(content: StudyContent, anchor: str) -> Use:
    [found] = [use for use in uses(content) if use.anchor == anchor]
    return found


def with_model(content: StudyContent, same_split: bool | None) -> StudyContent:
    return replace(content, facts=replace(content.facts, model=ModelFacts(trained=True, same_split=same_split)))


def with_facts(content: StudyContent, task: str, **changes: Any) -> StudyContent:
    result = content.risk[task]
    return replace(content, risk={task: replace(result, facts=replace(result.facts, **changes))})


def test_each_result_that_was_evaluated_is_told_of(content: StudyContent) -> None:
    assert [use.anchor for use in uses(content)] == ["results", "risk", "binary", "multiclass"]
    readers_alone = replace(content, risk={"risk": replace(content.risk["risk"], evaluation=None)})
    assert [use.anchor for use in uses(readers_alone)] == ["results"]


def test_the_segmentation_was_trained_on_what_its_record_says(content: StudyContent) -> None:
    """Two training cases of one institution in the audit; they are told only where the model's split is that one."""
    assert of(content, "results").trained == "Not on record in this study."
    same = with_model(content, True)
    assert of(same, "results").trained == "2 CTs of 2 patients from 1 institution."
    assert "by another split than the dataset's" in of(with_model(content, False), "results").trained
    assert of(same, "results").tested == (
        "3 CTs of patients from 2 institutions, none of which gave a case to its training or tuning."
    )
    assert of(same, "results").untested == "CTs without a tumour."


def test_of_phantoms_it_is_said_that_no_patient_was_tested(content: StudyContent) -> None:
    phantoms = replace(with_model(content, True), facts=replace(content.facts, subjects="phantoms"))
    assert of(phantoms, "results").untested == "Patients: every case is a phantom; CTs without a tumour."
    assert of(phantoms, "results").tested.startswith("3 CTs of phantoms from 2 made-up institutions")
    unsaid = replace(content, facts=replace(content.facts, subjects=None))
    assert of(unsaid, "results").tested.startswith("3 CTs from 2 institutions (whether of patients is not on record)")
    assert of(unsaid, "results").untested.startswith("Patients, as far as is on record")


def test_a_model_of_risk_was_trained_and_tested_on_what_its_summary_says(content: StudyContent) -> None:
    use = of(content, "risk")
    assert use.trained == "6 CTs of phantoms from 1 made-up institution."
    assert use.tested == "4 CTs of phantoms from 1 made-up institution, none of which it was trained on."
    assert use.untested == (
        "Patients: every case is a phantom; outlines that a model drew: it looked at the reference outlines."
    )
    patients = of(with_facts(content, "risk", subjects="patients", predicted_outlines=True), "risk")
    assert patients.trained == "6 CTs of 6 patients from 1 institution."
    assert patients.untested == ""


def test_where_no_model_scored_external_cases_none_was_tested(content: StudyContent) -> None:
    use = of(with_facts(content, "risk", scored=frozenset()), "risk")
    assert use.tested == "No other cases than those that it was made with."
    assert "; external cases;" in use.untested


def test_a_lesion_model_is_bound_to_classes_unit_and_levels(content: StudyContent) -> None:
    """15 lesions a split, one of them without a level; where its ROIs came from is on no record here."""
    use = of(content, "multiclass")
    assert "one of its 3 classes for every lesion" in use.may_not
    assert use.trained == "15 CTs of phantoms from 1 made-up institution. When to stop was chosen on 15 more."
    assert use.untested == "Patients: every case is a phantom; CTC levels in another unit than pg/ml."
    external = replace(content.risk["binary"].facts.sets["external"], without_level=0)
    facts = {"sets": {"external": external}, "ctc_unit": None, "predicted_outlines": False}
    assert of(with_facts(content, "binary", **facts), "binary").untested == (
        "Patients: every case is a phantom; outlines that a model drew: it looked at the reference outlines; "
        "patients without a CTC level."
    )


def test_the_record_of_the_rois_says_whose_outlines_they_are(content: StudyContent, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(content.study.folder, tmp_path / "study"))
    write_runs(folder / "risk" / "fusion" / "rois", recorded("rois", "2026-11-29", settings={"masks": "reference"}))
    assert "outlines that a model drew" in of(read_study_content(find_study(folder)), "binary").untested


def test_what_an_earlier_version_did_not_write_is_not_on_record(content: StudyContent, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(content.study.folder, tmp_path / "study"))
    path = risk_files(folder)["risk"]
    summary = json.loads(path.read_text())
    del summary["subjects"]
    summary["cases"] = {"training": {"cases": 6, "high": 3}, "external": {"cases": 4, "high": 2}}
    path.write_text(json.dumps(summary))
    use = of(read_study_content(find_study(folder)), "risk")
    assert use.trained == "6 CTs (whether of patients and from how many institutions is not on record)."
    del summary["cases"]
    path.write_text(json.dumps(summary))
    use = of(read_study_content(find_study(folder)), "risk")
    assert (use.trained, use.tested) == ("Not on record in this study.",) * 2


def test_the_part_says_what_none_may_be_used_for_and_leads_to_each(content: StudyContent) -> None:
    template = page_environment().get_template("uses.html.j2")
    page = PageReader(template.render(uses=uses(content)))
    assert "For research only: none may guide a patient's care." in page.text()
    assert page.text().count("Not for") == page.text().count("May be used for") == 4
    assert [link["href"] for link in page.all("a")] == ["#results", "#risk", "#binary", "#multiclass"]
    assert "On whom each was trained" in page.text()
    alone = PageReader(template.render(uses=uses(replace(content, risk={}))))
    assert "On whom it was trained" in alone.text()
