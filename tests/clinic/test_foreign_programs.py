"""What other people's programs say of our objects: validators and readers that share no code with ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.clinic.case_objects import KINDS, CaseObjects, ObjectOptions
from nnunet_amt.clinic.lesions import find_lesions
from nnunet_amt.clinic.rtstruct import write_rtstruct
from nnunet_amt.clinic.secondary_capture import empty_page, write_pages
from nnunet_amt.clinic.segmentation import write_segmentation
from nnunet_amt.clinic.source_series import SourceSeries
from nnunet_amt.images.geometry import Geometry
from tests.clinic import test_rtstruct, test_segmentation
from tests.clinic.builders import MAKER, as_hospitals_write, hard_mask, source_series, structures
from tests.clinic.odd_sources import LEFT_OUT, ODD_SOURCES, OPTIONAL_OF_A_CT, Change, lacking, stating
from tests.clinic.test_rtstruct import OBLIQUE, OBLIQUE_POSITIONS

pytestmark = [pytest.mark.clinic, pytest.mark.filterwarnings("ignore::UserWarning")]


def program(name: str) -> str:
    """Give the path of a program, of the machine's or beside this Python; skip where it is not installed."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)]))
    if path is None:
        pytest.skip(f"{name} is not installed; make test-clinic installs it where it may")
    return path


def run(name: str, *words: object) -> str:
    done = subprocess.run([program(name), *map(str, words)], capture_output=True)
    return (done.stdout + done.stderr).decode(errors="replace")


def write_all(folder: Path, source: SourceSeries) -> list[Path]:
    """Write every kind of object of the mask that is hard to write, and the page that says that nothing was found."""
    mask = hard_mask()
    image = np.full(mask.shape, 40, np.int16)
    lesions = find_lesions(mask, source.series.geometry, image=image)
    case = CaseObjects(source, image, mask, lesions)
    files = case.write(folder / "objects", maker=MAKER, options=ObjectOptions(KINDS))
    return [*files, *write_pages(folder / "empty", source, [empty_page([MAKER.shown])], maker=MAKER)]


def require_no_error(files: list[Path]) -> None:
    for file in files:
        said = run("dciodvfy", "-new", file)
        assert not [line for line in said.splitlines() if line.startswith("Error")], f"{file.name}: {said}"


@pytest.mark.parametrize("change", [as_hospitals_write, None])
def test_dciodvfy_finds_no_error(tmp_path: Path, change: Change | None) -> None:
    """Neither in what is made of a CT as it should be, nor of one that lacks attributes."""
    require_no_error(write_all(tmp_path, source_series(tmp_path / "ct", change=change)))


def test_dcentvfy_finds_patient_study_and_frame_of_one_mind(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct", change=lacking())
    files = [*(tmp_path / "ct").iterdir(), *write_all(tmp_path, source)]
    assert "Error" not in run("dcentvfy", *files)


@pytest.mark.parametrize("keyword", OPTIONAL_OF_A_CT)
def test_a_ct_may_lack_each_attribute_that_it_need_not_have(tmp_path: Path, keyword: str) -> None:
    source = source_series(tmp_path / "ct", change=lacking(keyword))
    require_no_error(write_all(tmp_path, source))
    require_equal(tmp_path / "objects", source)


@pytest.mark.parametrize("what", ODD_SOURCES)
def test_odd_cts_make_sound_objects(tmp_path: Path, what: str) -> None:
    source = source_series(tmp_path / "ct", change=ODD_SOURCES[what])
    require_no_error(write_all(tmp_path, source))
    require_equal(tmp_path / "objects", source)


@pytest.mark.parametrize("what", LEFT_OUT)
def test_values_that_are_none_break_no_object(tmp_path: Path, what: str) -> None:
    source = source_series(tmp_path / "ct", change=stating(**LEFT_OUT[what]))
    require_no_error(write_all(tmp_path, source))
    require_equal(tmp_path / "objects", source)


def require_equal(folder: Path, source: SourceSeries) -> None:
    assert (test_segmentation.read_back(folder / "seg.dcm", source) == hard_mask()).all()
    assert (test_rtstruct.read_back(folder / "rtstruct.dcm", source, "AMT 1") == hard_mask()).all()


@dataclass(frozen=True)
class Grid:
    """Where the slices of a CT lie."""

    positions: list[tuple[float, float, float]]
    orientation: tuple[float, ...]


_ALONG_Z = [(-10.0, -20.0, 100.0 + 2.5 * z) for z in range(6)]
GRIDS = {
    "axial": Grid(_ALONG_Z, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)),
    "from head to feet": Grid(_ALONG_Z[::-1], (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)),
    "rows to the right": Grid(_ALONG_Z, (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)),
    "sagittal": Grid([(-10.0 + 2.5 * x, -20.0, 100.0) for x in range(6)], (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)),
    "oblique": Grid(OBLIQUE_POSITIONS, OBLIQUE),
    "oblique, from head to feet": Grid(OBLIQUE_POSITIONS[::-1], OBLIQUE),
}


def _one_voxel() -> NDArray[np.bool_]:
    mask = np.zeros((6, 10, 12), dtype=bool)
    mask[2, 4, 5] = True
    return mask


def _edges() -> NDArray[np.bool_]:
    """The image's border in every slice, and nothing within."""
    mask = np.ones((6, 10, 12), dtype=bool)
    mask[:, 1:-1, 1:-1] = False
    return mask


MASKS = {"holes and islands": hard_mask(), "one voxel": _one_voxel(), "edge of the image": _edges()}
every_mask = pytest.mark.parametrize("mask", MASKS)


def source_on(folder: Path, grid: str) -> SourceSeries:
    return source_series(
        folder, change=as_hospitals_write, positions=GRIDS[grid].positions, orientation=GRIDS[grid].orientation
    )


@every_mask
@pytest.mark.parametrize("grid", [grid for grid in GRIDS if grid != "sagittal"])
def test_plastimatch_reads_the_same_voxels_of_an_rtstruct(tmp_path: Path, grid: str, mask: str) -> None:
    """Sagittal slices are left out: it sorts contours by their height in the patient, and draws none of such slices."""
    source = source_on(tmp_path / "ct", grid)
    write_rtstruct(tmp_path / "rtstruct.dcm", source, structures({"AMT": MASKS[mask]}), maker=MAKER)
    said = run("plastimatch", "convert", "--input", tmp_path / "rtstruct.dcm", "--referenced-ct", tmp_path / "ct",
               "--output-prefix", tmp_path / "read", "--prefix-format", "nrrd")  # fmt: skip
    assert (tmp_path / "read" / "AMT.nrrd").is_file(), said
    require_mask(sitk.ReadImage(str(tmp_path / "read" / "AMT.nrrd")), MASKS[mask], source.geometry)


@every_mask
@pytest.mark.parametrize("grid", GRIDS)
def test_dcmqi_reads_the_same_voxels_of_a_seg(tmp_path: Path, grid: str, mask: str) -> None:
    """It gives the part of the grid that holds the segment; around it is nothing."""
    source = source_on(tmp_path / "ct", grid)
    write_segmentation(tmp_path / "seg.dcm", source, structures({"AMT": MASKS[mask]}), maker=MAKER)
    said = run("segimage2itkimage", "--inputDICOM", tmp_path / "seg.dcm", "--outputDirectory", tmp_path)
    assert (tmp_path / "1.nrrd").is_file(), said
    require_mask(sitk.ReadImage(str(tmp_path / "1.nrrd")), MASKS[mask], source.geometry)


def require_mask(read: sitk.Image, mask: NDArray[np.bool_], grid: Geometry) -> None:
    """Lay what was read on the scanner's slices by where its voxels lie in the patient, and compare."""
    whole = sitk.GetImageFromArray(mask.astype(np.uint8))
    grid.set_on(whole)
    found = np.zeros_like(mask)
    values = sitk.GetArrayViewFromImage(read)
    for index in np.argwhere(values > 0):
        point = read.TransformIndexToPhysicalPoint([int(one) for one in index[::-1]])
        continuous = np.array(whole.TransformPhysicalPointToContinuousIndex(point))
        assert np.abs(continuous - np.round(continuous)).max() < 1e-3  # it lies on the voxels, not between them
        x, y, z = np.round(continuous).astype(int)
        found[z, y, x] = True
    assert np.count_nonzero(found != mask) == 0


def test_dcmtk_shows_a_structured_report(tmp_path: Path) -> None:
    files = write_all(tmp_path, source_series(tmp_path / "ct", change=as_hospitals_write))
    report = next(file for file in files if file.name == "sr.dcm")
    said = run("dsr2html", report, tmp_path / "sr.html")
    assert said == ""  # it warns of every rule that a tree breaks
    shown = (tmp_path / "sr.html").read_text()
    assert "Research use only" in shown
    assert "Sum of segmented voxel method for volume" in shown


def test_dcmqi_reads_the_measurements_of_a_structured_report(tmp_path: Path) -> None:
    files = write_all(tmp_path, source_series(tmp_path / "ct", change=as_hospitals_write))
    report = next(file for file in files if file.name == "sr.dcm")
    run("tid1500reader", "--inputDICOM", report, "--outputMetadata", tmp_path / "sr.json")
    (group,) = json.loads((tmp_path / "sr.json").read_text())["Measurements"]
    seg = pydicom.dcmread(report.with_name("seg.dcm"))
    assert group["ReferencedSegment"] == 1
    assert group["segmentationSOPInstanceUID"] == seg.SOPInstanceUID
    values = {item["quantity"]["CodeMeaning"]: item["value"] for item in group["measurementItems"]}
    assert float(values["Volume"]) == round(np.count_nonzero(hard_mask()) * 0.8 * 0.7 * 2.5 / 1000, 3)
    assert float(values["Attenuation Coefficient"]) == 40
    assert set(values) == {"Volume", "Long axis", "Maximum 3D Diameter of a Mesh", "Attenuation Coefficient"}
