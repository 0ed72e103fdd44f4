"""What the page is made from: paths as they may be told, and tables read back from results."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.report import write_report
from nnunet_amt.report.study_content import read_study_content, shown_path
from nnunet_amt.study import find_study
from tests.report.studies import TABLE_1, PageReader


def test_a_path_outside_of_the_study_is_told_by_its_last_name(tmp_path: Path) -> None:
    assert shown_path(tmp_path / "study" / "predictions", tmp_path / "study") == "predictions"
    assert shown_path(tmp_path / "jane" / "predictions", tmp_path / "study") == "predictions"
    assert shown_path(tmp_path / "study" / "raw" / "labelsTs", tmp_path / "study") == "raw/labelsTs"


def test_tables_of_results_come_back_with_their_groups_and_notes(study: Path) -> None:
    [table] = read_study_content(find_study(study)).cohort_tables or ()
    assert table.as_json() == TABLE_1


def test_results_of_an_earlier_version_say_what_to_run_again(study: Path, tmp_path: Path) -> None:
    """Its failures.json and component_analysis.json hold no tables, and its dataset has them in Markdown only."""
    shutil.copytree(study, tmp_path / "study")
    dataset = tmp_path / "study" / "nnUNet_raw" / "Dataset711_Tiny"
    (dataset / "cohort_tables.json").unlink()
    failures = tmp_path / "study" / "evaluation_failures" / "failures.json"
    record = json.loads(failures.read_text())
    record.pop("tables", None)
    failures.write_text(json.dumps(record))
    (tmp_path / "study" / "evaluation" / "component_analysis.json").write_text('{"rows": []}')
    page = write_report(tmp_path / "study", tmp_path / "report.html", viewer=False).path.read_text()
    text = PageReader(page).text()
    assert "Not here: Tables 1 and 2 are missing from the dataset, or were written by an earlier version." in text
    assert "Not here: The failure analysis was made by an earlier version" in text
    assert "nnunet_amt failures predictions nnUNet_raw/Dataset711_Tiny/labelsTs -o evaluation_failures" in text
    assert "Not here: The analysis of lesion definitions was made by an earlier version" in text
    assert "Features of the tumours in the worst" in text, "its figure is shown all the same"


def test_a_broken_table_is_named(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "study")
    tables = tmp_path / "study" / "nnUNet_raw" / "Dataset711_Tiny" / "cohort_tables.json"
    tables.write_text('[{"title": "Table 1"}]')
    with pytest.raises(BadInputError, match=r"cohort_tables\.json: is not what convert writes .*nnunet_amt convert"):
        read_study_content(find_study(tmp_path / "study"))
