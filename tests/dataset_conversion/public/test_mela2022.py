"""A miniature of MELA 2022: CTs of 11 x 9 x 4 voxels and boxes that can be counted by hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.dataset_conversion.public.mela2022 import Box, filled, write_manifest
from nnunet_amt.dataset_conversion.public.public_cohort import read_notes
from nnunet_amt.errors import ManifestError
from tests.dataset_conversion.cohort_fixtures import make_ct, write_image
from tests.dataset_conversion.public.public_fixtures import exclusions, masks, opened

HEADER = "public_id,coordX,coordY,coordZ,x_length,y_length,z_length"
RIGHT_TO_LEFT = (-1, 0, 0, 0, -1, 0, 0, 0, 1)


def write_cohort(folder: Path, *rows: str) -> Path:
    """Three cases, the second stored the other way round in x and y, as NIfTI files often are."""
    write_image(folder / "Train" / "mela_0001.nii.gz", make_ct(1))
    write_image(folder / "Train" / "mela_0002.nii.gz", make_ct(2), direction=RIGHT_TO_LEFT)
    write_image(folder / "Val" / "mela_0003.nii.gz", make_ct(3))
    (folder / "Train" / "._mela_0001.nii.gz").write_bytes(b"what macOS adds to archives")
    (folder / "submission.csv").write_text(f"{HEADER},probability\nmela_0001,1,1,1,2,2,2,0.9\n")
    (folder / "train.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return folder


def test_boxes_are_in_voxels_of_the_file(tmp_path: Path) -> None:
    """Centre 5, length 4: voxels 3 to 6. The other case's labels are turned round together with its CT."""
    box = "5,3.5,1.5,4,3,2"
    source = write_cohort(tmp_path / "MELA", f"mela_0001,{box}", f"mela_0002,{box}", "mela_0001,0,0,3,1,1,1")
    manifest = write_manifest(source, tmp_path / "mela.csv")
    expected = np.zeros((4, 9, 11), np.uint8)
    # x: 5 - 2 <= x < 5 + 2; y: 2 <= y < 5; z: 0.5 <= z < 2.5
    expected[1:3, 2:5, 3:7] = 1
    found = masks(manifest)
    np.testing.assert_array_equal(found["mela-0002"], expected[:, ::-1, ::-1])
    expected[3, 0, 0] = 1
    np.testing.assert_array_equal(found["mela-0001"], expected)
    assert exclusions(manifest) == {"mela-0003": "no box"}
    assert not opened(manifest)["mela-0001"].has_ignore_label


def test_an_ellipsoid_touches_the_faces_of_its_box() -> None:
    """Half axes of 2, 2 and 1 voxels about voxel (4, 4, 2): in the middle slice 13 voxels, above and below one."""
    labels = filled([Box((4, 4, 2), (4, 4, 2), 2)], (9, 9, 5), shape="ellipsoid")
    assert labels.sum(axis=(1, 2)).tolist() == [0, 1, 13, 1, 0]
    assert labels[2, 4, 2] == labels[2, 4, 6] == labels[2, 2, 4] == labels[1, 4, 4] == 1


def test_the_labels_say_what_they_are(tmp_path: Path) -> None:
    source = write_cohort(tmp_path / "MELA", "mela_0001,5,3,1,4,3,2")
    for shape, words in (("box", "filled boxes"), ("ellipsoid", "ellipsoids")):
        manifest = write_manifest(source, tmp_path / f"{shape}.csv", shape=shape)  # type: ignore[arg-type]
        assert words in read_notes(manifest)["label_origin"]
    boxes, ellipsoids = masks(tmp_path / "box.csv"), masks(tmp_path / "ellipsoid.csv")
    assert ellipsoids["mela-0001"].sum() < boxes["mela-0001"].sum()


def test_a_box_over_the_edge_is_cut_off(tmp_path: Path) -> None:
    source = write_cohort(tmp_path / "MELA", "mela_0001,10,8,3,4,4,4")
    assert masks(write_manifest(source, tmp_path / "m.csv"))["mela-0001"].sum() == 3 * 3 * 3


def test_a_rerun_makes_labels_only_where_boxes_have_changed(tmp_path: Path) -> None:
    source = write_cohort(tmp_path / "MELA", "mela_0001,5,3,1,4,3,2")
    write_manifest(source, tmp_path / "m.csv")
    label = tmp_path / "m_boxes" / "mela-0001.nii.gz"
    before = label.stat().st_mtime_ns
    write_manifest(source, tmp_path / "m.csv")
    assert label.stat().st_mtime_ns == before
    write_cohort(tmp_path / "MELA", "mela_0001,5,3,1,2,1,1")
    later = label.stat().st_mtime + 10
    os.utime(source / "train.csv", (later, later))
    assert masks(write_manifest(source, tmp_path / "m.csv"))["mela-0001"].sum() == 2


def test_the_manifest_may_lie_among_the_images(tmp_path: Path) -> None:
    """On a rerun its own label files must not be taken for CTs."""
    source = write_cohort(tmp_path / "MELA", "mela_0001,5,3,1,4,3,2")
    for _ in range(2):
        manifest = write_manifest(source, source / "m.csv")
        assert list(masks(manifest)) == ["mela-0001"]
        assert list(exclusions(manifest)) == ["mela-0002", "mela-0003"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("mela_0009,5,3,1,4,3,2", "MELA: holds no CT of 'mela_0009', which has boxes"),
        ("mela_0001,5,3,x,4,3,2", r"train\.csv line 2, column 'coordZ': must be a number of voxels \(got 'x'\)"),
        ("mela_0001,5,3,nan,4,3,2", "column 'coordZ': must be a number"),
        ("mela_0001,5,3", "line 2: has 3 cells, the header has 7"),
        ("mela_0001,5,3,1,4,0,2", r"line 2, column 'y_length': must be above 0 \(got 0\)"),
        ("mela_0001,50,3,1,4,3,2", r"line 2 .* covers no voxel of its CT, whose size is \(11, 9, 4\)"),
    ],
)
def test_wrong_boxes_are_refused(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        write_manifest(write_cohort(tmp_path / "MELA", row), tmp_path / "m.csv")


def test_a_cohort_without_boxes_is_refused(tmp_path: Path) -> None:
    source = write_cohort(tmp_path / "MELA")
    with pytest.raises(ManifestError, match=r"no case of the cohort can be used \(no box\)"):
        write_manifest(source, tmp_path / "m.csv")
    (source / "train.csv").write_text("public_id,x,y,z\n")
    with pytest.raises(ManifestError, match="holds no CSV file with the columns public_id,coordX"):
        write_manifest(source, tmp_path / "m.csv")
    with pytest.raises(ManifestError, match=r"train\.csv line 1, column 'coordX': is missing"):
        write_manifest(source, tmp_path / "m.csv", boxes=source / "train.csv")
