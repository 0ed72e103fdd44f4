"""What other people's programs say of our objects: validators and a reader that shares no code with ours."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset

from nnunet_amt.clinic.lesions import find_lesions
from nnunet_amt.clinic.rtstruct import write_rtstruct
from nnunet_amt.clinic.secondary_capture import empty_page, lesion_page, write_pages
from nnunet_amt.clinic.segmentation import write_segmentation
from nnunet_amt.clinic.source_series import SourceSeries
from nnunet_amt.images.geometry import Geometry
from tests.clinic.builders import MAKER, as_hospitals_write, hard_mask, source_series
from tests.clinic.test_rtstruct import OBLIQUE, OBLIQUE_POSITIONS

pytestmark = pytest.mark.clinic


def program(name: str) -> str:
    """Give the path of a program; skip where it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed; make test-clinic installs it where it may")
    return path


def write_all(folder: Path, source: SourceSeries) -> list[Path]:
    mask = hard_mask()
    write_segmentation(folder / "seg.dcm", source, {"AMT 1": mask}, maker=MAKER)
    write_rtstruct(folder / "rtstruct.dcm", source, {"AMT 1": mask}, maker=MAKER)
    grid = source.series.geometry
    image = np.zeros(mask.shape, np.int16)
    (lesion, *_) = find_lesions(mask, grid, image=image)
    pages = [
        lesion_page(image, mask, lesion, count=1, spacing=grid.spacing, lines=[MAKER.shown]),
        empty_page([MAKER.shown]),
    ]
    return [folder / "seg.dcm", folder / "rtstruct.dcm", *write_pages(folder, source, pages, maker=MAKER)]


@pytest.mark.parametrize("change", [as_hospitals_write, None])
def test_dciodvfy_finds_no_error(tmp_path: Path, change: Callable[[int, Dataset], None] | None) -> None:
    """Neither in what is made of a CT as it should be, nor of one that lacks attributes."""
    source = source_series(tmp_path / "ct", change=change)
    for file in write_all(tmp_path, source):
        said = subprocess.run([program("dciodvfy"), "-new", str(file)], capture_output=True, text=True).stderr
        assert not [line for line in said.splitlines() if line.startswith("Error")], f"{file.name}: {said}"


def test_dcentvfy_finds_patient_study_and_frame_of_one_mind(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct", change=as_hospitals_write)
    files = [*(tmp_path / "ct").iterdir(), *write_all(tmp_path, source)]
    done = subprocess.run([program("dcentvfy"), *map(str, files)], capture_output=True, text=True)
    assert "Error" not in done.stderr + done.stdout


@pytest.mark.parametrize("oblique", [False, True])
def test_plastimatch_reads_the_same_voxels(tmp_path: Path, oblique: bool) -> None:
    """Also the hole, the island in it, single voxels, those at corners, and whole slices."""
    if oblique:
        source = source_series(
            tmp_path / "ct", change=as_hospitals_write, positions=OBLIQUE_POSITIONS, orientation=OBLIQUE
        )
    else:
        source = source_series(tmp_path / "ct", change=as_hospitals_write)
    write_rtstruct(tmp_path / "rtstruct.dcm", source, {"AMT": hard_mask()}, maker=MAKER)
    subprocess.run(
        [program("plastimatch"), "convert", "--input", str(tmp_path / "rtstruct.dcm"), "--referenced-ct",
         str(tmp_path / "ct"), "--output-prefix", str(tmp_path / "read"), "--prefix-format", "nrrd"],
        check=True, capture_output=True,
    )  # fmt: skip
    read = sitk.ReadImage(str(tmp_path / "read" / "AMT.nrrd"))
    assert Geometry.of(read).size == source.geometry.size
    assert ((sitk.GetArrayFromImage(read) > 0) == hard_mask()).all()
