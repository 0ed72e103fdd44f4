"""Connectivity and smallest size, on components that can be counted by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.base.run_record import RECORD_FILE
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation import EvaluationSettings, evaluate, threshold_index
from nnunet_amt.evaluation.component_analysis import COMPONENT_FILES, MinimumSize, analyse_components
from tests.evaluation.builders import row_mask, write_pair


def diagonal_mask() -> np.ndarray:
    """Three boxes of 4 x 4 x 4 voxels: the second touches the first by an edge, the third the second by a corner."""
    mask = np.zeros((12, 12, 12), np.uint8)
    mask[0:4, 0:4, 0:4] = 1
    mask[0:4, 4:8, 4:8] = 1
    mask[4:8, 8:12, 8:12] = 1
    return mask


def test_connectivity_counts_faces_edges_and_corners(tmp_path: Path) -> None:
    """The same mask as reference and prediction: 3 lesions by faces, 2 with edges, 1 with corners, all found."""
    write_pair(tmp_path, "a", diagonal_mask(), diagonal_mask())
    sizes = [MinimumSize(0, "voxels")]
    rows = analyse_components(tmp_path / "predictions", tmp_path / "references", tmp_path / "out", minimum_sizes=sizes)
    assert [(row.connectivity, row.reference_lesions, row.predicted_lesions) for row in rows] == [
        (6, 3, 3),
        (18, 2, 2),
        (26, 1, 1),
    ]
    assert all((row.sensitivity_05, row.fp_per_scan_05) == (1.0, 0.0) for row in rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tumour of 20 voxels found by 12 (IoU 0.6) and false positives of 29, 10, 9 and 1; a second, missed."""
    mask = row_mask(120, (0, 12), (30, 59), (65, 75), (80, 89), (100, 101))
    write_pair(tmp_path, "a", mask, row_mask(120, (0, 20)))
    write_pair(tmp_path, "b", row_mask(120), row_mask(120, (0, 20)))
    return tmp_path


def test_smallest_size_in_voxels_and_in_mm3(folder: Path) -> None:
    """A voxel is 1 x 2 x 5 mm, 10 mm3: 100 mm3 are 10 voxels. Components of exactly the smallest size stay."""
    sizes = [MinimumSize(0, "voxels"), MinimumSize(10, "voxels"), MinimumSize(30, "voxels"), MinimumSize(100, "mm3")]
    rows = analyse_components(folder / "predictions", folder / "references", folder / "out", minimum_sizes=sizes)
    at_26 = [row for row in rows if row.connectivity == 26]
    assert [(row.predicted_lesions, row.dropped_predictions) for row in at_26] == [(5, 0), (3, 2), (0, 5), (3, 2)]
    # One of two lesions is found until 30 voxels are asked for; the rest of what is kept is false, over two scans.
    assert [row.sensitivity_05 for row in at_26] == [0.5, 0.5, 0.0, 0.5]
    assert [row.fp_per_scan_05 for row in at_26] == [2.0, 1.0, 0.0, 1.0]


def test_it_writes_one_table_in_three_forms(folder: Path) -> None:
    rows = analyse_components(folder / "predictions", folder / "references", folder / "out")
    assert {path.name for path in (folder / "out").iterdir()} == {*COMPONENT_FILES, RECORD_FILE}
    assert len(rows) == 3 * 6
    with (folder / "out" / "component_analysis.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [float(row["sensitivity_01"]) for row in table] == [row.sensitivity_01 for row in rows]
    content = json.loads((folder / "out" / "component_analysis.json").read_text())
    assert (content["cases"], len(content["rows"])) == (2, 18)
    (ready,) = content["tables"]
    assert (ready["title"], ready["heading"]) == (
        "Sensitivity analysis: lesions of 2 cases by connectivity and smallest size",
        "Connectivity",
    )
    assert ready["rows"][13]["cells"] == [
        # Wilson's interval of 1 of 2, Garwood's of two events in two scans
        *("10 voxels", "2", "3", "2", "0.500 (0.095–0.905)", "1.000 (0.121–3.612)"),
        *("0.500 (0.095–0.905)", "1.000 (0.121–3.612)"),
    ]
    assert ready["notes"][0].startswith("A sensitivity analysis: ")
    assert "specificity" not in table[0]  # every case has a tumour
    text = (folder / "out" / "component_analysis.md").read_text()
    assert "| 26 | 10 voxels | 2 | 3 | 2 | 0.500 (0.095–0.905) | 1.000 (0.121–3.612) | 0.500 (" in text
    assert text.startswith("# Sensitivity analysis: ")


def test_it_agrees_with_the_evaluation(folder: Path) -> None:
    """The row of 26-connectivity and 10 voxels is what `evaluate` finds by default."""
    rows = analyse_components(folder / "predictions", folder / "references", folder / "out")
    row = next(row for row in rows if (row.connectivity, row.minimum_size, row.unit) == (26, 10, "voxels"))
    settings = EvaluationSettings(bootstrap_resamples=10)
    result = evaluate(
        folder / "predictions", folder / "references", folder / "evaluation", settings=settings, figures=False
    )
    lesion = result.overall.lesion
    loose, strict = threshold_index(0.1), threshold_index(0.5)
    assert (lesion.sensitivity[loose].mean, lesion.fp_per_scan[loose].mean) == (row.sensitivity_01, row.fp_per_scan_01)
    assert (lesion.sensitivity[strict].mean, lesion.fp_per_scan[strict].mean) == (
        row.sensitivity_05,
        row.fp_per_scan_05,
    )
    assert lesion.sensitivity[loose].ci95 == row.sensitivity_01_ci95
    assert lesion.fp_per_scan[strict].ci95 == row.fp_per_scan_05_ci95


def test_intervals_are_those_of_the_evaluation_where_patients_are_drawn(tmp_path: Path) -> None:
    """24 cases of 20 patients: the same resamples of the same counts."""
    for i in range(24):
        mask = row_mask(60, (0, 20 if i % 3 else 0), *([(30, 45)] if i % 4 == 0 else []))
        write_pair(tmp_path, f"c{i:02d}", mask, row_mask(60, (0, 20)))
    cohort = tmp_path / "cohort.csv"
    cohort.write_text("case_id,patient\n" + "".join(f"c{i:02d},p{i % 20:02d}\n" for i in range(24)))
    settings = EvaluationSettings(bootstrap_resamples=50, cluster="patient")
    folders = tmp_path / "predictions", tmp_path / "references"
    rows = analyse_components(*folders, tmp_path / "out", cohort=cohort, settings=settings)
    row = next(row for row in rows if (row.connectivity, row.minimum_size, row.unit) == (26, 10, "voxels"))
    lesion = evaluate(*folders, tmp_path / "e", cohort=cohort, settings=settings, figures=False).overall.lesion
    at = threshold_index(0.5)
    assert row.sensitivity_05_ci95 == pytest.approx(lesion.sensitivity[at].ci95)
    assert row.fp_per_scan_05_ci95 == pytest.approx(lesion.fp_per_scan[at].ci95)
    assert "bootstrap over patients, withheld under 20" in (tmp_path / "out" / "component_analysis.md").read_text()


def test_without_lesions_the_sensitivity_is_undefined(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", row_mask(60, (0, 20)), row_mask(60))
    (row, *_) = analyse_components(tmp_path / "predictions", tmp_path / "references", tmp_path / "out")
    assert (row.sensitivity_01, row.fp_per_scan_01) == (None, 1.0)
    text = (tmp_path / "out" / "component_analysis.md").read_text()
    assert "| 6 | 0 voxels | 0 | 1 | 0 | – | 1.000 (0.025–5.572) | – | 1.000 (0.025–5.572) |" in text


def test_scans_without_a_tumour_have_a_specificity_for_each_definition(tmp_path: Path) -> None:
    """Of two such scans one holds a mark of 12 voxels: it counts as a lesion until 30 voxels are asked for."""
    write_pair(tmp_path, "a", row_mask(60, (0, 20)), row_mask(60, (0, 20)))
    write_pair(tmp_path, "b", row_mask(60, (0, 12)), row_mask(60))
    write_pair(tmp_path, "c", row_mask(60), row_mask(60))
    sizes = [MinimumSize(10, "voxels"), MinimumSize(30, "voxels")]
    rows = analyse_components(tmp_path / "predictions", tmp_path / "references", tmp_path / "out", minimum_sizes=sizes)
    assert [row.specificity for row in rows[:2]] == [0.5, 1.0]
    assert [row.fp_per_scan_05 for row in rows[:2]] == [pytest.approx(1 / 3), 0.0]
    with (tmp_path / "out" / "component_analysis.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [table[0][name][:4] for name in ("specificity", "specificity_wilson95_low")] == ["0.5", "0.09"]
    assert "| 0.500 (0.095–0.905) |" in (tmp_path / "out" / "component_analysis.md").read_text()


def test_a_negative_size_is_refused(folder: Path) -> None:
    sizes = [MinimumSize(-1, "mm3")]
    with pytest.raises(BadInputError, match="the smallest size is -1 mm3; give 0 or more"):
        analyse_components(folder / "predictions", folder / "references", folder / "out", minimum_sizes=sizes)
