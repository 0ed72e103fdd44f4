"""Crops in a folder; what all folders of ROIs do, with damage and refusals, is tested in `tests/risk/test_rois.py`."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.base.run_record import newest_run
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.fusion.lesion_case import LesionCase
from nnunet_amt.risk.fusion.lesion_crop import cut_lesion
from nnunet_amt.risk.fusion.lesion_crops import read_lesion_crops, write_lesion_crops
from nnunet_amt.risk.roi_folder import reasons_without_roi
from tests.conftest import write_image

SPACING = (1.0, 1.0, 2.0)  # x, y, z


def case_of(folder: Path, case_id: str, mask: np.ndarray) -> LesionCase:
    """Write a CT with noise, and a mask, and give the case: a malignant one of the test split."""
    hu = np.random.default_rng(0).normal(40, 50, mask.shape).round().astype(np.int16)
    unknown = dict.fromkeys(("ctc_level", "location", "age", "sex", "manufacturer"))
    return LesionCase(
        case_id=case_id,
        patient=f"patient of {case_id}",
        institution="one",
        split="external",
        diagnosis="Lymphoma",
        malignant=True,
        lesion_class="lymphoma",
        image=write_image(folder / "imagesTs" / f"{case_id}_0000.nii.gz", hu, SPACING),
        mask=write_image(folder / "labelsTs" / f"{case_id}.nii.gz", mask, SPACING),
        clinical={},
        **unknown,
    )


def box() -> np.ndarray:
    mask = np.zeros((5, 30, 30), np.uint8)
    mask[1:4, 10:18, 12:20] = 1
    return mask


@pytest.fixture()
def cases(tmp_path: Path) -> tuple[LesionCase, LesionCase]:
    """Case a, and case b whose mask is empty."""
    return case_of(tmp_path, "a", box()), case_of(tmp_path, "b", 0 * box())


def test_crops_are_written_and_read_back(tmp_path: Path, cases: tuple[LesionCase, LesionCase]) -> None:
    output = tmp_path / "rois"
    summary = write_lesion_crops(cases, output=output, pixels=16)
    assert summary.without == {"b": "no tumour in the mask"}
    assert reasons_without_roi(output) == {"a": ""} | summary.without
    crops = read_lesion_crops(output)
    direct, _ = cut_lesion(cases[0].image, cases[0].mask, case_id="a", pixels=16)
    assert direct is not None
    assert list(crops) == ["a"]
    assert np.array_equal(crops["a"].largest, direct.largest)
    assert np.array_equal(crops["a"].adjacent, direct.adjacent)
    with (output / "rois.csv").open(newline="") as file:
        a, b = csv.DictReader(file)
    assert (a["split"], a["diagnosis"], a["class"], a["slice"], a["rows"]) == (
        "external",
        "Lymphoma",
        "malignant",
        "1",
        "8",
    )
    assert (b["case_id"], b["reason"]) == ("b", "no tumour in the mask")
    run = newest_run(output, "rois")
    assert run is not None
    settings = run["settings"]
    assert (settings["pixels"], settings["window_level_hu"], settings["denoising_steps"]) == (16, 50, 40)


def test_other_pixels_or_noise_are_cut_again_and_else_nothing_is(
    tmp_path: Path, cases: tuple[LesionCase, LesionCase]
) -> None:
    output, file = tmp_path / "rois", tmp_path / "rois" / "a.npz"
    write_lesion_crops(cases, output=output, pixels=16)
    made = file.stat().st_mtime_ns
    write_lesion_crops(cases, output=output, pixels=16)
    assert file.stat().st_mtime_ns == made
    write_lesion_crops(cases, output=output, pixels=24)
    (crop,) = read_lesion_crops(output).values()
    assert crop.largest.shape == (3, 24, 24)
    assert not np.array_equal(crop.largest[0], crop.largest[2])
    write_lesion_crops(cases, output=output, pixels=24, denoise=False)
    (crop,) = read_lesion_crops(output).values()
    assert np.array_equal(crop.largest[0], crop.largest[2])


def test_crops_of_predicted_masks_by_two_workers(tmp_path: Path, cases: tuple[LesionCase, LesionCase]) -> None:
    """Predictions and references are the other way round; where one is missing, it is said before any CT is read."""
    write_image(tmp_path / "predicted" / "a.nii.gz", 0 * box(), SPACING)
    with pytest.raises(BadInputError, match=r"no label map for 1 case \(b\)"):
        write_lesion_crops(cases, output=tmp_path / "rois", masks=tmp_path / "predicted")
    write_image(tmp_path / "predicted" / "b.nii.gz", box(), SPACING)
    write_lesion_crops(cases, output=tmp_path / "rois", masks=tmp_path / "predicted", pixels=16, jobs=2)
    assert list(read_lesion_crops(tmp_path / "rois")) == ["b"]


def test_rois_of_the_other_study_are_no_crops(tmp_path: Path, cases: tuple[LesionCase, LesionCase]) -> None:
    """Both studies call the table rois.csv; the arrays tell them apart, and the crops are cut in place of the ROIs."""
    output = tmp_path / "rois"
    write_lesion_crops(cases, output=output, pixels=16)
    np.savez(output / "a.npz", largest=np.zeros((4, 4)), mask_largest=np.zeros((4, 4)))
    with pytest.raises(BadInputError, match=r"a.npz: ROI of case a is damaged; cut the ROIs again"):
        read_lesion_crops(output)
    write_lesion_crops(cases, output=output, pixels=16)
    assert list(read_lesion_crops(output)) == ["a"]
