"""What a study of lesions was begun with is kept, and every stage is held to it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.errors import BadInputError, ManifestError
from nnunet_amt.risk.fusion.class_map import PUBLISHED_CLASS_MAP
from nnunet_amt.risk.fusion.fusion_folder import FusionFolder
from nnunet_amt.risk.fusion.study_cohort import CUT_LESIONS, StudyBegun, open_lesion_cohort, read_study_begun
from nnunet_amt.risk.study_cohort import with_rois
from tests.risk.fusion.lesion_dataset import ROWS, write_lesion_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_lesion_dataset(tmp_path / "Dataset713_Lesions")


@pytest.fixture
def at(tmp_path: Path) -> FusionFolder:
    return FusionFolder(tmp_path / "study" / "fusion")


def test_a_study_is_begun_once_and_then_taken_as_it_was(dataset: Path, at: FusionFolder) -> None:
    """By default the paper's classes, a unit that nobody stated, and denoised crops of 128 px."""
    opened = open_lesion_cohort(dataset, at, begin=True)
    assert opened.begun == StudyBegun("Dataset713_Lesions", None, "unit not stated", 128, True)
    assert opened.ctc_unit is None
    assert len(opened.cohort.cases) == len(ROWS)
    written = (at.root / "fusion_study.json").stat().st_mtime_ns
    assert open_lesion_cohort(dataset, at, begin=True).begun == open_lesion_cohort(dataset, at).begun == opened.begun
    assert (at.root / "fusion_study.json").stat().st_mtime_ns == written


def test_what_is_said_at_the_beginning_holds_for_all_stages(dataset: Path, at: FusionFolder, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(PUBLISHED_CLASS_MAP.read_text().replace("Cyst,Cyst", "Cyst,Fluid"))
    begun = open_lesion_cohort(
        dataset, at, class_map=own, ctc_unit=" cells/7.5  ml", pixels=64, denoise=False, begin=True
    ).begun
    assert begun == StudyBegun(dataset.name, file_sha256(own), "cells/7.5 ml", 64, False)
    later = open_lesion_cohort(dataset, at)
    assert later.begun == begun
    assert later.ctc_unit == "cells/7.5 ml"
    assert "Fluid" in later.cohort.classes
    assert open_lesion_cohort(dataset, at, class_map=at.root / "class_map.csv").begun == begun


def test_without_a_study_other_stages_begin_none(dataset: Path, at: FusionFolder) -> None:
    with pytest.raises(BadInputError, match="no study of lesions was begun there; run nnunet_amt risk rois --task"):
        open_lesion_cohort(dataset, at)
    assert not at.root.parent.exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ctc_unit": "ng/ml"}, "begun with CTC levels in pg/ml, now it is ng/ml"),
        ({"pixels": 128}, "begun with crops of 64 px, now it is 128 px"),
        ({"denoise": False}, "begun with crops without noise, now it is crops with noise"),
        ({"class_map": PUBLISHED_CLASS_MAP}, "begun with the paper's class map, now it is "),
    ],
)
def test_what_is_said_otherwise_later_is_refused(
    dataset: Path, at: FusionFolder, given: dict[str, object], message: str
) -> None:
    begun = open_lesion_cohort(dataset, at, ctc_unit="pg/ml", pixels=64, begin=True).begun
    for begin in (True, False):
        with pytest.raises(BadInputError, match=message):
            open_lesion_cohort(dataset, at, begin=begin, **given)  # type: ignore[arg-type]
    assert read_study_begun(at) == begun


def test_another_dataset_is_refused(dataset: Path, at: FusionFolder, tmp_path: Path) -> None:
    open_lesion_cohort(dataset, at, begin=True)
    other = write_lesion_dataset(tmp_path / "Dataset714_Other")
    with pytest.raises(BadInputError, match="begun with dataset Dataset713_Lesions, now it is Dataset714_Other"):
        open_lesion_cohort(other, at)


def test_a_unit_can_be_stated_later_and_then_stays(dataset: Path, at: FusionFolder) -> None:
    """Levels are never converted, so that nothing that was made before becomes wrong."""
    begun = open_lesion_cohort(dataset, at, begin=True).begun
    stated = open_lesion_cohort(dataset, at, ctc_unit="pg/ml")
    assert stated.begun == replace(begun, ctc_unit="pg/ml") == read_study_begun(at)
    with pytest.raises(BadInputError, match="is empty; give the unit"):
        open_lesion_cohort(dataset, at, ctc_unit="  ")


def test_a_copy_of_a_class_map_that_was_edited_or_removed_is_refused(
    dataset: Path, at: FusionFolder, tmp_path: Path
) -> None:
    """The trainings were of the classes of before."""
    own = tmp_path / "own.csv"
    own.write_text(PUBLISHED_CLASS_MAP.read_text().replace("Cyst,Cyst", "Cyst,Fluid"))
    open_lesion_cohort(dataset, at, class_map=own, begin=True)
    copy = at.root / "class_map.csv"
    for change in (lambda: copy.write_text(PUBLISHED_CLASS_MAP.read_text()), copy.unlink):
        change()
        with pytest.raises(BadInputError, match="is not the class map that the study was begun with"):
            open_lesion_cohort(dataset, at)


def test_a_class_map_with_a_mistake_begins_no_study(dataset: Path, at: FusionFolder, tmp_path: Path) -> None:
    (own := tmp_path / "own.csv").write_text("diagnosis,class,malignant\nCyst,Cyst,perhaps\n")
    with pytest.raises(ManifestError, match="is 'perhaps'; it must be yes or no"):
        open_lesion_cohort(dataset, at, class_map=own, begin=True)
    assert not at.root.exists()


@pytest.mark.parametrize("split", ["training", "tuning"])
def test_without_cases_to_train_on_no_study_is_begun(at: FusionFolder, tmp_path: Path, split: str) -> None:
    rows = [row for row in ROWS if row["split"] != split]
    with pytest.raises(BadInputError, match=f"has no {split} case that takes part, and there is nothing to"):
        open_lesion_cohort(write_lesion_dataset(tmp_path / "dataset", rows), at, begin=True)
    assert not at.root.exists()


def test_external_cases_may_be_missing(at: FusionFolder, tmp_path: Path) -> None:
    """Then the tuning cases are all that can be judged on, which the evaluation says."""
    rows = [row for row in ROWS if row["split"] != "external"]
    assert not open_lesion_cohort(write_lesion_dataset(tmp_path / "dataset", rows), at, begin=True).cohort.of_split(
        "external"
    )


@pytest.mark.parametrize("change", [{"pixels": "64"}, {"ctc_unit": None}, {"denoise": 1}])
def test_a_damaged_file_of_the_study_is_refused(dataset: Path, at: FusionFolder, change: dict[str, object]) -> None:
    open_lesion_cohort(dataset, at, begin=True)
    path = at.root / "fusion_study.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(
        BadInputError, match=r"fusion_study.json: is damaged .* remove it, and run nnunet_amt risk rois"
    ):
        open_lesion_cohort(dataset, at, begin=True)


def test_cases_without_a_roi_are_left_out_and_counted(dataset: Path, at: FusionFolder) -> None:
    cohort = open_lesion_cohort(dataset, at, begin=True).cohort
    with pytest.raises(BadInputError, match=r"holds no rois.csv, .*; run nnunet_amt risk rois --task binary"):
        with_rois(cohort, at.rois, command=CUT_LESIONS)
    at.rois.mkdir()
    first, *others = [case.case_id for case in cohort.cases]
    rows = [f"{first},no tumour in the mask", *(f"{case_id}," for case_id in others)]
    (at.rois / "rois.csv").write_text("\n".join(["case_id,reason", *rows]))
    left = with_rois(cohort, at.rois, command=CUT_LESIONS)
    assert [case.case_id for case in left.cases] == others
    assert left.left_out == {"no ROI": (first,)}
    (at.rois / "rois.csv").write_text("\n".join(["case_id,reason", *rows[:-2]]))
    with pytest.raises(BadInputError, match=rf"says nothing of 2 cases \({others[-2]}, {others[-1]}\)"):
        with_rois(cohort, at.rois, command=CUT_LESIONS)
