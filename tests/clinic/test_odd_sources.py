"""Objects of CTs that break or bend the standard: right, or refused in one line; never wrong, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from nnunet_amt.clinic.case_objects import CaseObjects, ObjectOptions
from nnunet_amt.clinic.lesions import find_lesions
from nnunet_amt.clinic.source_headers import without_invalid
from nnunet_amt.clinic.source_series import SourceSeries
from nnunet_amt.errors import ImageReadError
from tests.clinic import test_rtstruct, test_segmentation
from tests.clinic.builders import MAKER, hard_mask, source_series
from tests.clinic.odd_sources import LEFT_OUT, ODD_SOURCES, REFUSED_SOURCES, stating

# A warning of a library holds the value that it complains of, which may tell who the patient is.
no_warning = pytest.mark.filterwarnings("error::UserWarning")


def write(folder: Path, source: SourceSeries) -> None:
    mask = hard_mask()
    image = np.zeros(mask.shape, np.int16)
    lesions = find_lesions(mask, source.series.geometry, image=image)
    CaseObjects(source, image, mask, lesions).write(
        folder, maker=MAKER, options=ObjectOptions(("seg", "rtstruct", "sr"))
    )


def require_equal(folder: Path, source: SourceSeries) -> None:
    """Ask for the mask, and for the patient, study and frame of the CT, in each object."""
    assert (test_segmentation.read_back(folder / "seg.dcm", source) == hard_mask()).all()
    assert (test_rtstruct.read_back(folder / "rtstruct.dcm", source, "AMT 1") == hard_mask()).all()
    for name in ("seg.dcm", "rtstruct.dcm", "sr.dcm"):
        written = pydicom.dcmread(folder / name)
        for keyword in ("PatientName", "PatientID", "StudyInstanceUID"):
            assert written[keyword].value == source.first[keyword].value
        if name != "sr.dcm":
            assert written.FrameOfReferenceUID == source.first.FrameOfReferenceUID


@no_warning
@pytest.mark.parametrize("what", ["Japanese name in half width", "positions of 20 digits", "directions of 20 digits"])
def test_odd_but_right(tmp_path: Path, what: str) -> None:
    source = source_series(tmp_path / "ct", change=ODD_SOURCES[what])
    write(tmp_path, source)
    require_equal(tmp_path, source)
    assert source.note == ""


@pytest.mark.parametrize("what", LEFT_OUT)
def test_a_value_that_is_none_goes(what: str) -> None:
    """Written on, it would break the object; highdicom ends at some of them."""
    dataset = Dataset()
    stating(**{"SOPInstanceUID": "1.2.3", **LEFT_OUT[what]})(0, dataset)
    (keyword,) = LEFT_OUT[what]
    assert without_invalid(dataset) == [keyword]
    assert keyword not in dataset


def test_a_number_that_is_none_goes_and_one_of_many_digits_is_shortened() -> None:
    dataset = Dataset()
    for keyword, value in {"PatientWeight": b"heavy ", "PatientSize": b"1.700000000000000000001 "}.items():
        tag = Tag(keyword)
        dataset[tag] = RawDataElement(tag, "DS", len(value), value, 0, False, True)
    assert without_invalid(dataset) == ["PatientWeight"]
    assert str(dataset.PatientSize) == "1.7"


@no_warning
def test_objects_do_without_such_values_and_it_is_told(tmp_path: Path) -> None:
    values = {keyword: value for broken in LEFT_OUT.values() for keyword, value in broken.items()}
    source = source_series(tmp_path / "ct", change=stating(**values))
    write(tmp_path, source)
    require_equal(tmp_path, source)
    for name in ("seg.dcm", "rtstruct.dcm", "sr.dcm"):
        written = pydicom.dcmread(tmp_path / name)
        assert [written.get(keyword) or None for keyword in values] == [None] * len(values)
    assert set(source.left_out) == set(values)
    assert source.note.startswith("the objects leave out ")
    assert source.note.endswith(": the CT's value is none by the standard")


@pytest.mark.filterwarnings("ignore::UserWarning")  # such as come while the CT is written
@pytest.mark.parametrize("what", REFUSED_SOURCES)
def test_what_no_object_can_name_is_refused(tmp_path: Path, what: str) -> None:
    change, message = REFUSED_SOURCES[what]
    with pytest.raises(ImageReadError) as refused:
        source_series(tmp_path / "ct", change=change)
    (line,) = str(refused.value).splitlines()
    assert message in line
    assert "Planted" not in line


def test_distances_of_a_seg_are_the_grid_s(tmp_path: Path) -> None:
    """The thickness of a slice may be more than the distance of slices: a reader would stretch the mask by it."""
    source = source_series(tmp_path / "ct", change=ODD_SOURCES["SliceThickness of another CT"])
    write(tmp_path, source)
    (groups,) = pydicom.dcmread(tmp_path / "seg.dcm").SharedFunctionalGroupsSequence
    (measures,) = groups.PixelMeasuresSequence
    assert [measures.SliceThickness, measures.SpacingBetweenSlices, *measures.PixelSpacing] == [2.5, 2.5, 0.7, 0.8]
