"""The whole stage, on cases whose results are known."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt import __version__
from nnunet_amt.base.run_record import RECORD_FILE
from nnunet_amt.evaluation import EvaluationResult, evaluate
from tests.evaluation.builders import row_mask, write_pair
from tests.evaluation.four_cases import CASE_IDS, FILES, SETTINGS, run, write_four_cases


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_four_cases(tmp_path)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> EvaluationResult:
    """An evaluation of the four cases with its figures, which take most of its time; beside it the label maps."""
    folder = write_four_cases(tmp_path_factory.mktemp("drawn"))
    return evaluate(folder / "predictions", folder / "references", folder / "out", settings=SETTINGS)


def test_it_writes_what_it_says(drawn: EvaluationResult) -> None:
    result, folder = drawn, drawn.output.parent
    written = {path.name for path in result.files}
    assert written == {path.name for path in (folder / "out").iterdir()} == set(FILES)
    assert all(path.stat().st_size for path in result.files)
    assert result.overall.cases == 4


def test_cases(folder: Path) -> None:
    half, missed, whole, without = run(folder)["cases.csv"]
    assert [row["case_id"] for row in (half, missed, whole, without)] == list(CASE_IDS)
    assert (half["tp"], half["fp"], half["fn"]) == ("12", "13", "8")
    assert float(half["dice"]) == pytest.approx(24 / 45)
    assert float(half["iou"]) == pytest.approx(12 / 33)
    assert float(half["precision"]) == pytest.approx(12 / 25)
    assert float(half["recall"]) == pytest.approx(12 / 20)
    assert (half["reference_lesions"], half["predicted_lesions"], half["dropped_predictions"]) == ("1", "2", "1")
    assert [half[f"lesion_{count}_0.5"] for count in ("tp", "fp", "fn")] == ["1", "1", "0"]
    # A row of 20 voxels of 1 mm, each 1 x 2 x 5 mm: 0.2 cm3, 20 mm long.
    assert (half["reference_cm3"], half["size_mm"], half["tumour_size"]) == ("0.2", "20.0", "small")
    assert (whole["size_mm"], whole["tumour_size"]) == ("60.0", "medium")
    assert (missed["dice"], missed["precision"], missed["recall"]) == ("0.0", "", "0.0")
    assert [without[name] for name in ("dice", "iou", "precision", "recall", "size_mm")] == [""] * 5


def test_lesions(folder: Path) -> None:
    rows = run(folder)["lesions.csv"]
    assert [(row["case_id"], row["source"], row["lesion"], row["voxels"]) for row in rows] == [
        ("half", "reference", "1", "20"),
        ("half", "prediction", "1", "12"),
        ("half", "prediction", "2", "10"),
        ("missed", "reference", "1", "5"),
        ("whole", "reference", "1", "60"),
        ("whole", "prediction", "1", "60"),
    ]
    half, inside, invented, missed, whole, _ = rows
    assert (inside["best_partner"], inside["matched_partner_0.5"], inside["matched_iou_0.5"]) == ("1", "1", "0.6")
    # 12 voxels of 1 x 2 x 5 mm in a row; in space from the lower face of the one end, 11 mm on and 5 mm up: sqrt(146).
    assert (inside["diameter_mm"], inside["maximum_diameter_mm"]) == ("12.0", "12.083")
    assert float(half["best_iou"]) == pytest.approx(0.6)
    assert (half["best_partner"], half["matched_partner_0.1"], half["matched_partner_0.5"]) == ("1", "1", "1")
    assert (invented["best_iou"], invented["best_partner"], invented["matched_partner_0.1"]) == ("0.0", "", "")
    assert (invented["volume_cm3"], invented["diameter_mm"]) == ("0.1", "10.0")
    assert (missed["best_iou"], missed["matched_partner_0.1"]) == ("0.0", "")
    assert (whole["best_iou"], whole["matched_partner_0.5"]) == ("1.0", "1")


def test_froc(folder: Path) -> None:
    rows = run(folder)["froc.csv"]
    assert list(rows[0]) == ["threshold", "tp", "fp", "fn", "sensitivity", "fp_per_scan"]
    assert [row["threshold"] for row in rows][:3] == ["0.05", "0.1", "0.15"]
    assert len(rows) == 19
    # Until 0.55 two of three lesions are found and one prediction is false; from 0.6 on "half" is lost and false too.
    assert [(row["tp"], row["fp"], row["fn"]) for row in rows] == [("2", "1", "1")] * 11 + [("1", "2", "2")] * 8
    assert float(rows[0]["sensitivity"]) == pytest.approx(2 / 3)
    assert float(rows[0]["fp_per_scan"]) == pytest.approx(1 / 4)  # the case without tumour is a scan too


def test_case_thresholds(folder: Path) -> None:
    run(folder)
    with (folder / "out" / "case_thresholds.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["case_id", "threshold", "tp", "fp", "fn"]
    assert [(row["case_id"], row["threshold"]) for row in rows[18:20]] == [("half", "0.95"), ("missed", "0.05")]
    counts = {case_id: [(r["tp"], r["fp"], r["fn"]) for r in rows if r["case_id"] == case_id] for case_id in CASE_IDS}
    # Of "half" the lesion (IoU 0.6) is lost from 0.6 on, and is false then; the other prediction always is.
    assert counts["half"] == [("1", "1", "0")] * 11 + [("0", "2", "1")] * 8
    assert counts["missed"] == [("0", "0", "1")] * 19
    assert counts["whole"] == [("1", "0", "0")] * 19
    assert counts["without"] == [("0", "0", "0")] * 19


def test_summary(folder: Path) -> None:
    run(folder, cohort=folder / "cohort.csv")
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert set(summary) == {
        "schema_version",
        "software",
        "settings",
        "subjects",
        "cases",
        "clusters",
        "voxel",
        "lesion",
        "specificity",  # of the case without tumour
        "subgroups",
    }
    assert summary["software"] == {"name": "nnunet_amt", "version": __version__}
    assert summary["settings"] == {
        "connectivity": 26,
        "minimum_predicted_voxels": 10,
        "false_positive_rule": "unmatched",
        "foreground": 1,
        "surface_distances": False,
        "bootstrap_resamples": 200,
        "seed": 711,
        "cluster": "case",
        "ci_always": False,
        "subgroup_columns": [],
    }
    assert summary["cases"] == 4
    assert set(summary["voxel"]) == {"dice", "iou", "precision", "recall"}
    keys = {"mean", "sd", "ci95", "n", "median", "q1", "q3"}
    assert all(set(metric) == keys for metric in summary["voxel"].values())
    assert summary["voxel"]["dice"]["mean"] == pytest.approx((24 / 45 + 0 + 1) / 3)
    assert [summary["voxel"][name]["n"] for name in ("dice", "iou", "precision", "recall")] == [3, 3, 2, 3]
    lesion = summary["lesion"]
    assert all(len(lesion[name]) == 19 for name in lesion if name != "references")
    assert set(lesion) == {
        *("threshold", "tp", "fp", "fn", "references"),
        *("sensitivity", "sensitivity_sd", "sensitivity_ci95"),
        *("fp_per_scan", "fp_per_scan_sd", "fp_per_scan_ci95"),
    }
    assert lesion["threshold"][1] == 0.1
    groups = [(group["group"], group["subgroup"], group["cases"]) for group in summary["subgroups"]]
    assert groups == [
        ("tumour", "with a tumour", 3),
        ("tumour", "without a tumour", 1),
        ("manufacturer", "Siemens", 4),
        ("tumour_size", "medium", 1),
        ("tumour_size", "small", 2),
        ("tumour_size", "no lesion", 1),
        ("sex", "F", 2),
        ("sex", "M", 2),
    ]
    without = summary["subgroups"][5]
    assert without["specificity"] == summary["specificity"] == summary["subgroups"][1]["specificity"]
    assert without["voxel"]["dice"] == {"mean": None, "sd": None, "ci95": None, "n": 0} | dict.fromkeys(
        ("median", "q1", "q3")
    )


def test_subgroups_average_to_the_whole(folder: Path) -> None:
    label_maps = folder / "predictions", folder / "references"
    result = evaluate(*label_maps, folder / "out", cohort=folder / "cohort.csv", settings=SETTINGS, figures=False)
    for group in ("tumour", "tumour_size", "sex", "manufacturer"):
        parts = [summary for name, _, summary in result.subgroups if name == group]
        assert sum(part.cases for part in parts) == 4
        assert np.sum([part.lesion.tp for part in parts], axis=0).tolist() == list(result.overall.lesion.tp)
        assert np.sum([part.lesion.fp for part in parts], axis=0).tolist() == list(result.overall.lesion.fp)
        sums = sum((part.voxel["dice"].mean or 0.0) * part.voxel["dice"].n for part in parts)
        overall = result.overall.voxel["dice"]
        assert sums / overall.n == pytest.approx(overall.mean)


def test_jobs_and_repetition_change_nothing(drawn: EvaluationResult) -> None:
    folder = drawn.output.parent
    results = [name for name in FILES if name != RECORD_FILE]  # the record holds the time
    first = {name: (folder / "out" / name).read_bytes() for name in results}
    run(folder, jobs=3, figures=True)
    assert {name: (folder / "out" / name).read_bytes() for name in results} == first


@pytest.mark.usefixtures("undrawn")
def test_progress_is_told(folder: Path) -> None:
    told: list[tuple[int, int, str]] = []
    run(folder, figures=True, progress=lambda done, total, what: told.append((done, total, what)))
    steps = range(1, 5)
    assert told == [(i, 4, "checking headers") for i in steps] + [(i, 4, "evaluating cases") for i in steps] + [
        (i, 3, "drawing figures") for i in (1, 2, 3)
    ]


def test_the_order_of_cases_changes_no_metric(tmp_path: Path) -> None:
    # The same four masks under other names: every mean, count and SD stays.
    masks = [(row_mask(60, (0, n)), row_mask(60, (0, 20))) for n in (11, 15, 19, 25)]
    found = []
    for name, order in (("one", (0, 1, 2, 3)), ("other", (2, 0, 3, 1))):
        for place, index in enumerate(order):
            write_pair(tmp_path / name, f"case_{place}", *masks[index])
        at = tmp_path / name
        result = evaluate(at / "predictions", at / "references", at / "out", settings=SETTINGS, figures=False)
        found.append(result.overall)
    for metric in ("dice", "iou", "precision", "recall"):
        assert found[0].voxel[metric].mean == pytest.approx(found[1].voxel[metric].mean)
        assert found[0].voxel[metric].sd == pytest.approx(found[1].voxel[metric].sd)
    assert (found[0].lesion.tp, found[0].lesion.fp) == (found[1].lesion.tp, found[1].lesion.fp)


@pytest.mark.parametrize("module", ["comparison", "failures", "score_froc", "component_analysis"])
def test_importing_an_analysis_imports_neither_scipy_nor_matplotlib_nor_torch(module: str) -> None:
    slow = ("scipy", "matplotlib", "pandas", "skimage", "torch", "nnunetv2")
    script = f"import sys, nnunet_amt.evaluation.{module}; print([name for name in {slow} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_importing_brings_neither_torch_nor_nnunet() -> None:
    # SimpleITK, scipy and matplotlib take a third of a second each and are imported where they are needed.
    code = "import sys, nnunet_amt.evaluation; print([m for m in sys.argv[1:] if m in sys.modules])"
    slow = ("torch", "nnunetv2", "matplotlib", "SimpleITK", "pandas", "scipy")
    done = subprocess.run([sys.executable, "-c", code, *slow], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
