"""Masks of another patient, of another CT, and of the same CT under new UIDs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from nnunet_amt.dataset_conversion import ConversionSettings, ReadingOptions, convert
from nnunet_amt.errors import GeometryMismatchError
from tests.dataset_conversion.cohort_fixtures import write_cohort
from tests.dataset_conversion.test_case_source import TUMOUR, opened
from tests.images.dicom.dicom_fixtures import ORIGIN, SPACING, series_uid, square, write_ct_series, write_rtstruct
from tests.images.dicom.seg_fixtures import as_source, write_seg

AREA = [square(z, (2.5, 6.5), (1.5, 4.5)) for z in (1, 2)]  # TUMOUR
Change = Callable[[Dataset], None]


def unchanged(dataset: Dataset) -> None:
    return


def setting(**elements: str) -> Change:
    def change(dataset: Dataset) -> None:
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return change


def frame_of_structures(uid: str) -> Change:
    """Named at the structures only, as most planning systems do."""

    def change(dataset: Dataset) -> None:
        for item in dataset.StructureSetROISequence:
            item.ReferencedFrameOfReferenceUID = uid

    return change


def write_case(folder: Path, kind: str, *, ct: Change = unchanged, mask: Change = unchanged) -> Path:
    """A CT, and a mask that was drawn on it before `ct` changed it; give the mask."""

    def as_it_was(z: int, dataset: Dataset) -> None:
        as_source(z, dataset)

    def as_it_is(z: int, dataset: Dataset) -> None:
        as_source(z, dataset)
        ct(dataset)

    files = write_ct_series(folder / "ct", change=as_it_was)
    if kind == "RTSTRUCT":
        same = setting(PatientID="planted-id", FrameOfReferenceUID="1.2.3.5")

        def both(dataset: Dataset) -> None:
            same(dataset)
            mask(dataset)

        write_rtstruct(folder / "mask", {"GTV": AREA}, change=both)
    else:
        write_seg(folder / "mask", files, {"GTV": TUMOUR}, change=mask)
    write_ct_series(folder / "ct", change=as_it_is)
    return folder / "mask"


def new_uids(dataset: Dataset) -> None:
    """What a second anonymisation does: every UID is another one, the coordinates stay."""
    dataset.SeriesInstanceUID = series_uid("again")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(
        entropy_srcs=["again", str(dataset.SOPInstanceUID)]
    )


def new_uids_and_frame(dataset: Dataset) -> None:
    new_uids(dataset)
    dataset.FrameOfReferenceUID = "1.2.3.6"


KINDS = pytest.mark.parametrize("kind", ["RTSTRUCT", "DICOM SEG"])


@KINDS
@pytest.mark.parametrize("trust_geometry", [False, True])
def test_another_patients_mask_is_refused_though_it_fits(tmp_path: Path, kind: str, trust_geometry: bool) -> None:
    """Same UIDs, same place: an archive has mixed up two studies, or somebody their ids. Nobody's id is told."""
    mask = write_case(tmp_path, kind, mask=setting(PatientID="planted-other"))
    with pytest.raises(GeometryMismatchError) as error:
        opened(tmp_path / "ct", mask, "GTV", trust_geometry=trust_geometry)
    assert f"the {kind} is of another patient than the CT (PatientID differs)" in str(error.value)
    assert "planted" not in str(error.value)


@KINDS
@pytest.mark.parametrize(
    ("ct", "mask"),
    [
        (unchanged, unchanged),
        (setting(PatientID=""), unchanged),
        (unchanged, setting(PatientID="")),
        (unchanged, setting(PatientID="planted-id ")),  # DICOM pads to an even length
        (setting(FrameOfReferenceUID=""), unchanged),
        (unchanged, setting(FrameOfReferenceUID="")),
    ],
)
def test_the_same_or_nothing_said_is_taken(tmp_path: Path, kind: str, ct: Change, mask: Change) -> None:
    case = opened(tmp_path / "ct", write_case(tmp_path, kind, ct=ct, mask=mask), "GTV")
    assert case.trusted is None
    np.testing.assert_array_equal(case.mask.read(case.image.geometry).labels, TUMOUR)


@KINDS
def test_another_frame_of_reference_is_refused(tmp_path: Path, kind: str) -> None:
    """Its coordinates are not the CT's, whatever images it names."""
    mask = write_case(tmp_path, kind, mask=setting(FrameOfReferenceUID="1.2.3.6"))
    with pytest.raises(
        GeometryMismatchError, match=r"drawn in another frame of reference.*\(--trust-geometry\)"
    ) as error:
        opened(tmp_path / "ct", mask, "GTV")
    assert "1.2.3" not in str(error.value)


def test_the_frame_of_an_rtstruct_may_stand_at_its_structures(tmp_path: Path) -> None:
    """Theirs hold for them, whatever the file says of itself."""

    def change(dataset: Dataset) -> None:
        dataset.FrameOfReferenceUID = "1.2.3.6"
        frame_of_structures("1.2.3.5")(dataset)

    mask = write_case(tmp_path, "RTSTRUCT", ct=new_uids, mask=change)
    case = opened(tmp_path / "ct", mask, "GTV", trust_geometry=True)
    assert case.trusted == "FrameOfReferenceUID"


def test_a_structure_of_another_frame_is_refused_whatever_the_file_says(tmp_path: Path) -> None:
    """Drawn on a registered MR: the file lies in the CT's frame, the structure does not."""
    mask = write_case(tmp_path, "RTSTRUCT", mask=frame_of_structures("1.2.3.99"))
    with pytest.raises(GeometryMismatchError, match="in another frame of reference than the CT's"):
        opened(tmp_path / "ct", mask, "GTV")


@KINDS
def test_a_series_of_which_named_images_are_missing_is_refused(tmp_path: Path, kind: str) -> None:
    """Tumour may be on the slice that is not there; with new image UIDs none is, and the place can be trusted."""

    def name_images(dataset: Dataset) -> None:
        if kind == "RTSTRUCT":
            study = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
            study.RTReferencedSeriesSequence[0].ContourImageSequence = [
                image_item(uid) for uid in sorted(series_images(tmp_path / "ct"))
            ]

    mask = write_case(tmp_path, kind, mask=name_images)
    assert opened(tmp_path / "ct", mask, "GTV") is not None
    images = series_images(tmp_path / "ct")
    images[max(images, key=lambda uid: slice_of(images[uid]))].unlink()
    with pytest.raises(GeometryMismatchError, match=rf"the {kind} names \d images of the CT series, 1 of them are not"):
        opened(tmp_path / "ct", mask, "GTV", trust_geometry=True)
    other = write_case(tmp_path / "b", kind, mask=name_images if kind == "DICOM SEG" else unnamed_images)
    for path in (tmp_path / "b" / "ct").iterdir():
        dataset = dcmread(path)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(path)
    with pytest.raises(GeometryMismatchError, match=r"if this is it with new UIDs, .*\(--trust-geometry\)"):
        opened(tmp_path / "b" / "ct", other, "GTV")
    assert opened(tmp_path / "b" / "ct", other, "GTV", trust_geometry=True).trusted == "FrameOfReferenceUID"


def image_item(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPInstanceUID = uid
    return item


def unnamed_images(dataset: Dataset) -> None:
    study = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    study.RTReferencedSeriesSequence[0].ContourImageSequence = [image_item(f"1.2.{n}") for n in range(4)]


def series_images(folder: Path) -> dict[str, Path]:
    return {str(dcmread(path).SOPInstanceUID): path for path in folder.iterdir()}


def slice_of(path: Path) -> float:
    return float(dcmread(path).ImagePositionPatient[2])


@KINDS
@pytest.mark.parametrize(("ct", "trusted"), [(new_uids, "FrameOfReferenceUID"), (new_uids_and_frame, "geometry")])
def test_new_uids_are_refused_unless_the_place_is_trusted(tmp_path: Path, kind: str, ct: Change, trusted: str) -> None:
    mask = write_case(tmp_path, kind, ct=ct)
    with pytest.raises(GeometryMismatchError, match=r"drawn on another CT series; .*\(--trust-geometry\)"):
        opened(tmp_path / "ct", mask, "GTV")
    case = opened(tmp_path / "ct", mask, "GTV", trust_geometry=True)
    assert case.trusted == trusted
    np.testing.assert_array_equal(case.mask.read(case.image.geometry).labels, TUMOUR)


@KINDS
def test_what_is_trusted_must_fit_all_the_same(tmp_path: Path, kind: str) -> None:
    """A CT whose slices lie half a slice distance higher; a SEG is not resampled to it, or it would fit any CT."""

    def elsewhere(dataset: Dataset) -> None:
        new_uids_and_frame(dataset)
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, z + SPACING[2] / 2]

    mask = write_case(tmp_path, kind, ct=elsewhere)
    with pytest.raises(GeometryMismatchError, match=r"between the slices|another grid"):
        case = opened(tmp_path / "ct", mask, "GTV", trust_geometry=True, resample_masks=True)
        case.mask.read(case.image.geometry)
    assert ORIGIN[2] == 100.0


def test_what_was_trusted_is_in_the_record_and_the_audit(
    tmp_path: Path, without_figure: None, caplog: pytest.LogCaptureFixture
) -> None:
    write_case(tmp_path, "RTSTRUCT", ct=new_uids)
    manifest = write_cohort(tmp_path, {0: {"image": "ct", "mask": "mask"}})
    settings = ConversionSettings(keep_case_ids=True, reading=ReadingOptions(trust_geometry=True))
    dataset = convert(manifest, tmp_path / "raw", dataset_id=711, settings=settings).dataset_folder
    record = json.loads((dataset / ".conversion" / "c0.json").read_text())
    assert record["trusted"] == "FrameOfReferenceUID"
    assert json.loads((dataset / ".conversion" / "c1.json").read_text())["trusted"] is None
    audit = json.loads((dataset / "audit.json").read_text())
    assert audit["masks_that_name_another_ct"] == {"c0": "FrameOfReferenceUID"}
    assert "masks that name another CT, taken by where they lie (--trust-geometry): 1 (c0)" in caplog.text
