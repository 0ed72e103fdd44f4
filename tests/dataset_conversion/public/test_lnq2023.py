"""A miniature of LNQ2023: two NRRD pairs of the training set and the validation set, and a CT alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.cohort import read_manifest
from nnunet_amt.dataset_conversion.public.lnq2023 import write_manifest
from nnunet_amt.dataset_conversion.public.public_cohort import read_notes
from nnunet_amt.errors import ManifestError
from tests.dataset_conversion.cohort_fixtures import make_ct, make_mask, write_image
from tests.dataset_conversion.public.public_fixtures import exclusions, masks, opened


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "LNQ"
    nodes = make_mask()
    nodes[3, 8, 10] = 2  # a second node, with a number of its own
    for name, number in (("train/lnq2023-train-0001", 1), ("val/lnq2023-val-0001", 2)):
        write_image(folder / f"{name}-ct.nrrd", make_ct(number))
        write_image(folder / f"{name}-seg.nrrd", nodes)
    write_image(folder / "train" / "lnq2023-train-0002-ct.nrrd", make_ct(3))
    (folder / "train" / "._lnq2023-train-0001-ct.nrrd").write_bytes(b"what macOS adds to archives")
    return folder


def test_only_what_is_drawn_partly_has_the_ignore_label(source: Path, tmp_path: Path) -> None:
    """24 + 1 voxels are nodes; the others of the 4 x 9 x 11 are background in one case and ignored in the other."""
    manifest = write_manifest(source, tmp_path / "lnq.csv")
    found, cases = masks(manifest), opened(manifest)
    drawn = make_mask()
    drawn[3, 8, 10] = 1
    np.testing.assert_array_equal(found["lnq2023-val-0001"], drawn)
    np.testing.assert_array_equal(found["lnq2023-train-0001"], np.where(drawn, 1, 2))
    assert cases["lnq2023-train-0001"].has_ignore_label
    assert not cases["lnq2023-val-0001"].has_ignore_label
    assert exclusions(manifest) == {"lnq2023-train-0002": "no segmentation"}
    assert "ignore label 2" in read_notes(manifest)["label_origin"]


def test_what_is_left_out_is_told(source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also a segmentation whose CT was not downloaded."""
    write_image(source / "val" / "lnq2023-val-0002-seg.nrrd", make_mask())
    manifest = write_manifest(source, tmp_path / "lnq.csv")
    assert exclusions(manifest) == {"lnq2023-train-0002": "no segmentation", "lnq2023-val-0002": "no CT"}
    assert "lnq.csv: 1 of 4 cases are left out, no segmentation: lnq2023-train-0002" in caplog.text
    assert "lnq.csv: 1 of 4 cases are left out, no CT: lnq2023-val-0002" in caplog.text


def test_files_that_cannot_be_followed_are_refused(source: Path, tmp_path: Path) -> None:
    link = source / "val" / "lnq2023-val-0003-ct.nrrd"
    link.symlink_to(".git/annex/objects/none")
    with pytest.raises(ManifestError, match=r"val/lnq2023-val-0003-ct\.nrrd is a link to nothing; fetch"):
        write_manifest(source, tmp_path / "lnq.csv")
    link.unlink()
    (source / "test").symlink_to(source / "val", target_is_directory=True)
    with pytest.raises(ManifestError, match="test is a linked folder, which is not followed; give"):
        write_manifest(source, tmp_path / "lnq.csv")


def test_the_split_may_be_given(source: Path, tmp_path: Path) -> None:
    manifest = write_manifest(source, tmp_path / "lnq.csv", split="external", institution="Boston")
    assert {(case.split, case.institution) for case in read_manifest(manifest).cases} == {("external", "Boston")}


def test_paths_are_relative_so_that_the_folder_can_be_moved(source: Path, tmp_path: Path) -> None:
    write_manifest(source, source / "lnq.csv")
    moved = source.rename(tmp_path / "moved")
    assert len(masks(moved / "lnq.csv")) == 2


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"holds no file that ends in -ct\.nrrd"):
        write_manifest(tmp_path, tmp_path / "lnq.csv")
