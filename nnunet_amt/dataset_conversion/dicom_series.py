"""Find the one CT series in a folder or zip, and read its voxels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from nnunet_amt.dataset_conversion.dicom_files import CT_IMAGE, DicomFolder, DicomHeader
from nnunet_amt.dataset_conversion.orientation import lps_geometry, to_lps
from nnunet_amt.dataset_conversion.series_gate import series_geometry, sorted_slices
from nnunet_amt.errors import ImageReadError
from nnunet_amt.geometry import Geometry

__all__ = ["DicomSeries", "ct_series_among"]


@dataclass(frozen=True)
class DicomSeries:
    """A CT series that passed the gate on its headers.

    Attributes
    ----------
    folder
        Where its files are.
    slices
        Headers, sorted along the normal of the slices.
    stored_geometry
        The grid of the slices in that order.
    """

    folder: DicomFolder
    slices: tuple[DicomHeader, ...]
    stored_geometry: Geometry

    @property
    def geometry(self) -> Geometry:
        """The grid with LPS axes."""
        return lps_geometry(self.stored_geometry)

    @property
    def manufacturer(self) -> str | None:
        """Of the scanner, as in the headers."""
        return self.slices[0].manufacturer or None

    @property
    def identity(self) -> str:
        """Equal for two cases that were given the same series, also in two copies."""
        return self.slices[0].series_uid

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID, for comparison only."""
        return self.slices[0].series_uid

    @property
    def sop_uids(self) -> frozenset[str]:
        """SOPInstanceUIDs of the slices, for comparison only."""
        return frozenset(header.sop_uid for header in self.slices)

    def read(self, scratch: Path) -> sitk.Image:
        """Read the series in HU with LPS axes.

        Parameters
        ----------
        scratch
            An empty folder, for files out of a zip.

        Raises
        ------
        ImageReadError
            If a file's pixels cannot be read.
        """
        reader = sitk.ImageSeriesReader()
        files = self.folder.files_on_disk([header.member for header in self.slices], scratch)
        reader.SetFileNames([str(file) for file in files])
        if len({(header.slope, header.intercept) for header in self.slices}) > 1:
            reader.SetOutputPixelType(sitk.sitkFloat32)  # the first file's type may be too narrow for the others
        try:
            image = reader.Execute()
        except RuntimeError as error:
            raise ImageReadError(f"{self.folder.path.name}: the pixels of the CT series cannot be read") from error
        # The grid that passed the gate, not the one that the reader makes of the headers again.
        image.SetSpacing(self.stored_geometry.spacing)
        image.SetOrigin(self.stored_geometry.origin)
        image.SetDirection(self.stored_geometry.direction)
        return to_lps(image)


def ct_series_among(folder: DicomFolder, headers: Sequence[DicomHeader], wanted: Collection[str] = ()) -> DicomSeries:
    """Choose the CT series among the files of a folder, check its headers and sort its slices.

    Parameters
    ----------
    folder
        Where the files are.
    headers
        Of all DICOM files there; RTSTRUCT, RTPLAN, RTDOSE, reports and localiser series are passed over.
    wanted
        SeriesInstanceUIDs that a mask refers to; decides between several CT series.

    Raises
    ------
    ImageReadError
        If there is no CT series, more than one, or the series does not form an even grid.
    """
    by_series: dict[str, list[DicomHeader]] = defaultdict(list)
    for header in headers:
        if header.sop_class == CT_IMAGE:
            by_series[header.series_uid].append(header)
    volumes = {uid: slices for uid, slices in by_series.items() if not all(map(_is_localiser, slices))}
    if not volumes:
        raise ImageReadError(f"{folder.path.name}: holds no CT series; {_contents(headers)}")
    if len(volumes) > 1 and wanted:
        volumes = {uid: slices for uid, slices in volumes.items() if uid in wanted}
    if len(volumes) != 1:
        sizes = ", ".join(str(len(slices)) for slices in by_series.values())
        chosen = "the mask refers to several of them" if volumes else "the mask refers to none of them"
        raise ImageReadError(
            f"{folder.path.name}: holds {len(by_series)} CT series ({sizes} images)"
            f"{', ' + chosen if wanted else ''}; keep one series in the folder"
        )
    name = folder.path.name
    slices = sorted_slices(next(iter(volumes.values())), name)
    return DicomSeries(folder, tuple(slices), series_geometry(slices, name))


def _is_localiser(header: DicomHeader) -> bool:
    return "LOCALIZER" in header.image_type


def _contents(headers: Sequence[DicomHeader]) -> str:
    if any(header.sop_class == CT_IMAGE for header in headers):
        return f"the {len(headers)} CT images in it are localisers"
    counts = Counter(header.modality or "unknown modality" for header in headers)
    return "it has " + ", ".join(f"{count} of {modality}" for modality, count in counts.most_common())
