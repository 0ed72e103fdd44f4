"""What the options of the evaluation change, and what it refuses before it begins."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import (
    BadInputError,
    GeometryMismatchError,
    ImageReadError,
    LabelValueError,
    UnmatchedCasesError,
)
from nnunet_amt.evaluation import EvaluationSettings, evaluate
from nnunet_amt.evaluation.component_analysis import COMPONENT_FILES
from nnunet_amt.evaluation.score_froc import SCORE_FROC_FILES
from tests.evaluation.builders import write_label_map
from tests.evaluation.four_cases import CASE_IDS, FILES, NOTHING, SETTINGS, run, write_four_cases


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_four_cases(tmp_path)


@pytest.mark.usefixtures("undrawn")
def test_bad_input_is_found_before_any_voxel_is_read_and_old_results_stay(folder: Path) -> None:
    run(folder, figures=True)
    before = {name: (folder / "out" / name).read_bytes() for name in FILES}
    told: list[str] = []

    def refuse(error: type[BadInputError]) -> None:
        told.clear()
        with pytest.raises(error):
            run(folder, cohort=folder / "cohort.csv", progress=lambda done, total, what: told.append(what))
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
    assert (whole["surface_dice_2mm"], missed["surface_dice_2mm"], without["surface_dice_2mm"]) == ("1.0", "0.0", "")
    assert 0 < float(half["surface_dice_2mm"]) < 1
    assert "surface_dice_2mm" not in rows["lesions.csv"][0]
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert summary["voxel"]["surface_dice_2mm"]["n"] == 3
    assert "## Normalised surface Dice at 2 mm" in (folder / "out" / "tables.md").read_text()
    metrics = {row["metric"] for row in csv.DictReader((folder / "out" / "metrics.csv").open(newline=""))}
    assert "surface_dice_2mm" in metrics


def write_probabilities(folder: Path) -> None:
    """0.9 for the tumour that is there, 0.6 for the one that is not."""
    for case_id in CASE_IDS:
        tumour = np.full((1, 1, 60), 0.9, np.float32)
        tumour[..., 30:60] = 0.6
        np.savez(folder / "predictions" / f"{case_id}.npz", probabilities=np.stack([1 - tumour, tumour]))


@pytest.mark.usefixtures("undrawn")
def test_further_analyses_stand_beside_the_results_and_go_with_their_options(folder: Path) -> None:
    write_probabilities(folder)
    result = evaluate(
        folder / "predictions",
        folder / "references",
        folder / "out",
        settings=SETTINGS,
        probabilities=folder / "predictions",
        component_analysis=True,
    )
    everything = {*FILES, *SCORE_FROC_FILES, *COMPONENT_FILES}
    assert {path.name for path in result.files} == {path.name for path in (folder / "out").iterdir()} == everything
    # both count as the evaluation does: of three lesions two are found, with one false positive in four scans
    scores = json.loads((folder / "out" / "score_froc.json").read_text())["score_froc"]["mean"]
    assert (scores["tp"][-1], scores["fp"][-1]) == (result.overall.lesion.tp[1], result.overall.lesion.fp[1]) == (2, 1)
    table = json.loads((folder / "out" / "component_analysis.json").read_text())["rows"]
    (row,) = [r for r in table if (r["connectivity"], r["minimum_size"], r["unit"]) == (26, 10, "voxels")]
    assert (row["sensitivity_01"], row["fp_per_scan_01"]) == (2 / 3, 1 / 4)
    run(folder, figures=True)
    assert {path.name for path in (folder / "out").iterdir()} == set(FILES)


def test_missing_probabilities_are_found_before_any_work(folder: Path) -> None:
    write_probabilities(folder)
    (folder / "predictions" / "half.npz").unlink()
    told: list[str] = []
    with pytest.raises(UnmatchedCasesError, match=r"no probabilities for 1 case \(half\); predict with --prob"):
        run(folder, probabilities=folder / "predictions", progress=lambda done, total, what: told.append(what))
    assert told == []
    # a case that counts as empty has no prediction that a probability could belong to
    (folder / "predictions" / "half.nii.gz").unlink()
    run(folder, probabilities=folder / "predictions", missing_as_empty=True)
    assert (folder / "out" / "score_froc.md").is_file()
