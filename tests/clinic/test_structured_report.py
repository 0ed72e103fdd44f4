"""A structured report of ours names the SEG's segments and the CT, and holds what lesions.csv holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.clinic.case_objects import CaseObjects, ObjectOptions
from nnunet_amt.clinic.lesions import Lesion, find_lesions
from nnunet_amt.clinic.source_series import SourceSeries
from tests.clinic.builders import MAKER, source_series


def blocks(count: int) -> NDArray[np.bool_]:
    """Lesions of 2 x 3 x 4 and 1 x 2 x 5 voxels, (z, y, x), or the first alone."""
    mask = np.zeros((6, 10, 12), dtype=bool)
    mask[2:4, 3:6, 4:8] = True
    mask[5, 8:10, 0:5] = count > 1
    return mask


def write(folder: Path, source: SourceSeries, count: int, kinds: tuple[Any, ...] = ("seg", "sr")) -> list[Lesion]:
    mask = blocks(count)
    image = np.where(mask, 40, -100).astype(np.int16)
    lesions = find_lesions(mask, source.series.geometry, image=image)
    CaseObjects(source, image, mask, lesions).write(folder, maker=MAKER, options=ObjectOptions(kinds))
    return lesions


def items(dataset: Dataset, meaning: str) -> list[Dataset]:
    """Find the content items of a name, wherever they stand in the tree."""
    found = []
    for item in dataset.get("ContentSequence", []):
        if item.get("ConceptNameCodeSequence") and item.ConceptNameCodeSequence[0].CodeMeaning == meaning:
            found.append(item)
        found += items(item, meaning)
    return found


def number(group: Dataset, meaning: str) -> tuple[float, str]:
    (item,) = items(group, meaning)
    value = item.MeasuredValueSequence[0]
    return float(value.NumericValue), str(value.MeasurementUnitsCodeSequence[0].CodeValue)


@pytest.mark.parametrize("count", [1, 2])
def test_measures_each_lesion_and_names_its_segment(tmp_path: Path, count: int) -> None:
    """A voxel has 0.8 x 0.7 x 2.5 mm; a SEG of one segment is the one that libraries stumble on."""
    source = source_series(tmp_path / "ct")
    lesions = write(tmp_path, source, count)
    report, seg = (pydicom.dcmread(tmp_path / name) for name in ("sr.dcm", "seg.dcm"))
    groups = items(report, "Measurement Group")
    assert len(groups) == count
    assert number(groups[0], "Volume") == (round(24 * 0.8 * 0.7 * 2.5 / 1000, 3), "cm3")
    for number_, (group, lesion) in enumerate(zip(groups, lesions, strict=True), start=1):
        assert number(group, "Long axis") == (round(lesion.axial_diameter_mm, 3), "mm")
        assert number(group, "Maximum 3D Diameter of a Mesh") == (round(lesion.maximum_diameter_mm, 3), "mm")
        assert number(group, "Attenuation Coefficient") == (40, "[hnsf'U]")
        (segment,) = items(group, "Referenced Segment")
        named = segment.ReferencedSOPSequence[0]
        assert named.ReferencedSOPInstanceUID == seg.SOPInstanceUID
        assert named.ReferencedSegmentNumber == number_
        assert "ReferencedFrameNumber" not in named  # with a segment's number it is an error
        (series,) = items(group, "Source Series for Segmentation")
        assert series.UID == source.first.SeriesInstanceUID
        (tracking,) = items(group, "Tracking Unique Identifier")
        assert tracking.UID == seg.SegmentSequence[number_ - 1].TrackingUID


def test_lists_the_ct_and_the_seg_as_evidence(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct")
    write(tmp_path, source, 1)
    report = pydicom.dcmread(tmp_path / "sr.dcm")
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID == source.first.StudyInstanceUID
    named = {
        str(one.ReferencedSOPInstanceUID) for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }  # fmt: skip
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    assert named == {str(seg.SOPInstanceUID), *(str(one.SOPInstanceUID) for one in source.slices)}


def test_says_that_it_is_for_research_and_who_made_it(tmp_path: Path) -> None:
    write(tmp_path, source_series(tmp_path / "ct"), 1)
    report = pydicom.dcmread(tmp_path / "sr.dcm")
    assert items(report, "Comment")[0].TextValue == "Research use only, not for diagnosis"
    assert "research only" in report.SeriesDescription
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert items(report, "Algorithm Name")[0].TextValue == "nnUNetTrainerAMT abababababab"


def test_the_same_twice_and_another_for_another_mask(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct")
    for folder, count in (("one", 1), ("again", 1), ("other", 2)):
        write(tmp_path / folder, source, count)
    one, again, other = (tmp_path / folder / "sr.dcm" for folder in ("one", "again", "other"))
    assert one.read_bytes() == again.read_bytes()
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert pydicom.dcmread(one)[keyword] != pydicom.dcmread(other)[keyword]


def test_a_name_in_japanese_is_the_ct_s(tmp_path: Path) -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"

    def japanese(z: int, dataset: Dataset) -> None:
        dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        dataset.PatientName = name

    write(tmp_path, source_series(tmp_path / "ct", change=japanese), 1)
    assert str(pydicom.dcmread(tmp_path / "sr.dcm").PatientName) == name


def test_the_seg_that_it_names_is_written_with_it(tmp_path: Path) -> None:
    """A report about an object that nobody has is of no use."""
    write(tmp_path, source_series(tmp_path / "ct"), 1, kinds=("sr",))
    assert sorted(path.name for path in tmp_path.glob("*.dcm")) == ["seg.dcm", "sr.dcm"]


def test_goes_when_the_case_is_written_again_without_it(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct")
    write(tmp_path, source, 1)
    write(tmp_path, source, 1, kinds=("seg",))
    assert sorted(path.name for path in tmp_path.glob("*.dcm")) == ["seg.dcm"]


def test_one_segment_for_all_lesions_is_refused_in_one_line(tmp_path: Path) -> None:
    """What is measured of a lesion is not true of the segment of all."""
    done = CliRunner().invoke(
        app,
        ["export", str(tmp_path), "--dicom", str(tmp_path), "-o", str(tmp_path / "out"), "--as", "sr", "--together"],
    )
    assert done.exit_code == 2
    (line,) = [line for line in done.output.splitlines() if line.startswith("error:")]
    assert "--together" in line
