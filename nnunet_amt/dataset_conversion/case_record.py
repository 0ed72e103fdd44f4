"""The note that a case is converted: from which files, and what came out."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from nnunet_amt.base.files import read_record, write_json
from nnunet_amt.cohort import CohortCase
from nnunet_amt.dataset_conversion.raw_dataset import RawDataset
from nnunet_amt.images.image_file import FLOOR_HU, pixel_files
from nnunet_amt.images.resampling import ReadingOptions

# Change it when the same files must be converted otherwise than before.
_CONVERSION_VERSION = 4


@dataclass(frozen=True)
class CaseRecord:
    """What a finished case left behind; no path and no identifier is in it.

    Attributes
    ----------
    fingerprint
        Digest of the input files and settings, keyed with the key file's secret.
    source
        Digest of what identifies the CT, its path or its series; keyed too.
    pixels
        SHA-256 of the written voxels: equal for the same CT given in two formats.
    spacing
        (x, y, z) in mm.
    tumour_voxels, ignored_voxels
        Voxels of label 1, and of label 2, which training leaves out.
    manufacturer
        See `nnunet_amt.cohort.manufacturer_in_header`; None for formats that do not keep it.
    image_bytes, label_bytes
        Sizes of the written files.
    """

    fingerprint: str
    source: str
    pixels: str
    spacing: tuple[float, float, float]
    tumour_voxels: int
    ignored_voxels: int
    manufacturer: str | None
    image_bytes: int
    label_bytes: int


def fingerprint(case: CohortCase, options: ReadingOptions, secret: bytes) -> str:
    """Digest names, sizes and times of a case's files, and all settings that change what is written."""
    parts: list[object] = [_CONVERSION_VERSION, FLOOR_HU, case.roi, options]
    for path in (case.image, case.mask):
        for file in _files(path):
            status = file.stat()
            parts.append((file.name, status.st_size, status.st_mtime_ns))
    return digest(repr(parts), secret)


def digest(text: str, secret: bytes) -> str:
    """HMAC-SHA-256 of a text, in hexadecimal: nobody without the secret can tell of what text."""
    return hmac.new(secret, text.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()


def finished_record(
    dataset: RawDataset, name: str, case: CohortCase, options: ReadingOptions, secret: bytes
) -> CaseRecord | None:
    """Give the record of a case that need not be converted again; None if it must be.

    Parameters
    ----------
    dataset, name
        Where the case would be written, and what it is called there.
    case
        With its split.
    options
        What the readers may do.
    secret
        Of the key file. Records of another secret, or of none, are not taken: their cases are converted again.
    """
    record = _read_record(dataset.record(name))
    if record is None or not _is_of(record, case, options, secret):
        return None
    sizes = (
        (dataset.image(name, case.split), record.image_bytes),
        (dataset.label(name, case.split), record.label_bytes),
    )
    whole = all(path.is_file() and path.stat().st_size == size for path, size in sizes)
    return record if whole else None


def write_record(dataset: RawDataset, name: str, record: CaseRecord) -> None:
    """Write the record; only now the case counts as finished."""
    write_json(dataset.record(name), asdict(record))


def _is_of(record: CaseRecord, case: CohortCase, options: ReadingOptions, secret: bytes) -> bool:
    try:
        return record.fingerprint == fingerprint(case, options, secret)
    except OSError:
        return False  # converting it again tells what is wrong, in words that name no file


def _read_record(path: Path) -> CaseRecord | None:
    try:
        content = read_record(path)
        x, y, z = content.pop("spacing")
        return CaseRecord(**content, spacing=(x, y, z))
    except (ValueError, TypeError, KeyError):
        return None  # not there, or not finished


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    elif path.is_file():
        yield path
        yield from pixel_files(path)
