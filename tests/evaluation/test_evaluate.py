"""The whole stage, on cases whose results are known."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt import __version__
from nnunet_amt.errors import (
    BadInputError,
    GeometryMismatchError,
    ImageReadError,
    LabelValueError,
    UnmatchedCasesError,
)
from nnunet_amt.evaluation import RESULT_FILES, EvaluationSettings, evaluate
from tests.evaluation.builders import row_mask, write_label_map, write_pair

SETTINGS = EvaluationSettings(bootstrap_resamples=200)
NOTHING = row_mask(60)
# the cohort file of these tests knows no institutions, so that there is no figure of them
FILES = [name for name in RESULT_FILES if not name.startswith("institutions.")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four cases: half found with a false positive, missed, found whole, and without tumour."""
    # half: 12 of 20 voxels (IoU 0.6, Dice 24/32), and 10 voxels where nothing is, and 3 that are too few to count
    write_pair(tmp_path, "half", row_mask(60, (4, 16), (30, 40), (50, 53)), row_mask(60, (0, 20)))
    write_pair(tmp_path, "missed", NOTHING, row_mask(60, (0, 5)))
    write_pair(tmp_path, "whole", row_mask(60, (0, 60)), row_mask(60, (0, 60)))
    write_pair(tmp_path, "without", NOTHING, NOTHING)
    rows = ["case_id,split,manufacturer,sex"]
    rows += [f"{case_id},external,Siemens,{sex}" for case_id, sex in zip(CASE_IDS, "FMFM", strict=True)]
    (tmp_path / "cohort.csv").write_text("\n".join(rows))
    return tmp_path


CASE_IDS = ("half", "missed", "whole", "without")


def run(folder: Path, **options: object) -> dict[str, list[dict[str, str]]]:
    """Evaluate and read the CSV files back."""
    options = {"settings": SETTINGS} | options
    evaluate(folder / "predictions", folder / "references", folder / "out", **options)  # type: ignore[arg-type]
    names = ("cases.csv", "lesions.csv", "froc.csv")
    return {name: list(csv.DictReader((folder / "out" / name).open(newline=""))) for name in names}


def test_it_writes_what_it_says(folder: Path) -> None:
    result = evaluate(folder / "predictions", folder / "references", folder / "out", settings=SETTINGS)
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
    # A row of 20 voxels of 1 mm, each 1 x 2 x 5 mm: 0.2 ml, 20 mm long.
    assert (half["reference_ml"], half["size_mm"], half["tumour_size"]) == ("0.2", "20.0", "small")
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
    assert (invented["volume_ml"], invented["diameter_mm"]) == ("0.1", "10.0")
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


def test_summary(folder: Path) -> None:
    run(folder, cohort=folder / "cohort.csv")
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert set(summary) == {
        "schema_version",
        "software",
        "settings",
        "cases",
        "clusters",
        "voxel",
        "lesion",
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
        *("sensitivity", "sensitivity_sd", "sensitivity_ci95", "sensitivity_wilson95"),
        *("fp_per_scan", "fp_per_scan_sd", "fp_per_scan_ci95"),
    }
    assert lesion["threshold"][1] == 0.1
    groups = [(group["group"], group["subgroup"], group["cases"]) for group in summary["subgroups"]]
    assert groups == [
        ("manufacturer", "Siemens", 4),
        ("tumour_size", "medium", 1),
        ("tumour_size", "small", 2),
        ("tumour_size", "no lesion", 1),
        ("sex", "F", 2),
        ("sex", "M", 2),
    ]
    without = summary["subgroups"][3]
    assert without["voxel"]["dice"] == {"mean": None, "sd": None, "ci95": None, "n": 0} | dict.fromkeys(
        ("median", "q1", "q3")
    )


def test_subgroups_average_to_the_whole(folder: Path) -> None:
    result = evaluate(
        folder / "predictions", folder / "references", folder / "out", cohort=folder / "cohort.csv", settings=SETTINGS
    )
    for group in ("tumour_size", "sex", "manufacturer"):
        parts = [summary for name, _, summary in result.subgroups if name == group]
        assert sum(part.cases for part in parts) == 4
        assert np.sum([part.lesion.tp for part in parts], axis=0).tolist() == list(result.overall.lesion.tp)
        assert np.sum([part.lesion.fp for part in parts], axis=0).tolist() == list(result.overall.lesion.fp)
        sums = sum((part.voxel["dice"].mean or 0.0) * part.voxel["dice"].n for part in parts)
        overall = result.overall.voxel["dice"]
        assert sums / overall.n == pytest.approx(overall.mean)


def test_jobs_and_repetition_change_nothing(folder: Path) -> None:
    run(folder)
    first = {name: (folder / "out" / name).read_bytes() for name in FILES}
    run(folder, jobs=3)
    assert {name: (folder / "out" / name).read_bytes() for name in FILES} == first


def test_progress_is_told(folder: Path) -> None:
    told: list[tuple[int, int, str]] = []
    run(folder, report=lambda done, total, what: told.append((done, total, what)))
    steps = range(1, 5)
    assert told == [(i, 4, "checking headers") for i in steps] + [(i, 4, "evaluating cases") for i in steps] + [
        (i, 3, "drawing figures") for i in (1, 2, 3)
    ]


def test_bad_input_is_found_before_any_voxel_is_read_and_old_results_stay(folder: Path) -> None:
    run(folder)
    before = {name: (folder / "out" / name).read_bytes() for name in FILES}
    told: list[str] = []

    def refuse(error: type[BadInputError]) -> None:
        told.clear()
        with pytest.raises(error):
            run(folder, cohort=folder / "cohort.csv", report=lambda done, total, what: told.append(what))
        assert {name: (folder / "out" / name).read_bytes() for name in FILES} == before

    path = folder / "predictions" / "whole.nii.gz"
    whole = path.read_bytes()
    path.unlink()
    refuse(UnmatchedCasesError)
    write_label_map(path, NOTHING, origin=(50.0, 0.0, 0.0))
    refuse(GeometryMismatchError)
    assert "evaluating cases" not in told
    path.write_bytes(whole[:-9])
    refuse(ImageReadError)
    path.write_bytes(whole)
    (folder / "cohort.csv").write_text("case_id\nhalf\n")
    refuse(UnmatchedCasesError)
    assert told == []


def test_the_results_must_not_go_among_the_label_maps(folder: Path) -> None:
    with pytest.raises(BadInputError, match="predictions: holds the label maps; give another folder"):
        evaluate(folder / "predictions", folder / "references", folder / "predictions")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"connectivity": 8}, "connectivity is 8; choose one of 6, 18, 26"),
        ({"false_positive_rule": "any"}, "false_positive_rule is 'any'; choose one of unmatched, no_overlap"),
        ({"minimum_predicted_voxels": -1}, "minimum_predicted_voxels is -1; give a whole number, 0 or more"),
        ({"bootstrap_resamples": 0}, "bootstrap_resamples is 0; give a whole number, 1 or more"),
        ({"seed": 0.5}, "seed is 0.5; give a whole number"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        EvaluationSettings(**settings)  # type: ignore[arg-type]


def test_no_job_is_too_few(folder: Path) -> None:
    with pytest.raises(BadInputError, match="jobs is 0; give a whole number, 1 or more"):
        run(folder, jobs=0)


def test_missing_predictions_may_count_as_empty(folder: Path) -> None:
    # "half" had a partner, a false positive and 13 more voxels; without them it is missed like "missed" is.
    (folder / "predictions" / "half.nii.gz").unlink()
    with pytest.raises(UnmatchedCasesError, match=r"no prediction for 1 case \(half\) .*\(--missing-as-empty counts"):
        run(folder)
    rows = run(folder, missing_as_empty=True)
    half = rows["cases.csv"][0]
    assert [half[name] for name in ("tp", "fp", "fn", "dice", "precision")] == ["0", "0", "20", "0.0", ""]
    assert [half[f"lesion_{count}_0.5"] for count in ("tp", "fp", "fn")] == ["0", "0", "1"]
    assert (rows["froc.csv"][0]["tp"], rows["froc.csv"][0]["fn"]) == ("1", "2")
    # A prediction without reference stays a mistake.
    (folder / "references" / "whole.nii.gz").unlink()
    with pytest.raises(UnmatchedCasesError, match=r"no reference for 1 case \(whole\)"):
        run(folder, missing_as_empty=True)


def test_masks_of_0_and_255_are_those_of_0_and_1_if_so_asked(folder: Path) -> None:
    plain = run(folder)
    for case_id in CASE_IDS:
        path = folder / "references" / f"{case_id}.nii.gz"
        write_label_map(path, sitk.GetArrayFromImage(sitk.ReadImage(str(path))) * np.uint8(255))
    with pytest.raises(LabelValueError, match="if 255 is tumour: --foreground 255"):
        run(folder)
    assert run(folder, settings=replace(SETTINGS, foreground=255)) == plain


def test_surface_distances_are_columns_of_their_own_if_so_asked(folder: Path) -> None:
    rows = run(folder, settings=replace(SETTINGS, surface_distances=True))
    half, missed, whole, without = rows["cases.csv"]
    # The false positive of 30 to 39 and the specks of 50 to 52 are 33 mm from the reference's end at 19.
    assert (half["hausdorff_mm"], whole["hausdorff_mm"]) == ("33.0", "0.0")
    assert (missed["hausdorff_mm"], without["average_surface_distance_mm"]) == ("", "")
    assert rows["lesions.csv"][0]["hausdorff_mm"] == "4.0"  # 0 to 19 against 4 to 15


def test_the_order_of_cases_changes_no_metric(tmp_path: Path) -> None:
    # The same four masks under other names: every mean, count and SD stays.
    masks = [(row_mask(60, (0, n)), row_mask(60, (0, 20))) for n in (11, 15, 19, 25)]
    found = []
    for name, order in (("one", (0, 1, 2, 3)), ("other", (2, 0, 3, 1))):
        for place, index in enumerate(order):
            write_pair(tmp_path / name, f"case_{place}", *masks[index])
        result = evaluate(
            tmp_path / name / "predictions", tmp_path / name / "references", tmp_path / name / "out", settings=SETTINGS
        )
        found.append(result.overall)
    for metric in ("dice", "iou", "precision", "recall"):
        assert found[0].voxel[metric].mean == pytest.approx(found[1].voxel[metric].mean)
        assert found[0].voxel[metric].sd == pytest.approx(found[1].voxel[metric].sd)
    assert (found[0].lesion.tp, found[0].lesion.fp) == (found[1].lesion.tp, found[1].lesion.fp)


def test_importing_brings_neither_torch_nor_nnunet() -> None:
    # SimpleITK, scipy and matplotlib take a third of a second each and are imported where they are needed.
    code = "import sys, nnunet_amt.evaluation; print([m for m in sys.argv[1:] if m in sys.modules])"
    slow = ("torch", "nnunetv2", "matplotlib", "SimpleITK", "pandas", "scipy")
    done = subprocess.run([sys.executable, "-c", code, *slow], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
