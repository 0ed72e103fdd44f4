"""Find the one CT series in a folder or zip, and read its voxels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.dicom.files import DicomFolder, pydicom_module
from nnunet_amt.images.dicom.headers import CT_IMAGE, DicomHeader
from nnunet_amt.images.dicom.series_gate import LARGEST_DRIFT_PIXELS, checked_slices, series_geometry
from nnunet_amt.images.dicom.slices import (
    NOT_IN_SIMPLEITK,
    Shifts,
    decoded_series,
    plain_series,
    slice_shifts,
    straight_geometry,
    straightened,
    with_floor,
)
from nnunet_amt.images.dicom.stream import UNCOMPRESSED
from nnunet_amt.images.geometry import Geometry, lps_geometry, to_lps
from nnunet_amt.images.image_file import ReadingOptions

_AS_IT_IS = ReadingOptions()


@dataclass(frozen=True)
class DicomSeries:
    """A CT series that passed the gate on its headers."""

    # Where its files are, and their headers, sorted along the normal of the slices
    folder: DicomFolder
    slices: tuple[DicomHeader, ...]
    stored_geometry: Geometry  # the grid of the slices in that order
    # Of a series that is to be straightened: how far its slices are shifted by the tilted gantry
    shifts: Shifts | None = None

    @property
    def geometry(self) -> Geometry:
        """The grid with LPS axes, of the straightened series if it is to be straightened."""
        return lps_geometry(self._read_geometry)

    @property
    def is_enhanced(self) -> bool:
        """Whether one file holds many slices, as frames."""
        return any(header.frame for header in self.slices)

    @property
    def manufacturer(self) -> str | None:
        """Of the scanner, as in the headers."""
        return self.slices[0].manufacturer or None

    @property
    def identity(self) -> str:
        """SeriesInstanceUID, for comparison only: equal for two cases that were given the same series, or copies.

        Where the headers state none, the folder's path.
        """
        return self.slices[0].series_uid or str(self.folder.path.resolve())

    @property
    def sop_uids(self) -> frozenset[str]:
        """SOPInstanceUIDs of the slices, for comparison only."""
        return frozenset(header.sop_uid for header in self.slices)

    @property
    def patient_digest(self) -> str:
        """Of the patient, see `DicomHeader`; some slices may be silent, none is of another."""
        return next((header.patient_digest for header in self.slices if header.patient_digest), "")

    @property
    def frame_of_reference(self) -> str:
        """FrameOfReferenceUID, for comparison only."""
        return next((header.frame_of_reference for header in self.slices if header.frame_of_reference), "")

    def read(self, scratch: Path) -> sitk.Image:
        """Read the series in HU with LPS axes; `scratch` is an empty folder, for files out of a zip."""
        image = self._voxels(scratch)
        if self.shifts is not None:
            return to_lps(straightened(image, self.shifts, geometry=self._read_geometry))
        # The grid that passed the gate, not the one that the reader makes of the headers again.
        self.stored_geometry.set_on(image)
        return to_lps(image)

    @property
    def _read_geometry(self) -> Geometry:
        return straight_geometry(self.stored_geometry, self.shifts) if self.shifts else self.stored_geometry

    def _voxels(self, scratch: Path) -> sitk.Image:
        """Read the slices in HU, in their order, on any grid; padding has the floor."""
        if self.is_enhanced:
            return sitk.GetImageFromArray(decoded_series(self.folder, self.slices))
        files = self.folder.files_on_disk([header.member for header in self.slices], scratch)
        if (plain := plain_series(files, self.slices)) is not None:
            return sitk.GetImageFromArray(plain)
        syntaxes = {header.syntax for header in self.slices}
        if not syntaxes & NOT_IN_SIMPLEITK:
            reader = sitk.ImageSeriesReader()
            reader.SetFileNames([str(file) for file in files])
            if len({(header.slope, header.intercept) for header in self.slices}) > 1:
                reader.SetOutputPixelType(sitk.sitkFloat32)  # the first file's type may be too narrow for the others
            try:
                image = reader.Execute()
            except RuntimeError as error:
                if not syntaxes <= UNCOMPRESSED:
                    raise ImageReadError(
                        f"{self.folder.path.name}: the pixels of the CT series cannot be read ({_named(syntaxes)}); "
                        "copy the series again, or export it uncompressed"
                    ) from error
            else:
                values = sitk.GetArrayViewFromImage(image)
                floored = with_floor(values, files, self.slices)
                return image if floored is values else sitk.GetImageFromArray(floored)
        return sitk.GetImageFromArray(decoded_series(self.folder, self.slices))


def _named(syntaxes: Collection[str]) -> str:
    """Name transfer syntaxes as DICOM does, for a message."""
    uids = [pydicom_module().uid.UID(syntax) for syntax in sorted(syntaxes)]
    return "transfer syntax " + ", ".join(uid.name if uid.is_transfer_syntax else "unknown" for uid in uids)


def ct_series_among(
    folder: DicomFolder,
    headers: Sequence[DicomHeader],
    *,
    wanted: Collection[str] = frozenset(),
    wanted_images: Collection[str] = frozenset(),
    options: ReadingOptions = _AS_IT_IS,
) -> DicomSeries:
    """Choose the CT series among the files of a folder, check its headers and sort its slices.

    Raises ImageReadError if there is no CT series, more than one, or the series does not form an even grid.

    Parameters
    ----------
    folder, headers
        All DICOM files there; RTSTRUCT, RTPLAN, RTDOSE, reports and localiser series are passed over.
    wanted, wanted_images
        SeriesInstanceUIDs and SOPInstanceUIDs that a mask refers to; they decide between several CT series.
    options
        Whether a tilted series may be straightened.
    """
    name = folder.path.name
    by_series: dict[str, list[DicomHeader]] = defaultdict(list)
    for header in headers:
        if header.sop_class == CT_IMAGE:
            by_series[header.series_uid].append(header)
    volumes = [
        slices for slices in by_series.values() if not all("LOCALIZER" in header.image_type for header in slices)
    ]
    if not volumes:
        raise ImageReadError(f"{name}: holds no CT series; {_contents(headers)}")
    stacks = list(filter(_may_be_stacked, volumes))
    if not any(_continues(image, stack) for stack in stacks for slices in volumes for image in slices):
        volumes = stacks or volumes
    chosen = volumes
    if len(volumes) > 1 and (wanted or wanted_images):  # what the mask names; if that is not one series, by its images
        chosen = [slices for slices in volumes if slices[0].series_uid in wanted]
        with_images = [slices for slices in volumes if any(one.sop_uid in wanted_images for one in slices)]
        chosen = with_images if len(chosen) != 1 and with_images else chosen
    if len(chosen) != 1:
        reason = f", the mask refers to {'several' if chosen else 'none'} of them" if wanted or wanted_images else ""
        raise ImageReadError(
            f"{name}: holds {len(volumes)} CT series ({_listed(volumes)}){reason}; keep one series in the folder"
        )
    slices = checked_slices(_without_copies(folder, chosen[0]), name=name)
    geometry = series_geometry(slices, name=name, tilt_allowed=options.resample_tilt)
    shifts = slice_shifts([header.position or () for header in slices], geometry)
    drifts = max(abs(shift) for pair in shifts for shift in pair) > LARGEST_DRIFT_PIXELS
    return DicomSeries(folder, tuple(slices), geometry, shifts if drifts else None)


def _without_copies(folder: DicomFolder, slices: Sequence[DicomHeader]) -> list[DicomHeader]:
    """Take a file that is there more than once, byte for byte, only once: a folder that was exported into itself."""
    counts = Counter((header.sop_uid, header.frame) for header in slices)
    kept: dict[tuple[str, int | None], DicomHeader] = {}
    for header in slices:
        again = header.sop_uid and counts[header.sop_uid, header.frame] > 1
        kept.setdefault((folder.content_digest(header.member) if again else header.member, header.frame), header)
    return list(kept.values())


def _may_be_stacked(slices: Sequence[DicomHeader]) -> bool:
    """Tell whether two images of a series lie parallel, at two places: those of a scout, or a screenshot, do not."""
    places: dict[tuple[float, ...], set[tuple[float, ...]]] = defaultdict(set)
    for header in slices:
        if header.orientation and header.position:
            places[tuple(round(cosine, 2) for cosine in header.orientation)].add(header.position)
    return any(len(positions) > 1 for positions in places.values())


def _continues(image: DicomHeader, stack: Sequence[DicomHeader]) -> bool:
    """Tell whether an image of another series would be the next slice of a stack, above or below: one cut off from it.

    What watches the contrast medium arrive lies at the height of some slice, and has a grid of its own.
    """
    first, *_ = stack
    alike = (image.rows, image.columns, image.pixel_spacing, image.orientation)
    if image.series_uid == first.series_uid or not image.position or not image.orientation:
        return False
    if alike != (first.rows, first.columns, first.pixel_spacing, first.orientation) or len(image.orientation) != 6:
        return False
    places = np.array([header.position for header in stack if header.position and len(header.position) == 3])
    normal = np.cross(image.orientation[:3], image.orientation[3:])
    heights = np.unique(np.round(places @ normal, 3))
    if len(heights) < 2:
        return False
    from_first = np.array(image.position) - places[0]
    aside = float(np.linalg.norm(from_first - (from_first @ normal) * normal))
    step = float(np.diff(heights).min())
    height = float(np.array(image.position) @ normal)
    beyond = max(heights[0] - height, height - heights[-1])
    return aside < step and 0.5 * step < beyond < 1.5 * step


def _listed(volumes: list[list[DicomHeader]]) -> str:
    """Tell series apart by what is in no way about the patient, the longest first."""
    lines = []
    for slices in sorted(volumes, key=len, reverse=True):
        thickness = slices[0].slice_thickness
        thick = f", {thickness:.3g} mm thick" if thickness else ""
        lines.append(f"{len(slices)} slices of {slices[0].columns} x {slices[0].rows}{thick}")
    return "; ".join(lines)


def _contents(headers: Sequence[DicomHeader]) -> str:
    if images := sum(header.sop_class == CT_IMAGE for header in headers):
        return f"the {images} CT images in it are localisers"
    counts = Counter(header.modality or "unknown modality" for header in headers)
    listed = ", ".join(f"{count} of {modality}" for modality, count in counts.most_common())
    if counts["CT"]:
        return f"it has {listed}, but no CT images: those of CT are screenshots or other objects"
    return f"it has {listed}"
