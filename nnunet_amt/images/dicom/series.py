"""Find the one CT series in a folder or zip, and read its voxels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.dicom.files import ENHANCED_CT_IMAGES, DicomFolder
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
)
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
    def manufacturer(self) -> str | None:
        """Of the scanner, as in the headers."""
        return self.slices[0].manufacturer or None

    @property
    def identity(self) -> str:
        """SeriesInstanceUID, for comparison only: equal for two cases that were given the same series, or copies."""
        return self.slices[0].series_uid

    @property
    def sop_uids(self) -> frozenset[str]:
        """SOPInstanceUIDs of the slices, for comparison only."""
        return frozenset(header.sop_uid for header in self.slices)

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
        """Read the slices in HU, in their order, on any grid."""
        if any(header.syntax in NOT_IN_SIMPLEITK for header in self.slices):
            return sitk.GetImageFromArray(decoded_series(self.folder, self.slices))
        files = self.folder.files_on_disk([header.member for header in self.slices], scratch)
        if (plain := plain_series(files, self.slices)) is not None:
            return sitk.GetImageFromArray(plain)
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames([str(file) for file in files])
        if len({(header.slope, header.intercept) for header in self.slices}) > 1:
            reader.SetOutputPixelType(sitk.sitkFloat32)  # the first file's type may be too narrow for the others
        try:
            return reader.Execute()
        except RuntimeError as error:
            raise ImageReadError(f"{self.folder.path.name}: the pixels of the CT series cannot be read") from error


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
    chosen = volumes
    if len(volumes) > 1 and (wanted or wanted_images):  # what the mask names; if it names no series, by its images
        chosen = [slices for slices in volumes if slices[0].series_uid in wanted]
        chosen = chosen or [slices for slices in volumes if any(one.sop_uid in wanted_images for one in slices)]
    if len(chosen) != 1:
        reason = f", the mask refers to {'several' if chosen else 'none'} of them" if wanted or wanted_images else ""
        raise ImageReadError(
            f"{name}: holds {len(volumes)} CT series ({_listed(volumes)}){reason}; keep one series in the folder"
        )
    slices = checked_slices(chosen[0], name=name)
    geometry = series_geometry(slices, name=name, tilt_allowed=options.resample_tilt)
    shifts = slice_shifts([header.position or () for header in slices], geometry)
    drifts = max(abs(shift) for pair in shifts for shift in pair) > LARGEST_DRIFT_PIXELS
    return DicomSeries(folder, tuple(slices), geometry, shifts if drifts else None)


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
    if any(header.sop_class in ENHANCED_CT_IMAGES for header in headers):
        return "it has an enhanced (multi-frame) CT, which is not read; export it as classic CT, one file a slice"
    counts = Counter(header.modality or "unknown modality" for header in headers)
    listed = ", ".join(f"{count} of {modality}" for modality, count in counts.most_common())
    if counts["CT"]:
        return f"it has {listed}, but no CT images: those of CT are screenshots or other objects"
    return f"it has {listed}"
