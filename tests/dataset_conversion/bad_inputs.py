"""Cases with one defect, and the check of the message that they must give.

The messages stand after the manifest's line, column and case, are of one line, and hold neither names of files nor
what the headers tell of the patient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from nnunet_amt.cohort import CohortCase
from nnunet_amt.dataset_conversion.case_source import in_column, open_case
from nnunet_amt.errors import BadInputError
from nnunet_amt.images.image_file import to_hounsfield
from tests.cohort.cases import make_case
from tests.dataset_conversion.cohort_fixtures import make_ct, make_mask, write_image
from tests.images.dicom.dicom_fixtures import (
    AXIAL,
    square,
    write_ct_series,
    write_rtstruct,
)
from tests.images.dicom.seg_fixtures import write_ct_and_seg

AREA = [square(1, (2.5, 6.5), (1.5, 4.5))]
TUMOUR = np.zeros((6, 10, 12), bool)
TUMOUR[1:3, 2:5, 3:7] = True


@dataclass(frozen=True)
class Bad:
    """What is written to a folder, and how the message goes on after line, column and case."""

    write: Callable[[Path], object]
    column: str
    message: str
    image: str = "scan"
    mask: str = "rs"
    roi: str | None = "GTV"


def series(
    change: Callable[[int, Dataset], None] | None = None,
    positions: list[tuple[float, float, float]] | None = None,
    orientation: tuple[float, ...] = AXIAL,
    volume: NDArray | None = None,
    syntax: str | None = None,
) -> Callable[[Path], object]:
    """A DICOM series with a defect and a sound RTSTRUCT."""

    def write(folder: Path) -> None:
        write_ct_series(
            folder / "scan", volume, positions=positions, orientation=orientation, change=change, syntax=syntax
        )
        write_rtstruct(folder / "rs", {"GTV": AREA})

    return write


def third(**elements: object) -> Callable[[int, Dataset], None]:
    """Change elements of the third slice; None removes them."""

    def change(z: int, dataset: Dataset) -> None:
        for keyword, value in elements.items() if z == 2 else ():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)

    return change


def every(**elements: object) -> Callable[[int, Dataset], None]:
    def change(z: int, dataset: Dataset) -> None:
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return change


def heights(*values: float) -> list[tuple[float, float, float]]:
    return [(0.0, 0.0, value) for value in values]


def structure(rois: dict, series: str | None = "ct", change: Callable | None = None) -> Callable[[Path], object]:
    """A sound DICOM series and an RTSTRUCT with a defect."""

    def write(folder: Path) -> None:
        write_ct_series(folder / "scan")
        write_rtstruct(folder / "rs", rois, series=series, change=change)

    return write


def segmentation(masks: dict, kind: str = "BINARY", change: Callable | None = None) -> Callable[[Path], object]:
    return lambda folder: write_ct_and_seg(folder, masks, kind, change=change)


def files(ct: NDArray | None = None, mask: NDArray | None = None, **geometry: tuple) -> Callable[[Path], object]:
    """A CT and a label file; `geometry` is the mask's."""

    def write(folder: Path) -> None:
        write_image(folder / "ct.nrrd", make_ct(0) if ct is None else ct)
        write_image(folder / "m.nrrd", make_mask() if mask is None else mask, **geometry)

    return write


def then(*writers: Callable[[Path], object]) -> Callable[[Path], object]:
    """Do one after the other."""

    def write(folder: Path) -> None:
        for writer in writers:
            writer(folder)

    return write


def assert_refused(bad: Bad, folder: Path, scratch: Path) -> None:
    """Write a bad case, read it as the conversion does, and compare the message."""
    folder.mkdir()
    scratch.mkdir()
    bad.write(folder)
    with pytest.raises(BadInputError) as error:
        read_all(folder / bad.image, folder / bad.mask, bad.roi, scratch)
    message = str(error.value)
    place, _, rest = message.partition("(case 'c0'): ")
    assert place == f"manifest.csv line 2, column {bad.column!r} "
    assert bad.message in rest, rest
    assert "\n" not in message
    assert "planted" not in message.lower()
    assert str(folder) not in message


def read_all(image: Path, mask: Path, roi: str | None, scratch: Path) -> None:
    """Open and read a case."""
    case = CohortCase(**(vars(make_case("c0", "North")) | {"image": image, "mask": mask, "roi": roi}))
    source = open_case(case, manifest_name="manifest.csv")
    with in_column("manifest.csv", case, "image"):
        to_hounsfield(sitk.GetArrayFromImage(source.image.read(scratch)))
    with in_column("manifest.csv", case, "mask"):
        source.mask.read(source.image.geometry)
