"""Open what the manifest names as the image and the mask of a case; nothing but headers is read."""

from __future__ import annotations

import errno
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import SimpleITK as sitk

from nnunet_amt.base.files import why_unreadable
from nnunet_amt.cohort import CohortCase
from nnunet_amt.cohort.case import place_in_manifest
from nnunet_amt.errors import (
    BadInputError,
    DiskFullError,
    GeometryMismatchError,
    ImageReadError,
    LabelValueError,
    MissingExtraError,
    RoiNotFoundError,
)
from nnunet_amt.images.dicom.files import DicomFolder, DicomMask, is_cut_zip, is_dicom_path
from nnunet_amt.images.dicom.headers import DicomHeader
from nnunet_amt.images.dicom.mask import open_dicom_mask, require_same_series
from nnunet_amt.images.dicom.seg import DicomSeg
from nnunet_amt.images.dicom.series import DicomSeries, ct_series_among
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_file import IMAGE_FILE_ENDINGS, ReadingOptions, is_image_file_name, open_image_file
from nnunet_amt.images.mask_file import LabelFile, open_label_file
from nnunet_amt.images.mask_on_grid import EmptyMaskError, MaskOnGrid

_AS_IT_IS = ReadingOptions()
# Shorter names are too likely to be words of the message, and say nothing of a person.
_LONG_NAME = 5
_FILE, _INNER = "the file", "one of its files"
# "scan.zip: holds no CT" becomes "the file holds no CT"; what goes on with a subject of its own stands alone.
_OPENING = re.compile(r"^(the (?:file|folder|RTSTRUCT|DICOM SEG)[^:]*): (?=(is|has|holds|does|covers|cannot|lies)\b)")
_NO_SUBJECT = re.compile(r"^the (file|folder): ")


class ImageSource(Protocol):
    """A CT whose header has been read."""

    @property
    def geometry(self) -> Geometry:
        """The grid with LPS axes."""

    @property
    def manufacturer(self) -> str | None:
        """Of the scanner, if the format keeps it."""

    @property
    def identity(self) -> str:
        """Equal for the same CT given twice."""

    def read(self, scratch: Path) -> sitk.Image:
        """Read the voxels, LPS axes; `scratch` is an empty folder for temporary files."""


class MaskSource(Protocol):
    """A mask whose header has been read."""

    @property
    def has_ignore_label(self) -> bool:
        """Whether the label 2 stands for voxels to be ignored."""

    def read(self, geometry: Geometry) -> MaskOnGrid:
        """Read the mask on the CT's grid: 0, 1, and 2 only with `has_ignore_label`."""


class TumourInMaskError(LabelValueError):
    """A mask holds a tumour, and the manifest says that there is none."""


@dataclass(frozen=True)
class NoTumour:
    """The mask of a CT that shows no tumour by the manifest; a mask that it names all the same must be empty."""

    given: MaskSource | None = None

    has_ignore_label = False

    def read(self, geometry: Geometry) -> MaskOnGrid:
        """Give an empty mask; TumourInMaskError if the one given holds a tumour."""
        if self.given is not None:
            with suppress(EmptyMaskError):
                voxels = int(np.count_nonzero(self.given.read(geometry).labels == 1))
                raise TumourInMaskError(
                    f"holds {voxels} voxels of tumour, though no_tumour is yes; empty one of the two cells"
                )
        return MaskOnGrid(np.zeros(geometry.size[::-1], np.uint8))


@dataclass(frozen=True)
class CaseSource:
    """A case whose files have been found, and whose headers fit together."""

    image: ImageSource
    mask: MaskSource
    # What was trusted of a mask that names another CT, see `require_same_series`
    trusted: str | None = None
    second: MaskSource | None = None  # of a second reader

    @property
    def has_ignore_label(self) -> bool:
        """Whether the mask uses nnU-Net's ignore label, 2; then dataset.json must name it."""
        return self.mask.has_ignore_label


def open_case(case: CohortCase, *, manifest_name: str, options: ReadingOptions = _AS_IT_IS) -> CaseSource:
    """Read the headers of a case's image and mask and check that they belong together.

    The file's ending tells NIfTI, NRRD and MHA; folders, zips and all else are taken for DICOM. Of several CT series in
    one folder, the one that the RTSTRUCT or DICOM SEG refers to is taken. What is refused is a subclass of
    BadInputError, whose message begins with the manifest's line and column and the case.
    """
    headers_of = cache(lambda path: DicomFolder(path).headers())  # image and mask are often in one zip
    with in_column(manifest_name, case, "image"):
        require_known_kind(case.image)
    with in_column(manifest_name, case, "mask"):
        drawn = _drawn_mask(case.mask, case, headers_of, options)
    with in_column(manifest_name, case, "mask_2"):
        drawn_again = _drawn_mask(case.mask_2, case, headers_of, options)
    with in_column(manifest_name, case, "image"):
        if is_image_file_name(case.image):
            image: ImageSource = open_image_file(case.image)
        else:
            series, images = (drawn.series_uids, drawn.sop_uids) if drawn else (frozenset(), frozenset())
            image = ct_series_among(
                DicomFolder(case.image),
                headers_of(case.image),
                wanted=series,
                wanted_images=images,
                options=options,
            )
    if case.mask is None:
        return CaseSource(image, NoTumour())
    with in_column(manifest_name, case, "mask"):
        mask, trusted = _on_image(case.mask, drawn, image, options)
    if case.mask_2 is None:
        return CaseSource(image, NoTumour(mask) if case.no_tumour else mask, trusted)
    with in_column(manifest_name, case, "mask_2"):
        second, trusted_too = _on_image(case.mask_2, drawn_again, image, options)
    return CaseSource(image, mask, trusted or trusted_too, second)


def _drawn_mask(
    path: Path | None, case: CohortCase, headers_of: Callable[[Path], list[DicomHeader]], options: ReadingOptions
) -> DicomMask | None:
    """Read the headers of a mask that is DICOM, as a CT series may be chosen by it; None if it is a label file."""
    if path is None:
        return None
    require_known_kind(path)
    if is_image_file_name(path):
        return None
    return open_dicom_mask(
        DicomFolder(path),
        headers_of(path),
        roi=case.roi,
        resample=options.resample_masks,
        interpolate=options.interpolate_contours,
    )


def _on_image(
    path: Path, drawn: DicomMask | None, image: ImageSource, options: ReadingOptions
) -> tuple[MaskSource, str | None]:
    """Check that a mask belongs to the CT; give it, and what was trusted for that, see `require_same_series`."""
    if drawn is None:
        return _label_file(path, image, options), None
    trusted = None
    if isinstance(image, DicomSeries):
        trusted = require_same_series(drawn, image, trust_geometry=options.trust_geometry)
    if trusted and isinstance(drawn, DicomSeg):  # resampled, it would fit any CT
        drawn = replace(drawn, resample=False)
    drawn.require_fit(image.geometry)
    return drawn, trusted


@contextmanager
def in_column(manifest_name: str, case: CohortCase, column: str) -> Iterator[None]:
    """Put the manifest's line and column and the case before the message of an error in the block.

    Names of files and folders are left out of it: hospitals name them by the patient. Errors of the operating system
    become errors for the user. What a header holds may have line breaks; a message has none.
    """
    place = place_in_manifest(manifest_name, case.line, column, case.case_id)
    try:
        yield
    except (MissingExtraError, DiskFullError):
        raise
    except BadInputError as error:
        if isinstance(error, RoiNotFoundError):
            place = place_in_manifest(manifest_name, case.line, "roi", case.case_id)
        raise type(error)(f"{place}: {_without_names(' '.join(str(error).split()), case)}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(f"{place}: the disk is full; free some space and run the same command again") from error
        raise ImageReadError(f"{place}: cannot be read ({error.strerror or type(error).__name__})") from error


def _without_names(message: str, case: CohortCase) -> str:
    """Call what the manifest names "the file" or "the folder". Short names, such as CT, may be words of a message."""
    paths = [path for path in (case.image, case.mask, case.mask_2) if path is not None]
    for path in paths:
        if message.startswith(path.name):
            message = f"the {'folder' if path.is_dir() else 'file'}{message[len(path.name) :]}"
    long = [path for path in paths if len(path.name) >= _LONG_NAME]
    message = without_file_names(message, *long)
    return _NO_SUBJECT.sub("", _OPENING.sub(r"\1 ", message))


def require_existing(path: Path) -> None:
    """Refuse a path that leads nowhere, with a hint if it is written as on Windows, or to no file with content."""
    if path.is_dir():
        return
    reason = why_unreadable(path)
    if reason == "does not exist":
        hint = "; write / in place of \\" if "\\" in path.name else ""
        raise ImageReadError(f"{path.name} does not exist{hint}; paths are relative to the manifest's folder")
    if reason:
        raise ImageReadError(f"{path.name} {reason}")


def require_known_kind(path: Path) -> None:
    """Refuse a path that leads nowhere, see `require_existing`, or to what is by its name and first bytes no image."""
    require_existing(path)
    known = path.is_file() if is_image_file_name(path) else is_dicom_path(path)
    if not known and path.is_file() and is_cut_zip(path):
        raise ImageReadError(f"{path.name}: the zip is damaged or not whole; copy or export it again")
    if not known:
        endings = ", ".join(IMAGE_FILE_ENDINGS)
        raise ImageReadError(
            f"{path.name} is no image that can be read; give a file ({endings}), or DICOM as a folder or a zip"
        )


def _label_file(path: Path, image: ImageSource, options: ReadingOptions) -> LabelFile:
    if isinstance(image, DicomSeries) and image.shifts is not None:
        # Programs that make label files of a tilted series declare an upright grid without the shift.
        try:
            return open_label_file(path, grid=image.geometry)
        except GeometryMismatchError as error:
            raise GeometryMismatchError(
                f"{path.name}: does not lie on the grid of the straightened CT, and no label file can be straightened "
                "with it; give an RTSTRUCT or a DICOM SEG"
            ) from error
    return open_label_file(path, grid=image.geometry, resample=options.resample_masks)


def without_file_names(message: str, *paths: Path) -> str:
    """Put words in place of the names of files and folders, and of those inside a folder or a zip.

    ``"DOE_JANE.zip: MILLER01.dcm is truncated"`` becomes ``"the file: one of its files is truncated"``: the manifest's
    line and column, which stand before a message, say which file it is. Many hospitals name files by the patient.
    """
    for path in paths:
        message = message.replace(str(path), _FILE)
    words = {name: _INNER for path in paths for name in _inner_names(path) if len(name) >= _LONG_NAME}
    words |= {path.name: _FILE for path in paths if path.name}
    if not words:
        return message
    longest_first = sorted(words, key=len, reverse=True)
    names = "|".join(re.escape(name) for name in longest_first)
    return re.sub(rf"(?<![\w.])(?:{names})(?!\w)", lambda found: words[found.group()], message)


def _inner_names(path: Path) -> Iterator[str]:
    """Give the names of what lies in a folder or zip; nothing if it cannot be read."""
    try:
        if path.is_dir():
            for inner in path.rglob("*"):
                yield inner.name
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    yield name
                    yield from Path(name).parts
    except (OSError, zipfile.BadZipFile):
        return
