"""A miniature of TCIA CT Lymph Nodes: DICOM series of 12 x 10 x 6 voxels, and numbered masks of another origin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nnunet_amt.dataset_conversion.public.tcia_ct_lymph_nodes import write_manifest
from nnunet_amt.errors import ManifestError
from tests.dataset_conversion.cohort_fixtures import write_image
from tests.dataset_conversion.public.public_fixtures import exclusions, masks
from tests.images.dicom.dicom_fixtures import write_ct_series


def numbered() -> NDArray[np.uint8]:
    """Two nodes, 1 and 7, of two and one voxel."""
    mask = np.zeros((6, 10, 12), np.uint8)
    mask[1, 2, 3:5] = 1
    mask[5, 9, 0] = 7
    return mask


def add_case(source: Path, case: str, mask: NDArray | None, **geometry: tuple[float, ...]) -> None:
    write_ct_series(source / "CT Lymph Nodes" / case / "study" / "series", series=case)
    if mask is not None:
        name = source / "MED_ABD_LYMPH_MASKS" / case / f"{case}_mask.nii.gz"
        write_image(name, mask, **({"origin": (0.0, 0.0, 0.0), "spacing": (1.0, 1.0, 1.0)} | geometry))


def test_nodes_are_merged_on_the_grid_of_the_series(tmp_path: Path) -> None:
    """Arrays run L, P, S as the sorted slices do: nothing is turned, whatever the origin says."""
    add_case(tmp_path / "TCIA", "MED_LYMPH_001", numbered())
    add_case(tmp_path / "TCIA", "ABD_LYMPH_001", numbered())
    (tmp_path / "TCIA" / "MED_ABD_LYMPH_ANNOTATIONS" / "MED_LYMPH_001").mkdir(parents=True)
    manifest = write_manifest(tmp_path / "TCIA", tmp_path / "nodes.csv")
    found = masks(manifest)
    assert list(found) == ["MED_LYMPH_001"]
    np.testing.assert_array_equal(found["MED_LYMPH_001"], numbered() > 0)
    assert list(masks(write_manifest(tmp_path / "TCIA", tmp_path / "abd.csv", region="abdominal"))) == ["ABD_LYMPH_001"]


def test_a_mask_that_says_that_it_runs_otherwise_is_turned(tmp_path: Path) -> None:
    turned = {"direction": (-1, 0, 0, 0, -1, 0, 0, 0, 1)}
    add_case(tmp_path / "TCIA", "MED_LYMPH_001", numbered()[:, ::-1, ::-1], **turned)
    manifest = write_manifest(tmp_path / "TCIA", tmp_path / "nodes.csv")
    np.testing.assert_array_equal(masks(manifest)["MED_LYMPH_001"], numbered() > 0)


def test_what_does_not_fit_is_excluded_with_its_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = tmp_path / "TCIA"
    add_case(source, "MED_LYMPH_001", numbered())
    add_case(source, "MED_LYMPH_002", numbered()[:5])
    add_case(source, "MED_LYMPH_003", np.zeros((6, 10, 12), np.uint8))
    write_image(source / "MED_ABD_LYMPH_MASKS" / "MED_LYMPH_004" / "MED_LYMPH_004_mask.nii.gz", numbered())
    add_case(source, "MED_LYMPH_005", numbered())
    fourth = write_ct_series(source / "CT Lymph Nodes" / "MED_LYMPH_005" / "study" / "series", series="MED_LYMPH_005")[
        3
    ]
    fourth.unlink()
    manifest = write_manifest(source, tmp_path / "nodes.csv")
    assert exclusions(manifest) == {
        "MED_LYMPH_002": "mask of another size than the CT",
        "MED_LYMPH_003": "empty mask",
        "MED_LYMPH_004": "no CT",
        "MED_LYMPH_005": "CT or mask cannot be read",
    }
    assert "MED_LYMPH_002: excluded, mask of another size than the CT: (12, 10, 5) against (12, 10, 6)" in caplog.text
    assert "slices are missing (1)" in caplog.text


def test_a_ct_without_a_mask_is_left_out_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    add_case(tmp_path / "TCIA", "MED_LYMPH_001", numbered())
    add_case(tmp_path / "TCIA", "MED_LYMPH_002", None)
    manifest = write_manifest(tmp_path / "TCIA", tmp_path / "nodes.csv")
    assert exclusions(manifest) == {"MED_LYMPH_002": "no mask"}
    assert "nodes.csv: 1 of 2 cases are left out, no mask: MED_LYMPH_002" in caplog.text


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="holds no file MED_LYMPH_"):
        write_manifest(tmp_path, tmp_path / "nodes.csv")
