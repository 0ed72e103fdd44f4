"""Pseudonyms of cases, patients and institutions, and the key file that is the only way back.

The file also holds the secret that keys the digests in a dataset's case records.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from nnunet_amt.base.csv_cells import guarded_cell, unguarded_cell
from nnunet_amt.base.files import atomic_path, locked_folder
from nnunet_amt.cohort import CohortCase
from nnunet_amt.errors import BadInputError

Kind = Literal["case", "patient", "institution", "secret"]

KEY_COLUMNS = ("kind", "name", "pseudonym")
PATIENT_PREFIX = "patient"
INSTITUTION_PREFIX = "institution"
_OWNER_ONLY = 0o600
_RECORDS = "records"  # the name of the secret
_SECRET = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[A-Za-z0-9]{1,40}")
_ADVICE = "restore it from a copy, or name another key file"


@dataclass(frozen=True)
class DatasetNames:
    """The way from the manifest's names to the dataset's."""

    # Name in the dataset by name in the manifest
    cases: Mapping[str, str]
    patients: Mapping[str, str]  # codes, whatever the others are
    institutions: Mapping[str, str]
    key_file: Path  # what leads back, and holds the secret
    secret: bytes = field(repr=False)  # keys the digests in the case records
    pseudonymous: bool = True  # whether the dataset's names are not the manifest's

    def in_dataset(self, cases: Sequence[CohortCase]) -> list[CohortCase]:
        """Give the cases with the dataset's names, sorted by them: the manifest's order may tell who they are."""
        renamed = [
            replace(
                case,
                case_id=self.cases[case.case_id],
                patient_id=self.patients[case.patient_id],
                institution=self.institutions[case.institution],
            )
            for case in cases
        ]
        return sorted(renamed, key=lambda case: case.case_id) if self.pseudonymous else renamed


def name_for_dataset(
    cases: Sequence[CohortCase], key_file: Path, dataset_folder: Path, *, keep_case_ids: bool = False, seed: int = 711
) -> DatasetNames:
    """Give pseudonyms to included cases and institutions; keep the manifest's names if they are pseudonyms already.

    Patients have codes always: that their ids are pseudonyms too, nobody has said. Raises BadInputError if the key file
    is damaged, or lies in the dataset's folder. The seed is that of the pseudonyms' order.
    """
    require_outside(key_file, dataset_folder)
    patients = patient_codes(cases, key_file, seed=seed)
    if keep_case_ids:
        names = {case.case_id: case.case_id for case in cases}
        institutions = {case.institution: case.institution for case in cases}
    else:
        names = pseudonymise(cases, key_file, seed=seed)
        institutions = institution_codes(cases, key_file, seed=seed)
    return DatasetNames(names, patients, institutions, key_file, record_secret(key_file), not keep_case_ids)


def default_key_file(manifest: Path) -> Path:
    """Name the key file beside the manifest: ``cohort.csv`` has ``cohort_key.csv``."""
    return manifest.with_name(f"{manifest.stem}_key.csv")


def require_outside(key_file: Path, folder: Path) -> None:
    """Refuse a key file, which need not exist yet, anywhere below a dataset's folder that may be passed on."""
    if key_file.resolve().is_relative_to(folder.resolve()):
        raise BadInputError(
            f"key file {key_file.name}: lies in the dataset's folder {folder.name}, which may be passed on; "
            "choose a place outside it"
        )


def pseudonymise(
    cases: Sequence[CohortCase], key_file: Path, *, prefix: str = "AMT", seed: int = 711
) -> dict[str, str]:
    """Give every case a pseudonym such as ``AMT-0001`` that says nothing of its place in the manifest.

    They are on the disk before this returns. A case that has a pseudonym in the key file keeps it; others are numbered
    on from the highest, in an order that depends on the seed and on the case's row, patient id included. The hyphen is
    deliberate: in nnU-Net ``_0001`` at the end of a name is the number of a channel. Raises BadInputError if the key
    file is another kind of file or damaged, or the prefix is not allowed.

    Parameters
    ----------
    key_file
        CSV of `KEY_COLUMNS`, readable by its owner alone. Lines are only ever added.
    prefix
        Letters and digits before the number.
    """
    lots = {case.case_id: f"{case.case_id}/{case.patient_id}/{case.institution}" for case in cases}
    return _extend(key_file, "case", lots, prefix, seed)


def institution_codes(cases: Sequence[CohortCase], key_file: Path, *, seed: int = 711) -> dict[str, str]:
    """Give every institution, by its name, a code such as ``institution-0001``; see `pseudonymise`."""
    # The cases are in the lot, so that a list of hospitals alone does not give the order away.
    members: dict[str, list[str]] = {}
    for case in cases:
        members.setdefault(case.institution, []).append(f"{case.case_id}/{case.patient_id}")
    lots = {name: "/".join([name, *sorted(inside)]) for name, inside in members.items()}
    return _extend(key_file, "institution", lots, INSTITUTION_PREFIX, seed)


def patient_codes(cases: Sequence[CohortCase], key_file: Path, *, seed: int = 711) -> dict[str, str]:
    """Give every patient, by the manifest's id, a code such as ``patient-0001``; see `pseudonymise`."""
    members: dict[str, list[str]] = {}
    for case in cases:
        members.setdefault(case.patient_id, []).append(f"{case.case_id}/{case.institution}")
    lots = {name: "/".join([name, *sorted(inside)]) for name, inside in members.items()}
    return _extend(key_file, "patient", lots, PATIENT_PREFIX, seed)


def record_secret(key_file: Path) -> bytes:
    """Give the secret that keys the digests in the case records; drawn once, then read from the key file.

    Without it, whoever has a list of UIDs or file names could tell by their digests which of them are in the dataset.
    Raises BadInputError if the key file is another kind of file or damaged.
    """
    with locked_folder(key_file.parent):
        key = _read(key_file)
        secret = key.pseudonyms["secret"].get(_RECORDS)
        if secret is None:
            secret = secrets.token_hex(32)
            _append(key_file, key, [("secret", _RECORDS, secret)])
        _keep_private(key_file)
    if not _SECRET.fullmatch(secret):
        raise BadInputError(f"key file {key_file.name}: its line 'secret' is damaged; {_ADVICE}")
    return bytes.fromhex(secret)


def known_pseudonyms(key_file: Path, kind: Kind) -> dict[str, str]:
    """Give the pseudonyms that a key file holds, by name; nothing is added, and none are there without the file.

    Raises BadInputError if the key file is another kind of file or damaged.
    """
    return dict(_read(key_file).pseudonyms[kind])


@dataclass
class _Key:
    """Content of a key file."""

    text: str = ""
    pseudonyms: dict[Kind, dict[str, str]] = field(
        default_factory=lambda: {"case": {}, "patient": {}, "institution": {}, "secret": {}}
    )

    def highest(self, kind: Kind) -> int:
        """Highest number given so far, whatever its prefix."""
        numbers = (re.search(r"\d+$", pseudonym) for pseudonym in self.pseudonyms[kind].values())
        return max((int(number.group()) for number in numbers if number), default=0)


def _extend(key_file: Path, kind: Kind, lots: Mapping[str, str], prefix: str, seed: int) -> dict[str, str]:
    if not _PREFIX.fullmatch(prefix):
        raise BadInputError(f"prefix {prefix!r} of the pseudonyms is not allowed; use up to 40 of A-Z a-z 0-9")
    with locked_folder(key_file.parent):
        key = _read(key_file)
        known = key.pseudonyms[kind]
        draws = {name: hashlib.sha256(f"{seed}/{kind}/{lot}".encode()).digest() for name, lot in lots.items()}
        new = sorted((name for name in lots if name not in known), key=draws.__getitem__)
        start = key.highest(kind) + 1
        added = {name: f"{prefix}-{number:04d}" for number, name in enumerate(new, start=start)}
        if added:
            _append(key_file, key, [(kind, name, pseudonym) for name, pseudonym in added.items()])
        _keep_private(key_file)
    return {name: {**known, **added}[name] for name in lots}


def _keep_private(key_file: Path) -> None:
    """Take the rights of others away again: a spreadsheet program may have saved the file."""
    if key_file.exists() and key_file.stat().st_mode & 0o777 != _OWNER_ONLY:
        key_file.chmod(_OWNER_ONLY)


def _append(key_file: Path, key: _Key, rows: Sequence[tuple[str, str, str]]) -> None:
    """Write the old text and new rows behind it, under the final name only when both are on the disk."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if not key.text:
        writer.writerow(KEY_COLUMNS)
    elif not key.text.endswith("\n"):
        text.write("\n")
    writer.writerows([guarded_cell(cell) for cell in row] for row in rows)
    with atomic_path(key_file) as partial:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), _OWNER_ONLY)
            file.write((key.text + text.getvalue()).encode())
            file.flush()
            os.fsync(file.fileno())


def _read(key_file: Path) -> _Key:
    if not key_file.exists():
        return _Key()
    try:
        text = key_file.read_bytes().decode()
    except OSError as error:
        raise BadInputError(f"key file {key_file.name}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"key file {key_file.name}: is not in UTF-8; {_ADVICE}") from error
    key = _Key(text)
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    if tuple(next(reader, ())) != KEY_COLUMNS:
        raise BadInputError(f"key file {key_file.name}: line 1 is not {','.join(KEY_COLUMNS)}; {_ADVICE}")
    seen: set[tuple[str, str]] = set()
    for cells in reader:
        if not any(cells):
            continue
        kind, name, pseudonym = map(unguarded_cell, cells) if len(cells) == len(KEY_COLUMNS) else ("", "", "")
        known = key.pseudonyms.get(kind)  # type: ignore[call-overload]
        if known is None or not name or not pseudonym:
            raise BadInputError(f"key file {key_file.name} line {reader.line_num}: is damaged; {_ADVICE}")
        if name in known or (kind, pseudonym) in seen:
            raise BadInputError(
                f"key file {key_file.name} line {reader.line_num}: a {kind} or its pseudonym stands there twice; "
                f"{_ADVICE}"
            )
        known[name] = pseudonym
        seen.add((kind, pseudonym))
    return key
