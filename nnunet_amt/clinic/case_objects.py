"""The DICOM objects of one case: which are asked for, and what stands in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nnunet_amt import __version__
from nnunet_amt.clinic.dicom_object import Maker, Structures
from nnunet_amt.clinic.lesions import Lesion
from nnunet_amt.clinic.rtstruct import Holes, write_rtstruct
from nnunet_amt.clinic.secondary_capture import empty_page, lesion_page, write_pages
from nnunet_amt.clinic.segmentation import write_segmentation
from nnunet_amt.clinic.source_series import MOVED_BACK, SourceSeries
from nnunet_amt.clinic.structured_report import write_structured_report
from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.images.dicom.files import quiet_readers
from nnunet_amt.images.mask_on_grid import implausible_size

Kind = Literal["seg", "rtstruct", "sc", "sr"]
Empty = Literal["nothing", "sc"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MOST_LESIONS = 99
MOST_EDGES = 1_000_000  # of pixels along which contours run; each takes up to two kilobytes on writing
SEG, RTSTRUCT, SC_PAGES, REPORT = "seg.dcm", "rtstruct.dcm", "sc_*.dcm", "sr.dcm"


class NoiseError(WorkFailedError):
    """A mask is of more lesions, or of longer outlines, than anybody could look at."""


@dataclass(frozen=True)
class ObjectOptions:
    """How masks are written.

    Attributes
    ----------
    kinds
        Objects to write; a structured report (``sr``) brings the SEG that it is about along.
    holes
        See `write_rtstruct`.
    together
        One segment and one ROI for all lesions of a case, instead of one each.
    minimum_voxels
        Smaller components are specks, and not written; 0 keeps all.
    empty
        What is written of a mask without a lesion: nothing, or a Secondary Capture that says so.
    """

    kinds: tuple[Kind, ...] = ("seg",)
    holes: Holes = "keyhole"
    together: bool = False
    minimum_voxels: int = 10
    empty: Empty = "nothing"

    def __post_init__(self) -> None:
        if "sr" in self.kinds and self.together:
            raise BadInputError(
                "--as sr --together: a report measures each lesion, and must name its segment; leave one of the two out"
            )


@dataclass(frozen=True, eq=False)
class CaseObjects:
    """A mask on the CT series that it belongs to, ready to be written; CT and mask are (z, y, x) with LPS axes.

    Noise is not written: more lesions than `MOST_LESIONS`, or contours along more than `MOST_EDGES`.
    """

    source: SourceSeries
    image: NDArray[np.signedinteger]
    mask: NDArray[np.bool_]
    lesions: list[Lesion]

    def write(self, folder: Path, *, maker: Maker, options: ObjectOptions) -> list[Path]:
        """Write the objects that are asked for in place of earlier ones; gives their files.

        Raises
        ------
        NoiseError
            If what was found is noise more likely than tumours.
        """
        with quiet_readers():  # of over-long UIDs that the CT has, which are taken over as they are
            return self._write(folder, maker, options)

    def _write(self, folder: Path, maker: Maker, options: ObjectOptions) -> list[Path]:
        remove_objects(folder)
        if not self.lesions:
            if options.empty == "nothing":
                return []
            return write_pages(folder, self.source, [empty_page(self._about(maker))], maker=maker)
        self._require_no_noise(options)
        structures = self._structures(together=options.together)
        files = []
        if "seg" in options.kinds or "sr" in options.kinds:
            files.append(folder / SEG)
            write_segmentation(files[-1], self.source, structures, maker=maker)
        if "sr" in options.kinds:
            files.append(folder / REPORT)
            write_structured_report(files[-1], self.source, folder / SEG, self.lesions, maker=maker)
        if "rtstruct" in options.kinds:
            files.append(folder / RTSTRUCT)
            write_rtstruct(files[-1], self.source, structures, maker=maker, holes=options.holes)
        if "sc" in options.kinds:
            files += write_pages(folder, self.source, self._pages(maker), maker=maker)
        return files

    def _require_no_noise(self, options: ObjectOptions) -> None:
        if not options.kinds:
            return
        what = implausible_size(self.mask, voxel_mm3=self.source.series.geometry.voxel_volume_mm3)
        if what:
            raise NoiseError(f"the mask {what}; look at it")
        count = len(self.lesions)
        edges = sum(_edges(lesion.box.mask) for lesion in self.lesions) if "rtstruct" in options.kinds else 0
        if count > MOST_LESIONS and (not options.together or "sc" in options.kinds):
            what = f"{count} lesions were found, which is noise more likely than tumours, and at most {MOST_LESIONS}"
        elif edges > MOST_EDGES:
            what = (
                f"the outlines run along {edges} edges of pixels, which is noise more likely than tumours, and at most "
                f"{MOST_EDGES}"
            )
        if what:
            raise NoiseError(
                f"{what} are written; look at the mask, and raise --minimum-voxels or choose an operating point"
            )

    def _structures(self, *, together: bool) -> Structures:
        labels = np.zeros(self.mask.shape, np.uint8)
        for lesion in self.lesions:
            labels[lesion.box.slices][lesion.box.mask] = 1 if together else lesion.number
        names = ("AMT",) if together else tuple(f"AMT {lesion.number}" for lesion in self.lesions)
        return Structures(names, self.source.on_slices(labels, self.source.series.geometry))

    def _pages(self, maker: Maker) -> list[NDArray[np.uint8]]:
        spacing = self.source.series.geometry.spacing
        return [
            lesion_page(
                self.image, self.mask, lesion, count=len(self.lesions), spacing=spacing,
                lines=[f"Slice {self.slice_name(lesion)} of the CT series", *self._about(maker)],
            )
            for lesion in self.lesions
        ]  # fmt: skip

    def _about(self, maker: Maker) -> list[str]:
        made = [*filter(None, [maker.warning.capitalize()]), f"{maker.shown}, nnunet_amt {__version__}"]
        return [f"Segments and contours: {MOVED_BACK}", *made] if self.source.is_tilted else made

    def slice_name(self, lesion: Lesion) -> object:
        """Give the InstanceNumber of a lesion's slice, as viewers show it; its place in the stack if there is none."""
        index = self.source.slice_of(lesion.box)
        number = self.source.slices[index].get("InstanceNumber")
        return int(number) if number not in (None, "") else index + 1


def _edges(mask: NDArray[np.bool_]) -> int:
    """Count the edges of pixels, in axial slices, that have tumour on one side alone."""
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    return sum(int(np.count_nonzero(np.diff(padded, axis=axis))) for axis in (1, 2))


def remove_objects(folder: Path) -> None:
    """Remove what was written of an earlier mask of a case: it would stand there as that of the new one."""
    for name in (SEG, RTSTRUCT, SC_PAGES, REPORT):
        for path in folder.glob(name):
            path.unlink()
