"""Convert one case: read, check, write. Cases do not know of each other, so any worker may take any case, twice too."""

from __future__ import annotations

import hashlib
import hmac
import pickle
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.base.files import read_record, write_json, write_text
from nnunet_amt.cohort import CohortCase, manufacturer_in_header
from nnunet_amt.dataset_conversion.case_source import CaseSource, in_column, open_case, require_existing
from nnunet_amt.dataset_conversion.case_voxels import read_voxels
from nnunet_amt.dataset_conversion.raw_dataset import RawDataset
from nnunet_amt.images.dicom.files import quiet_readers
from nnunet_amt.images.image_file import FLOOR_HU, ReadingOptions, pixel_files
from nnunet_amt.images.mask_file import IGNORE_LABEL
from nnunet_amt.images.mask_on_grid import skipped_slices
from nnunet_amt.images.nifti import write_nifti

# Change it when the same files must be converted otherwise than before; digests of two versions are not compared.
CONVERSION_VERSION = 6
_SLICE_DIGITS = 16


@dataclass(frozen=True)
class OpenedCase:
    """What the headers of a case said."""

    identity: str  # keyed digest of what identifies the CT
    voxels: int  # of the CT
    # The `CaseSource`, small enough to hold those of a whole cohort: a thousand headers would take megabytes
    packed: bytes

    @classmethod
    def of(cls, source: CaseSource, secret: bytes) -> OpenedCase:
        """Pack what `open_case` gave."""
        packed = zlib.compress(pickle.dumps(source), 1)
        return cls(digest(source.image.identity, secret), prod(source.image.geometry.size), packed)

    def source(self) -> CaseSource:
        """Unpack it."""
        source: CaseSource = pickle.loads(zlib.decompress(self.packed))
        return source


@dataclass(frozen=True)
class CaseJob:
    """A case and where it goes."""

    case: CohortCase  # with its split
    name: str  # of the case in the dataset
    dataset: RawDataset  # the folder to write to
    manifest_name: str  # for messages
    # Keys the digests in the record, see `nnunet_amt.dataset_conversion.pseudonyms.record_secret`
    secret: bytes = field(repr=False)
    options: ReadingOptions = field(default_factory=ReadingOptions)  # what the readers may do
    opened: OpenedCase | None = None  # what `read_headers` found; None before


@dataclass(frozen=True)
class CaseRecord:
    """What a finished case left behind; no path and no identifier is in it."""

    fingerprint: str  # digest of the input files and settings, keyed with the key file's secret
    source: str  # digest of what identifies the CT, its path or its series; keyed too
    # Of the written voxels, see `voxel_digests`: equal for the same CT given in two formats. Of the slices those that
    # are of one value are left out, as the outside of the field of view is alike in many CTs.
    pixels: str
    slices: tuple[str, ...]
    spacing: tuple[float, float, float]  # (x, y, z) in mm
    # Voxels of label 1, and of label 2, which training leaves out
    tumour_voxels: int
    ignored_voxels: int
    manufacturer: str | None  # see `nnunet_amt.cohort.manufacturer_in_header`; None for formats that do not keep it
    # Sizes of the written files
    image_bytes: int
    label_bytes: int
    # Of the mask, see `MaskOnGrid`
    interpolated_slices: int = 0
    skipped_slices: int = 0  # see `skipped_slices`
    resampled_lesions: tuple[int, int] | None = None
    # What was trusted of a mask that names another CT than the case's, "FrameOfReferenceUID" or "geometry"
    trusted: str | None = None
    # Of the second reader's mask, where there is one: size of the written file, and Dice with the first
    second_bytes: int | None = None
    second_dice: float | None = None


def fingerprint(job: CaseJob) -> str:
    """Digest names, sizes and times of a case's files, and all settings that change what is written."""
    return files_fingerprint(job.case, options=job.options, secret=job.secret)


def files_fingerprint(case: CohortCase, *, options: ReadingOptions, secret: bytes) -> str:
    """Do the same for a case that is in no dataset yet; OSError if a file cannot be looked at."""
    parts: list[object] = [CONVERSION_VERSION, FLOOR_HU, case.roi, options]
    parts += ["no tumour"] * case.no_tumour
    for path in filter(None, (case.image, case.mask)):
        parts += _marks(path)
    if case.mask_2 is not None:
        parts += ["second mask", *_marks(case.mask_2)]
    return digest(repr(parts), secret)


def _marks(path: Path) -> Iterator[tuple[str, int, int]]:
    for file in _files(path):
        status = file.stat()
        yield file.name, status.st_size, status.st_mtime_ns


def digest(text: str, secret: bytes) -> str:
    """HMAC-SHA-256 of a text, in hexadecimal: nobody without the secret can tell of what text."""
    return hmac.new(secret, text.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()


def finished_record(job: CaseJob) -> CaseRecord | None:
    """Give the record of a case that need not be converted again; None if it must be.

    Records of another secret, or of none, are not taken: their cases are converted again.
    """
    record = _read_record(job.dataset.record(job.name))
    try:
        if record is None or record.fingerprint != fingerprint(job):
            return None
    except OSError:
        return None  # converting it again tells what is wrong, in words that name no file
    image, label = job.dataset.standing(job.name, job.case.split)
    files = [(image, record.image_bytes), (label, record.label_bytes)]
    if record.second_bytes is not None:
        files.append((job.dataset.second_label(job.name), record.second_bytes))
    whole = all(path.is_file() and path.stat().st_size == size for path, size in files)
    return record if whole else None


def _read_record(path: Path) -> CaseRecord | None:
    try:
        content = read_record(path)
        x, y, z = content.pop("spacing")
        slices, lesions = tuple(map(str, content.pop("slices"))), content.pop("resampled_lesions", None)
        return CaseRecord(**content, spacing=(x, y, z), slices=slices, resampled_lesions=lesions and tuple(lesions))
    except (ValueError, TypeError, KeyError):
        return None  # not there, or not finished


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    elif path.is_file():
        yield path
        yield from pixel_files(path)


def require_files(job: CaseJob) -> None:
    """Refuse a case whose image or mask is not there; nothing is opened."""
    for column, path in (("image", job.case.image), ("mask", job.case.mask), ("mask_2", job.case.mask_2)):
        with in_column(job.manifest_name, job.case, column):
            if path is not None:
                require_existing(path)


@quiet_readers()
def read_headers(job: CaseJob) -> OpenedCase:
    """Read the headers of a case's files; see `open_case` for what is refused."""
    return OpenedCase.of(open_case(job.case, manifest_name=job.manifest_name, options=job.options), job.secret)


@quiet_readers()
def convert_case(job: CaseJob) -> CaseRecord:
    """Read the voxels of a case and write its CT, its mask, and last its record.

    Raises
    ------
    BadInputError
        One of its subclasses, naming the manifest's line and column and the case.
    DiskFullError
        If the disk filled up.
    """
    case, dataset = job.case, job.dataset
    source = (job.opened or read_headers(job)).source()
    # should a file change while it is read, the next run reads it again
    with in_column(job.manifest_name, case, "image"):
        before = fingerprint(job)
    write_text(dataset.record(job.name), "{}\n")  # from here on the case's files are ours to remove
    with _empty_folder(dataset.scratch(job.name)) as scratch:
        read = read_voxels(source, case, manifest_name=job.manifest_name, options=job.options, scratch=scratch)
    values, geometry, mask, second = read.values, read.geometry, read.mask, read.second
    image_path = dataset.image(job.name, case.split)
    label_path = dataset.label(job.name, case.split)
    write_nifti(image_path, values, geometry=geometry)
    write_nifti(label_path, mask.labels, geometry=geometry)
    second_path = dataset.second_label(job.name)
    if second is None:
        second_path.unlink(missing_ok=True)  # of an earlier run
    else:
        write_nifti(second_path, second, geometry=geometry)
    x, y, z = geometry.spacing
    tumour_voxels, ignored_voxels = _counts(mask.labels)
    pixels, slices = voxel_digests(values)
    record = CaseRecord(
        fingerprint=before,
        source=digest(source.image.identity, job.secret),
        pixels=pixels,
        slices=slices,
        spacing=(x, y, z),
        tumour_voxels=tumour_voxels,
        ignored_voxels=ignored_voxels,
        manufacturer=manufacturer_in_header(source.image.manufacturer),
        image_bytes=image_path.stat().st_size,
        label_bytes=label_path.stat().st_size,
        interpolated_slices=mask.interpolated_slices,
        skipped_slices=skipped_slices(mask.labels == 1),
        resampled_lesions=mask.lesions,
        trusted=source.trusted,
        second_bytes=None if second is None else second_path.stat().st_size,
        second_dice=None if second is None else _dice(mask.labels == 1, second == 1),
    )
    content = asdict(record)
    if second is None:
        del content["second_bytes"], content["second_dice"]
    write_json(dataset.record(job.name), content)  # only now the case counts as finished
    return record


def voxel_digests(values: NDArray[np.signedinteger]) -> tuple[str, tuple[str, ...]]:
    """Digest the voxels of a CT, (z, y, x), and each of its slices of more than one value.

    The grid is left out, as it may be rounded otherwise in another format. The slices' digests are cut to 16
    hexadecimal digits: of a hundred million slices two are alike by chance less than once in a thousand times.
    """
    whole = hashlib.sha256(f"{values.shape} {values.dtype.name}".encode())
    slices = []
    for plane in values:
        one = hashlib.sha256(np.ascontiguousarray(plane).data)
        whole.update(one.digest())
        if (plane != plane[0, 0]).any():
            slices.append(one.hexdigest()[:_SLICE_DIGITS])
    return whole.hexdigest(), tuple(slices)


def _counts(mask: NDArray[np.uint8]) -> tuple[int, int]:
    """Count the voxels of tumour and those to be ignored."""
    ignored = int(np.count_nonzero(mask == IGNORE_LABEL)) if mask.max() > 1 else 0
    return int(np.count_nonzero(mask.view(np.bool_))) - ignored, ignored  # of bools the count is far faster


def _dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return 2 * int(np.count_nonzero(first & second)) / int(np.count_nonzero(first) + np.count_nonzero(second))


@contextmanager
def _empty_folder(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
