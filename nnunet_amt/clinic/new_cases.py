"""CTs of new patients, whatever they come in: each that can be read is a case, all else is listed with the reason."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.base.files import files_below
from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.clinic.source_series import NoCtError, ct_series_in, require_whole
from nnunet_amt.errors import AMTError, ImageReadError
from nnunet_amt.images.dicom.files import NO_DICOM
from nnunet_amt.images.dicom.series import DicomSeries
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_file import (
    IMAGE_FILE_ENDINGS,
    ImageFile,
    ReadingOptions,
    is_image_file_name,
    open_image_file,
    to_hounsfield,
)

_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_MARK = 8  # letters of a digest
_CHANNEL = re.compile(r"_0000$")


@dataclass(frozen=True)
class NewCase:
    """A CT whose header has been read.

    Attributes
    ----------
    case_id
        What its results are called: the file's or folder's name, with a mark where that names several.
    given
        The path that was given.
    ct
        The series or file.
    """

    case_id: str
    given: Path
    ct: DicomSeries | ImageFile

    @property
    def grid(self) -> Geometry:
        """The grid with LPS axes."""
        return self.ct.geometry

    @property
    def network_spacing(self) -> tuple[float, ...]:
        """Spacing (z, y, x) in mm with the digits that NIfTI keeps, which the conversion writes.

        The size after resampling is rounded from it: where that is a tie, the last digit decides.
        """
        return tuple(float(np.float32(edge)) for edge in self.grid.spacing[::-1])

    @property
    def own_grid(self) -> Geometry:
        """The grid that the label map gets: the input's own axes; of a straightened series those with LPS axes."""
        if isinstance(self.ct, ImageFile):
            return self.ct.stored
        return self.ct.geometry if self.ct.shifts is not None else self.ct.stored_geometry

    @property
    def source(self) -> str:
        """Where it was found: the file, or the folder of the series."""
        if isinstance(self.ct, ImageFile):
            return str(self.ct.path)
        inside = Path(self.ct.slices[0].member).parent
        return str(self.given if inside == Path() else self.given / inside)

    @cached_property
    def digest(self) -> str:
        """Tell this CT from others: of the slices' UIDs, or of the file's bytes, which are read once."""
        if isinstance(self.ct, ImageFile):
            return file_sha256(self.ct.path) or ""
        return series_digest(self.ct)

    def marked(self) -> NewCase:
        """Give it a name that no other CT has."""
        return replace(self, case_id=f"{self.case_id}-{self.digest[:_MARK]}")

    def read(self, *, keep_intensities: bool = False) -> NDArray[np.signedinteger]:
        """Read whole HU, (z, y, x), LPS axes, as the conversion does; ImageReadError if they cannot be HU."""
        import SimpleITK as sitk

        with tempfile.TemporaryDirectory() as scratch:
            image = self.ct.read(Path(scratch))
        return to_hounsfield(sitk.GetArrayViewFromImage(image), keep_intensities=keep_intensities)


def series_digest(series: DicomSeries) -> str:
    """Digest the UIDs of a series' slices, which tell it from all others."""
    return hashlib.sha256("\n".join(sorted(series.sop_uids)).encode()).hexdigest()


@dataclass(frozen=True)
class NotTaken:
    """Something given that is no case, and why."""

    given: Path
    reason: str
    is_ct: bool = True  # or seems to be: it was to be segmented

    @classmethod
    def because(cls, given: Path, error: Exception) -> NotTaken:
        """Take an error's words, without the name with which they may begin."""
        return cls(given, str(error).removeprefix(f"{given.name}: "), not isinstance(error, NoCtError))


def find_new_cases(inputs: Sequence[Path], *, options: ReadingOptions) -> tuple[list[NewCase], list[NotTaken]]:
    """Look through files, zips and folders for CTs; nothing but headers is read.

    Parameters
    ----------
    inputs
        DICOM folders, zips or files, NIfTI, NRRD or MHA files, or folders of any of them, also of zips.
    options
        Whether a tilted series may be straightened.

    Raises
    ------
    BadInputError
        If a path does not exist.
    """
    cases: list[NewCase] = []
    others: list[NotTaken] = []
    seen: dict[str, NewCase] = {}
    for given in inputs:
        for found in _found_in(given, options):
            if isinstance(found, NotTaken):
                others.append(found)
            elif (first := seen.setdefault(found.ct.identity, found)) is not found:
                others.append(NotTaken(found.given, f"is the same CT as {first.source}", is_ct=False))
            else:
                cases.append(found)
    return _with_names_of_their_own(cases), others


def _found_in(given: Path, options: ReadingOptions) -> Iterator[NewCase | NotTaken]:
    try:
        require_whole(given)
    except ImageReadError as error:
        yield NotTaken.because(given, error)
        return
    files = [given] if given.is_file() else files_below(given)
    images = [file for file in files if is_image_file_name(file)]
    zips = [file for file in files if file.suffix.lower() == ".zip" and file != given]
    for file in images:
        try:
            yield NewCase(_name_of(file), given, open_image_file(file))
        except AMTError as error:
            yield NotTaken.because(file, error)
    for file in zips:
        for found in _found_in(file, options):
            if isinstance(found, NotTaken) and found.reason == NO_DICOM:  # papers or scripts
                found = replace(found, is_ct=False)
            yield found
    if (images or zips) and len(images) + len(zips) == len(files):
        return
    try:
        series = ct_series_in(given, options=options)
    except AMTError as error:
        if not images and not zips:  # with these beside them, papers and scripts are no reason to complain
            yield NotTaken.because(given, error)
        return
    for one in series:
        if isinstance(one, AMTError):
            yield NotTaken.because(given, one)
        else:
            inside = Path(one.slices[0].member).parent.name
            yield NewCase(_name_of(Path(inside) if inside else given), given, one)


def _name_of(path: Path) -> str:
    """Make a case id of a file's or folder's name: without its ending and nnU-Net's channel."""
    name = path.name or path.resolve().name
    ending = next((one for one in (*IMAGE_FILE_ENDINGS, ".zip", ".dcm") if name.lower().endswith(one)), "")
    return _NOT_IN_NAMES.sub("_", _CHANNEL.sub("", name[: len(name) - len(ending)])).strip("._") or "case"


def _with_names_of_their_own(cases: Sequence[NewCase]) -> list[NewCase]:
    """Put a mark behind cases of one name, as the series of one folder are: of the CT, so that it stays the same."""
    many = {name for name, count in Counter(case.case_id.lower() for case in cases).items() if count > 1}
    return [case.marked() if case.case_id.lower() in many else case for case in cases]
