"""Plant identifiers in every DICOM tag that can hold one, and in paths, and search what leaves for them."""

from __future__ import annotations

import csv
import gzip
import logging
import os
import shutil
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pydicom.datadict import DicomDictionary  # type: ignore[attr-defined]
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID as PydicomUID  # noqa: N811

from nnunet_amt.cli.commands import main
from tests.dataset_conversion.cohort_fixtures import write_cohort, write_manifest
from tests.images.dicom.dicom_fixtures import square, write_ct_series, write_rtstruct

__all__ = [
    "FOLDER",
    "PLANTS",
    "TEXT",
    "UID",
    "WORDS",
    "assert_clean_folder",
    "bytes_of",
    "change_rows",
    "convert",
    "convert_in_a_process_of_its_own",
    "found_in",
    "plant",
    "planted_cohort",
]

# No part of a word of ours. Dates and times in the forms of DICOM's DA, TM and DT.
TEXT, DATE, TIME, NUMBER, UID = "Qzxvplanted", "19031207", "235957.654321", "98761234", "2.25.987612345987612345"
WORDS = (TEXT, TEXT.upper(), DATE, "235957", NUMBER, UID, "2.25.9876")
PLANTS: dict[str, object] = {
    "AE": "QzxvplantedAE", "AS": "117Y", "DA": DATE, "DT": f"{DATE}235957", "IS": NUMBER, "LO": TEXT, "LT": TEXT,
    "PN": f"{TEXT}^{TEXT}", "SH": TEXT, "ST": TEXT, "TM": TIME, "UC": TEXT, "UI": UID, "UR": f"a:{TEXT}", "UT": TEXT,
}  # fmt: skip
# What makes the series a series and the pixels pixels; all else is overwritten.
_NEEDED = {
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Manufacturer", "NumberOfFrames",
    "ROINumber", "ROIName", "ReferencedROINumber", "NumberOfContourPoints", "SpecificCharacterSet",
}  # fmt: skip
FOLDER = f"{TEXT}_{DATE}"


def plant(dataset: Dataset) -> int:
    """Fill every tag of the standard that takes text, a date or a UID; give their number."""
    planted = 0
    for number, (vr, multiplicity, _, retired, keyword) in DicomDictionary.items():
        tag = Tag(number)
        if vr not in PLANTS or keyword in _NEEDED or tag.group in (0x0002, 0x0028) or tag.group < 0x0008 or retired:
            continue
        least = int(multiplicity[0]) if multiplicity[0].isdigit() else 1
        value = PLANTS[vr]
        dataset.add_new(tag, vr, [value] * least if least > 1 else value)
        planted += 1
    private = dataset.private_block(0x0029, TEXT.upper(), create=True)
    private.add_new(0x01, "LO", TEXT)
    return planted


def planted_cohort(
    folder: Path,
    change: Callable[[int, Dataset], None] | None = None,
    change_structure: Callable[[Dataset], None] | None = None,
) -> Path:
    """Write four cases, the first a zipped DICOM series with RTSTRUCT; give the manifest."""
    home = folder / FOLDER
    counts = []

    def plant_slice(z: int, dataset: Dataset) -> None:
        counts.append(plant(dataset))
        dataset.SeriesInstanceUID = dataset.FrameOfReferenceUID = PydicomUID(UID + "1")
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = PydicomUID(f"{UID}2{z}")
        if change:
            change(z, dataset)

    def plant_structure(dataset: Dataset) -> None:
        plant(dataset)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = PydicomUID(UID + "3")
        [frame] = dataset.ReferencedFrameOfReferenceSequence
        [study] = frame.RTReferencedStudySequence
        study.RTReferencedSeriesSequence[0].SeriesInstanceUID = UID + "1"
        for item in dataset.StructureSetROISequence:
            item.ROIDescription = item.ROIGenerationDescription = TEXT
        if change_structure:
            change_structure(dataset)

    write_cohort(home)
    scan = home / TEXT
    write_ct_series(scan, change=plant_slice)
    write_rtstruct(scan / TEXT.upper(), {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]}, change=plant_structure)
    shutil.make_archive(str(scan), "zip", scan)
    assert min(counts) > 1000
    for kind in ("ct", "masks"):
        (home / kind / "1.nii.gz").rename(home / kind / f"{TEXT}.nii.gz")
    rows = list(csv.DictReader((home / "manifest.csv").open(encoding="utf-8")))
    rows[0] |= {"image": f"{TEXT}.zip", "mask": f"{TEXT}.zip"}
    rows[1] |= {"image": f"ct/{TEXT}.nii.gz", "mask": f"masks/{TEXT}.nii.gz"}
    for row in rows:
        row["patient_id"] = f"{TEXT} {row['case_id']}"
        row["institution"] = f"{TEXT.capitalize()} hospital {'East' if row['split'] == 'external' else 'North'}"
        row["manufacturer"] = ""
    return write_manifest(home / "manifest.csv", rows)


def convert_in_a_process_of_its_own(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the manifest's folder, so that no path of the caller's is in what it is told."""
    command = [sys.executable, "-m", "nnunet_amt", "convert", "manifest.csv", "-d", "711", *options]
    environment = {"nnUNet_raw": str(folder / "raw"), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
    home = folder / FOLDER
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=120, check=False)


def convert(folder: Path, *options: str, manifest: str = "manifest.csv") -> subprocess.CompletedProcess[str]:
    """Do the same in this process: what Python and the readers' own C++ write is caught where the system takes it."""
    words = ["nnunet_amt", "convert", manifest, "-d", "711", *options]
    with pytest.MonkeyPatch.context() as patch, _own_logging(), _shown(folder) as shown:
        patch.chdir(folder / FOLDER)
        patch.setenv("nnUNet_raw", str(folder / "raw"))
        patch.setattr(sys, "argv", words)
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
    return subprocess.CompletedProcess(words, code, *(path.read_text(encoding="utf-8") for path in shown))


@contextmanager
def _shown(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Send standard output and error of Python and of the process to files, warnings too, as a shell would."""
    paths = folder / "stdout.txt", folder / "stderr.txt"
    with (
        ExitStack() as stack,
        warnings.catch_warnings(),
        pytest.MonkeyPatch.context() as patch,
    ):
        for number, (name, path) in enumerate(zip(("stdout", "stderr"), paths, strict=True), start=1):
            getattr(sys, name).flush()
            file = stack.enter_context(path.open("w", encoding="utf-8", buffering=1))
            saved = os.dup(number)
            stack.callback(os.close, saved)
            stack.callback(os.dup2, saved, number)
            os.dup2(file.fileno(), number)
            patch.setattr(sys, name, file)
        warnings.resetwarnings()
        for unseen in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", unseen)
        patch.setattr(warnings, "showwarning", _show_warning)
        yield paths


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: object = None,
) -> None:
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno))


@contextmanager
def _own_logging() -> Iterator[None]:
    """Let the command set up its logging as in a new process; pytest has handlers of its own."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    root.handlers.clear()
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def bytes_of(path: Path) -> Iterator[bytes]:
    """Give a file's bytes, and what is inside if they are compressed."""
    content = path.read_bytes()
    yield content
    if path.suffix == ".gz":
        yield gzip.decompress(content)
        yield content[3:40]  # gzip's own header may hold a file name
    if path.suffix == ".png":
        yield from _png_texts(content)


def _png_texts(content: bytes) -> Iterator[bytes]:
    start = 8
    while start < len(content):
        length = int.from_bytes(content[start : start + 4], "big")
        kind, data = content[start + 4 : start + 8], content[start + 8 : start + 8 + length]
        if kind == b"zTXt":
            yield zlib.decompress(data.partition(b"\0")[2][1:])
        start += length + 12


def found_in(content: bytes) -> list[str]:
    return [word for word in WORDS if word.encode() in content or word.encode("utf-16-le") in content]


def assert_clean_folder(raw: Path) -> int:
    """Search names and bytes; give the number of files."""
    files = [path for path in raw.rglob("*") if path.is_file()]
    for path in raw.rglob("*"):
        assert not found_in(str(path.relative_to(raw)).encode()), path
    for path in files:
        for content in bytes_of(path):
            assert not found_in(content), path
    return len(files)


def change_rows(manifest: Path, change: Callable[[list[dict[str, str]]], object]) -> None:
    """Change cells of a manifest, or add rows."""
    rows = list(csv.DictReader(manifest.open(encoding="utf-8")))
    change(rows)
    write_manifest(manifest, rows)
