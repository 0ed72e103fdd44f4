"""Images to predict, looked at and changed as the conversion does it, and label maps that lie as the images do.

A model knows CTs as the conversion writes them: LPS axes, whole HU, one floor. nnU-Net takes whatever it is given, so
that a CT of other axes is predicted mirrored and one of other units not at all, without a word. Images that the
conversion has not written go through its checks and steps first, all of them before any is predicted.

Where nnU-Net's own command predicts, it reads copies of them in a temporary folder in that of the predictions, and its
label maps are then laid back on the axes of the images.
"""

from __future__ import annotations

import logging
import pickle
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TypeVar

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.base.files import (
    PARTIAL_MARK,
    atomic_path,
    partial_name,
    read_record,
    remove_leftovers,
    require_free_space,
)
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.workers import attempt, open_workers
from nnunet_amt.errors import AMTError, BadInputError, WorkFailedError
from nnunet_amt.images.geometry import Geometry, from_lps, geometry_difference
from nnunet_amt.images.image_file import ImageFile, itk_warnings_off, open_image_file, read_ct_file, read_image
from nnunet_amt.images.mask_file import read_geometry
from nnunet_amt.images.nifti import write_nifti
from nnunet_amt.nnunet.predictions import cases_of_part, image_name, require_images

# Change it when the same images must be predicted otherwise than before.
_PREPARATION = "images=1"
# int16 voxels of a CT compress to about 0.6 of their size.
_BYTES_PER_VOXEL = 2 * 0.7
# NIfTI keeps positions with seven digits.
_ROUNDING_MM = 0.01
# Of checked CTs that are kept in memory until they are predicted.
_KEPT_BYTES = 1_000_000_000
# A prediction on another machine takes no longer than this.
_OLD_SECONDS = 7 * 24 * 3600

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InputImages:
    """A folder of images to predict, their headers read.

    Attributes
    ----------
    folder, cases
        Of ``<case>_0000.nii.gz``, and all cases in it.
    part_of_cases
        Those that are to be predicted here; see `cases_of_part`.
    files
        The headers of their images; None if the conversion has written them, and nothing is to be done with them.
    """

    folder: Path
    cases: tuple[str, ...]
    part_of_cases: tuple[str, ...]
    files: tuple[ImageFile, ...] | None

    @property
    def preparation(self) -> list[str]:
        """What decides, beside the options of nnU-Net, how the images are predicted."""
        return [] if self.files is None else [_PREPARATION]

    @property
    def turned(self) -> dict[str, ImageFile]:
        """The images whose axes are not LPS, by case."""
        files = zip(self.part_of_cases, self.files or (), strict=self.files is not None)
        return {case: file for case, file in files if geometry_difference(file.stored, file.geometry)}


def open_images(
    folder: Path,
    part: tuple[int, int] = (0, 1),
    *,
    keep_intensities: bool = False,
    jobs: int = 1,
    progress: Progress = silent,
) -> InputImages:
    """List the images of a folder and read the headers of those of one `part`.

    Where one is refused the voxels of the others are looked at too, as `prepared_images` does later, so that all that
    must be mended is told at once.

    Parameters
    ----------
    keep_intensities, jobs, progress
        See `prepared_images`.

    Raises
    ------
    BadInputError
        If a name is none of nnU-Net's, or the conversion would refuse an image for its header.
    """
    cases = require_images(folder)
    chosen = cases_of_part(cases, part)
    if _is_converted(folder.resolve(), cases):
        return InputImages(folder, tuple(cases), tuple(chosen), None)
    paths = [folder / image_name(case) for case in chosen]
    with itk_warnings_off():
        opened = [attempt(open_image_file, path) for path in paths]
        good = [path for path, file in zip(paths, opened, strict=True) if isinstance(file, ImageFile)]
        refused: dict[Path, AMTError] = {}
        if 0 < len(good) < len(paths):
            with open_workers(jobs=min(jobs, len(good)), executor=None, progress=progress) as workers:
                looked_at = workers.each(_look_at, [(path, keep_intensities) for path in good], "checking images")
            refused = {path: error for path, error in zip(good, looked_at, strict=True) if error is not None}
        files = _all_good(folder, paths, [refused.get(path, file) for path, file in zip(paths, opened, strict=True)])
    return InputImages(folder, tuple(cases), tuple(chosen), tuple(files))


def _is_converted(folder: Path, cases: Sequence[str]) -> bool:
    """Whether all that nnU-Net would take for an image in a folder was written by the conversion."""
    names = {image_name(case) for case in cases}
    if folder.name not in ("imagesTr", "imagesTs") or any(path.name not in names for path in folder.glob("*.nii.gz")):
        return False
    from nnunet_amt.dataset_conversion.raw_dataset import RawDataset  # and with it pandas

    dataset = RawDataset(folder.parent)
    sizes = (read_record(dataset.record(case)).get("image_bytes") for case in cases)
    return all(size == (folder / image_name(case)).stat().st_size for case, size in zip(cases, sizes, strict=True))


def read_case(images: InputImages, case: str, *, keep_intensities: bool = False) -> tuple[NDArray, ImageFile]:
    """Read a CT as the conversion does: whole HU, (z, y, x), LPS axes; and what its header says.

    Raises ImageReadError for what `read_ct_file` refuses; what the conversion has written is taken as it is.
    """
    path = images.folder / image_name(case)
    if images.files is None:
        return sitk.GetArrayFromImage(read_image(path)), open_image_file(path)
    return read_ct_file(path, keep_intensities=keep_intensities)


def check_images(
    images: InputImages,
    cases: Sequence[str],
    *,
    keep_intensities: bool = False,
    jobs: int = 1,
    progress: Progress = silent,
) -> dict[str, tuple[NDArray, ImageFile]]:
    """Read the CTs of these `cases` through, and give the first of them, as `read_case` does; about 1 GB at most.

    Nothing is done where the conversion has written them. Parameters and errors are as in `prepared_images`, but
    `jobs` are threads.
    """
    if images.files is None:
        return {}
    kept: dict[str, tuple[NDArray, ImageFile]] = {}
    results: list[AMTError | None] = []

    def check(case: str) -> None:
        values, file = read_case(images, case, keep_intensities=keep_intensities)
        if sum(other.nbytes for other, _ in list(kept.values())) + values.nbytes <= _KEPT_BYTES:
            kept[case] = values, file

    progress(0, len(cases), "checking images")
    with itk_warnings_off(), ThreadPoolExecutor(max(1, min(jobs, len(cases)))) as threads:
        for result in threads.map(lambda case: attempt(check, case), cases):
            results.append(result)
            progress(len(results), len(cases), "checking images")
    _all_good(images.folder, [images.folder / image_name(case) for case in cases], results)
    return kept


@contextmanager
def prepared_images(
    images: InputImages,
    cases: Sequence[str],
    output: Path,
    *,
    keep_intensities: bool = False,
    jobs: int = 1,
    progress: Progress = silent,
) -> Iterator[Path]:
    """Give a folder whose images of these `cases` nnU-Net can take as they are; it is gone after the block.

    It is a temporary one below `output`, or that of the `images` where the conversion has written them. The names of
    all cases are in it, as nnU-Net divides them into parts.

    Parameters
    ----------
    keep_intensities
        Take images whose values do not look like HU, see `to_hounsfield`.
    jobs, progress
        See `open_workers`.

    Raises
    ------
    BadInputError
        If an image cannot be read or does not hold HU; all such images are named.
    DiskFullError
        If the disk of `output` has no room.
    """
    if images.files is None:
        yield images.folder
        return
    remove_leftovers(output.glob(f"{PARTIAL_MARK}*"), old_seconds=_OLD_SECONDS)
    chosen = [file for case, file in zip(images.part_of_cases, images.files, strict=True) if case in set(cases)]
    voxels = sum(prod(file.geometry.size) for file in chosen)
    require_free_space(output, int(voxels * _BYTES_PER_VOXEL), f"bringing {len(chosen)} images to LPS axes and HU")
    folder = output / partial_name("images")
    folder.mkdir()
    try:
        if work := [_Preparation(file.path, folder / file.path.name, keep_intensities) for file in chosen]:
            processes = min(jobs, len(work))
            with itk_warnings_off(), open_workers(jobs=processes, executor=None, progress=progress) as workers:
                results = workers.each(_prepare, work, "checking images")
            _all_good(images.folder, [file.path for file in chosen], results)
        for case in images.cases:
            (folder / image_name(case)).touch()  # empty: finished, or another part's, and not read
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Preparation:
    image: Path
    target: Path
    keep_intensities: bool


def _look_at(work: tuple[Path, bool]) -> None:
    """Refuse a CT as the conversion does; the other of the two is `keep_intensities`."""
    path, keep_intensities = work
    read_ct_file(path, keep_intensities=keep_intensities)


def _prepare(work: _Preparation) -> None:
    """Read, check and write one CT as the conversion does."""
    values, file = read_ct_file(work.image, keep_intensities=work.keep_intensities)
    write_nifti(work.target, values, geometry=file.geometry)


def _all_good(folder: Path, paths: Sequence[Path], results: Sequence[Result | AMTError]) -> list[Result]:
    """Give the results; an error that names the images that have none."""
    refused = [(path, result) for path, result in zip(paths, results, strict=True) if isinstance(result, AMTError)]
    if not refused:
        return [result for result in results if not isinstance(result, AMTError)]
    first, *others = (str(error) if path.name in str(error) else f"{path.name}: {error}" for path, error in refused)
    for message in others:
        logger.warning("%s", message)
    kind = BadInputError if isinstance(refused[0][1], BadInputError) else WorkFailedError
    named = f" (and {len(others)} more, named above)" if others else ""
    raise kind(
        f"{folder}: {len(refused)} of {len(paths)} images cannot be predicted: {first}{named}; mend them or take them "
        "out of the folder"
    )


def lay_back(images: InputImages, output: Path, *, probabilities: bool = False) -> None:
    """Bring label maps from the LPS axes that nnU-Net wrote them on to those of their images, where these differ.

    Where it stands on the image's axes already, a label map is left alone: after a kill the next run goes on.

    Parameters
    ----------
    probabilities
        Whether nnU-Net wrote ``<case>.npz`` too, to be brought along.
    """
    for case, file in images.turned.items():
        prediction = output / f"{case}.nii.gz"
        grid = read_geometry(prediction)
        if geometry_difference(grid, file.stored, tolerance=_ROUNDING_MM) is None:
            continue
        if difference := geometry_difference(grid, file.geometry, tolerance=_ROUNDING_MM):
            raise WorkFailedError(
                f"{prediction}: does not lie on the grid of its image: {difference}; remove it and run again"
            )
        labels = from_lps(sitk.GetArrayFromImage(read_image(prediction)), file.stored)  # (z, y, x)
        if probabilities:
            _lay_back_probabilities(output, case, file.stored)
        write_nifti(prediction, labels, geometry=file.stored)


def _lay_back_probabilities(output: Path, case: str, geometry: Geometry) -> None:
    """Bring ``.npz``, (classes, z, y, x), to a grid, and the ``.pkl`` from which nnU-Net's ensembling takes the grid.

    Before either appears the label map is removed, so that after a kill the case is predicted again.
    """
    npz, pkl = output / f"{case}.npz", output / f"{case}.pkl"
    with np.load(npz) as file:
        values = from_lps(file["probabilities"], geometry)
    with atomic_path(npz) as partial_npz, atomic_path(pkl) as partial_pkl:
        np.savez_compressed(partial_npz, probabilities=values)
        grid = {"spacing": geometry.spacing, "origin": geometry.origin, "direction": geometry.direction}
        # written anew, never read: unpickling can run code
        partial_pkl.write_bytes(pickle.dumps({"sitk_stuff": grid, "spacing": list(geometry.spacing[::-1])}))
        (output / f"{case}.nii.gz").unlink()
