"""The cases of a study as they are looked at: found by an address that names nobody, read as training reads them.

What was read is kept in ``.nnunet_amt_app/seen/STUDY``, under a digest of the files that it was read from: of every
case a small record, and of the last few the voxels, so that a slice is drawn without reading a series again.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from starlette.exceptions import HTTPException
from starlette.requests import Request

from nnunet_amt.app.case_table import CaseTable, read_case_table
from nnunet_amt.app.jobs import APP_FOLDER
from nnunet_amt.app.pages import opened_folder
from nnunet_amt.app.studies import study_of
from nnunet_amt.base.files import atomic_path, files_together, locked_folder, read_record, write_json
from nnunet_amt.cohort.case import CohortCase
from nnunet_amt.cohort.reviews import MaskDifference
from nnunet_amt.cohort.spelling import closed_up
from nnunet_amt.dataset_conversion.case_source import open_case
from nnunet_amt.dataset_conversion.case_voxels import CaseVoxels, read_voxels
from nnunet_amt.dataset_conversion.convert_case import digest, files_fingerprint
from nnunet_amt.errors import AMTError, BadInputError
from nnunet_amt.evaluation.measure.mask_difference import mask_difference, mask_size
from nnunet_amt.images.dicom.files import quiet_readers
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_file import ReadingOptions
from nnunet_amt.images.mask_file import IGNORE_LABEL
from nnunet_amt.images.nifti import VOXELS_AT, write_nifti
from nnunet_amt.pictures import PlaneView
from nnunet_amt.study.settings import manifest_path, read_settings
from nnunet_amt.study.stages import reading_options

_SECRET = "secret"
CT, MASK, SECOND = "ct.nii", "mask.nii", "second.nii"
_VERSION = 1  # of the records
_KEPT = 8  # cases whose voxels are kept
_CODE, _KEY = 12, 32  # hexadecimal digits
_SHORTEST_ID = 4  # of a patient, to be looked for in the id of a case
_reading = threading.Lock()  # a CT takes some hundred megabytes while it is read


@dataclass(frozen=True)
class SeenCase:
    """A case whose voxels lie ready.

    Attributes
    ----------
    folder
        With `CT`, `MASK` and, of a second reader, `SECOND`: NIfTI files that are not compressed.
    mask
        Digest of CT and mask as they are seen.
    geometry
        Their grid, LPS axes.
    areas
        Voxels of tumour in each axial slice, from the feet.
    volume_cm3, lesions
        Of the mask.
    has_ignored
        Whether voxels are marked to be left out of the training.
    drawn_slices
        On which nobody has drawn, see `MaskOnGrid.interpolated_slices`.
    second
        How the mask differs from that of the second reader; None where there is none.
    """

    folder: Path
    mask: str
    geometry: Geometry
    areas: tuple[int, ...]
    volume_cm3: float
    lesions: int
    has_ignored: bool
    drawn_slices: int
    second: MaskDifference | None

    @property
    def slices(self) -> int:
        """How many axial slices there are."""
        return len(self.areas)

    @property
    def largest_slice(self) -> int:
        """The slice, from 0, that holds most of the tumour; the middle one without a tumour."""
        return int(np.argmax(self.areas)) if any(self.areas) else self.slices // 2

    def voxels(self, name: str) -> NDArray[Any]:
        """Map the voxels of one of the files, (z, y, x), without reading them all."""
        path = self.folder / name
        shape = self.geometry.size[::-1]
        kind = np.uint8 if name != CT else np.dtype(f"<i{(path.stat().st_size - VOXELS_AT) // int(np.prod(shape))}")
        return np.memmap(path, kind, "r", VOXELS_AT, shape)

    def axial(self, index: int, *, with_masks: bool) -> PlaneView:
        """Cut an axial slice, from 0 at the feet; the mask is its reference, that of a second reader its prediction."""
        image = np.array(self.voxels(CT)[index])
        nothing = np.zeros(image.shape, bool)
        mask = self.voxels(MASK)[index] == 1 if with_masks else nothing
        second = self.voxels(SECOND)[index] == 1 if with_masks and self.second else nothing
        x, y, _ = self.geometry.spacing
        return PlaneView("axial", image, mask, second, (y, x))


@dataclass(frozen=True)
class StudyCases:
    """The cases of a study that can be looked at: rows of its table without a problem of their own.

    Attributes
    ----------
    study, opened
        The folders.
    table
        The manifest.
    cases
        By case id, in the order of the table.
    options
        What the conversion of this study may do.
    is_editable
        Whether the table may be changed: it lies in the opened folder.
    """

    study: Path
    opened: Path
    table: CaseTable
    cases: Mapping[str, CohortCase]
    options: ReadingOptions
    is_editable: bool

    @classmethod
    def of(cls, request: Request) -> StudyCases:
        """Read the table of the study that an address ``/studies/{name}`` names."""
        return cls.of_study(study_of(request), opened_folder(request))

    @classmethod
    def of_study(cls, study: Path, opened: Path) -> StudyCases:
        """Read the table of a study."""
        settings = read_settings(study)
        path = manifest_path(study, settings)
        table = read_case_table(path)
        times = Counter(closed_up(case.case_id) for case in table.cases)  # of two, nobody could tell which is meant
        cases = {case.case_id: case for case in table.cases if times[closed_up(case.case_id)] == 1}
        editable = path.resolve().is_relative_to(opened)
        return cls(study, opened, table, cases, reading_options(settings), editable)

    def code(self, case_id: str) -> str:
        """Give what a case is called in addresses: the same for ever, and nothing that a name can be read from."""
        return digest(f"{self.study.name}/{case_id}", _secret(self.opened))[:_CODE]

    def case(self, code: str) -> CohortCase:
        """Find the case of an address; HTTPException with status 404 if there is none."""
        for case_id, case in self.cases.items():
            if hmac.compare_digest(self.code(case_id), code):
                return case
        raise HTTPException(
            HTTPStatus.NOT_FOUND, "there is no such case in the table, or its row has a problem; mend it there"
        )

    def seen_mask(self, case: CohortCase) -> str | None:
        """Give the digest of CT and mask, if these very files have been looked at; nothing is read for it."""
        try:
            record = read_record(self._record(self._key(case)))
        except OSError:
            return None
        return str(record["mask"]) if record.get("version") == _VERSION else None

    def seen(self, case: CohortCase) -> SeenCase:
        """Read a case as the conversion does, or take what was kept of it.

        Raises
        ------
        BadInputError
            What the conversion refuses, or a file outside of the opened folder.
        """
        self._require_inside(case)
        try:
            key = self._key(case)
        except OSError as error:
            raise BadInputError(f"case {case.case_id}: its files cannot be looked at ({error.strerror})") from error
        if (kept := self._kept(key)) is not None:
            return kept
        with _reading:
            kept = self._kept(key)  # somebody else may have read it meanwhile
            if kept is None:
                self._keep(key, self.read(case))
                kept = self._kept(key)
        if kept is None:
            raise BadInputError(f"case {case.case_id}: was not kept; load the page again")
        return kept

    def read_ahead(self, case: CohortCase) -> None:
        """Read a case that is likely to be asked for next; what is wrong with it is said when it is."""
        with suppress(AMTError, OSError):
            self.seen(case)

    @quiet_readers()
    def read(self, case: CohortCase) -> CaseVoxels:
        """Read the voxels of a case as the conversion does; BadInputError for what it refuses."""
        scratch = self._folder / f"scratch-{os.getpid()}-{threading.get_ident()}"
        scratch.mkdir(parents=True, exist_ok=True)
        try:
            name = self.table.path.name
            source = open_case(case, manifest_name=name, options=self.options)
            return read_voxels(source, case, manifest_name=name, options=self.options, scratch=scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    @property
    def _folder(self) -> Path:
        return self.opened / APP_FOLDER / "seen" / self.study.name

    def _record(self, key: str) -> Path:
        return self._folder / "cases" / f"{key}.json"

    def _key(self, case: CohortCase) -> str:
        secret = _secret(self.opened)
        files = files_fingerprint(case, options=self.options, secret=secret)
        return digest(repr([_VERSION, files, case.image, case.mask, case.mask_2]), secret)[:_KEY]

    def _require_inside(self, case: CohortCase) -> None:
        for path in filter(None, (case.image, case.mask, case.mask_2)):
            if not path.resolve().is_relative_to(self.opened):
                raise BadInputError(
                    f"case {case.case_id}: a file of it lies outside the opened folder; copy the files there, or open "
                    "a folder that holds both"
                )

    def _kept(self, key: str) -> SeenCase | None:
        folder = self._folder / "voxels" / key
        record = read_record(self._record(key))
        second = record.get("second")
        names = (CT, MASK, SECOND) if second else (CT, MASK)
        if record.get("version") != _VERSION or not all((folder / name).is_file() for name in names):
            return None
        os.utime(folder)
        grid = record["geometry"]
        return SeenCase(
            folder,
            record["mask"],
            Geometry(*(tuple(grid[name]) for name in ("size", "spacing", "origin", "direction"))),
            tuple(record["areas"]),
            record["volume_cm3"],
            record["lesions"],
            record["has_ignored"],
            record["drawn_slices"],
            second and _difference(second),
        )

    def _keep(self, key: str, read: CaseVoxels) -> None:
        labels = read.mask.labels
        x, y, z = read.geometry.spacing
        volume, lesions = mask_size(labels, (x, y, z))
        with files_together(self._folder / "voxels" / key) as folder:
            write_nifti(folder / CT, read.values, geometry=read.geometry)
            write_nifti(folder / MASK, labels, geometry=read.geometry)
            if read.second is not None:
                write_nifti(folder / SECOND, read.second, geometry=read.geometry)
        second = None if read.second is None else mask_difference(labels, read.second, (x, y, z))
        content = {
            "version": _VERSION,
            "mask": read.seen_digest(),
            "geometry": asdict(read.geometry),
            "areas": np.count_nonzero(labels == 1, axis=(1, 2)).tolist(),
            "volume_cm3": volume,
            "lesions": lesions,
            "has_ignored": bool((labels == IGNORE_LABEL).any()),
            "drawn_slices": read.mask.interpolated_slices,
            "second": None if second is None else asdict(second),
        }
        write_json(self._record(key), content)
        _forget(self._folder / "voxels")


def case_address(cases: StudyCases, case_id: str) -> str:
    """Give the address of the page of a case."""
    return f"/studies/{quote(cases.study.name)}/reviews/{cases.code(case_id)}"


def look_addresses(cases: StudyCases) -> dict[int, str]:
    """Give the addresses of all cases by their lines in the table."""
    return {case.line: case_address(cases, case.case_id) for case in cases.cases.values()}


def shown_name(case: CohortCase) -> str | None:
    """Give what a case is called on pages and in files: its id, unless the id tells the patient's; None then."""
    case_id, patient = closed_up(case.case_id), closed_up(case.patient_id)
    is_telling = case_id == patient or (len(patient) >= _SHORTEST_ID and patient in case_id)
    return None if is_telling else case.case_id


def _difference(record: Mapping[str, Any]) -> MaskDifference:
    one, other = record["volumes_cm3"]
    first, second = record["lesions"]
    return MaskDifference(record["dice"], (one, other), (first, second), record["largest_distance_mm"])


@lru_cache(maxsize=4)
def _secret(opened: Path) -> bytes:
    """Give what keys the codes and digests of an opened folder; made once, and kept for its owner alone."""
    path = opened / APP_FOLDER / _SECRET
    with locked_folder(path.parent):
        if not path.is_file():
            with atomic_path(path) as partial:
                partial.touch(mode=0o600)
                partial.write_text(secrets.token_hex(hashlib.sha256().digest_size))
        return path.read_bytes()


def _forget(folder: Path) -> None:
    """Remove the voxels of all cases but the last that were looked at."""

    def used(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except OSError:
            return 0.0

    for old in sorted(folder.iterdir(), key=used)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
