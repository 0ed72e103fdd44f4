"""The folder of a dataset in nnU-Net's raw format: where its files are, and what may be in it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import PARTIAL_MARK, partial_name, remove_leftovers
from nnunet_amt.cohort import Split
from nnunet_amt.errors import BadInputError

FILE_ENDING = ".nii.gz"
_CHANNEL = "_0000"
_RECORDS = ".conversion"
# Writing a case takes seconds.
_OLD_SECONDS = 600
_CASE_FOLDERS = ("imagesTr", "labelsTr", "imagesTs", "labelsTs")
SECOND_FOLDER = "labelsSecond"  # made where there are such masks; nnU-Net does not look at it


@dataclass(frozen=True)
class RawDataset:
    """One dataset below nnUNet_raw."""

    folder: Path  # for example ``nnUNet_raw/Dataset711_AMT``

    @classmethod
    def at(cls, raw_folder: Path, *, dataset_id: int, dataset_name: str) -> RawDataset:
        """Name the dataset's folder, and check that nnU-Net can tell it from others.

        Raises BadInputError if the id or the name is not allowed, or another dataset has the id.
        """
        if not 1 <= dataset_id <= 999:
            raise BadInputError(f"dataset id {dataset_id} is not allowed; choose one from 1 to 999")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", dataset_name):
            raise BadInputError(f"dataset name {dataset_name!r} is not allowed; use A-Z a-z 0-9 _ -")
        folder = raw_folder / f"Dataset{dataset_id:03d}_{dataset_name}"
        others = sorted(raw_folder.glob(f"Dataset{dataset_id:03d}_*")) if raw_folder.is_dir() else []
        for other in others:
            if other != folder:
                raise BadInputError(
                    f"dataset id {dataset_id} is taken by {other.name}; choose another id, or its name to go on with it"
                )
        return cls(folder)

    def image(self, case_id: str, split: Split | None) -> Path:
        """Path of a case's CT."""
        return self.folder / f"images{_subset(split)}" / f"{case_id}{_CHANNEL}{FILE_ENDING}"

    def label(self, case_id: str, split: Split | None) -> Path:
        """Path of a case's mask."""
        return self.folder / f"labels{_subset(split)}" / f"{case_id}{FILE_ENDING}"

    def second_label(self, case_id: str) -> Path:
        """Path of the mask that a second reader has drawn on a case's CT; one folder has those of all splits."""
        return self.folder / SECOND_FOLDER / f"{case_id}{FILE_ENDING}"

    def standing(self, case_id: str, split: Split | None) -> tuple[Path, Path]:
        """Paths of a case's CT and mask where they are: where `split` puts them, or else on the other side.

        `keep_only` brings them over; a killed run may have done so with one of the two.
        """
        here = self.image(case_id, split), self.label(case_id, split)
        other: Split = "training" if split == "external" else "external"
        there = self.image(case_id, other), self.label(case_id, other)
        image, label = (
            one if one.is_file() or not two.is_file() else two for one, two in zip(here, there, strict=True)
        )
        return image, label

    def folder_of(self, case_id: str) -> str | None:
        """Name the folder that holds a case's CT, ``imagesTr`` or ``imagesTs``; None if it is in neither."""
        image, _ = self.standing(case_id, "training")
        return image.parent.name if image.is_file() else None

    def record(self, case_id: str) -> Path:
        """Path of the note that the case is converted, and from what."""
        return self.folder / _RECORDS / f"{case_id}.json"

    def scratch(self, case_id: str) -> Path:
        """Folder for a case's temporary files; a later run removes it if this one is killed."""
        return self.folder / _RECORDS / partial_name(case_id)

    def require_usable(self, *, test_only: bool = False) -> None:
        """Refuse a folder that cannot be written, or holds files that the conversion did not make.

        With `test_only` also one with training cases, which a test set alone in its place would take away.

        Ours are the files of cases with a record. A case's record is written, empty, before its first file: so those
        of a killed run are ours too, and whatever else has the name of a case is not overwritten.

        Raises
        ------
        BadInputError
            Naming the folder or the first foreign file.
        """
        if test_only and (count := len(list((self.folder / "imagesTr").glob("[!.]*")))):
            raise BadInputError(
                f"{self.folder}: holds {count} images to train on, which a test set alone would take away; choose "
                "another -d or --name"
            )
        existing = self.folder.resolve()
        while not existing.exists():
            existing = existing.parent
        if not _takes_files(existing):
            raise BadInputError(f"{self.folder}: cannot be written; choose another folder or change its rights")
        recorded = self._recorded_cases()
        ours = self._paths_of(recorded)
        files = [
            path for name in (*_CASE_FOLDERS, SECOND_FOLDER) for path in sorted((self.folder / name).glob("[!.]*"))
        ]
        foreign = [path for path in files if path not in ours or path.is_dir()]
        foreign += [path for path in map(self.record, recorded) if path.is_dir()]
        if foreign or (self._dataset_json.exists() and not self.record("any").parent.is_dir()):
            first = foreign[0].relative_to(self.folder) if foreign else self._dataset_json.name
            raise BadInputError(
                f"{self.folder}: holds {first}, which this conversion did not make; choose another id or name, "
                "or remove the folder"
            )

    def begin(self, splits: Mapping[str, Split | None]) -> None:
        """Make the folders; remove what killed runs left, and other cases; move those that changed sides.

        ``dataset.json`` goes first and comes back last, so nothing takes an unfinished dataset for a whole one.

        `splits` are those of the cases, by their names in the dataset.
        """
        try:
            self._dataset_json.unlink(missing_ok=True)
            for name in (*_CASE_FOLDERS, _RECORDS):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            self.keep_only(splits)
        except OSError as error:
            raise BadInputError(f"{self.folder}: cannot be written ({error.strerror})") from error

    def keep_only(self, splits: Mapping[str, Split | None], *, nobody_writes: bool = False) -> None:
        """Remove what killed processes left, and all but these cases, and put these where they belong; see `begin`.

        Parameters
        ----------
        splits
            See `begin`.
        nobody_writes
            Whether workers of other machines have been at work and are done: what is half written, they left.
        """
        partials = self.folder.glob(f"**/{PARTIAL_MARK}*")
        remove_leftovers(partials, old_seconds=_OLD_SECONDS, nobody_writes=nobody_writes)
        self._remove_outdated(splits)

    @property
    def _dataset_json(self) -> Path:
        return self.folder / "dataset.json"

    def _recorded_cases(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / _RECORDS).glob("[!.]*.json"))

    def _paths_of(self, case_ids: Iterable[str]) -> set[Path]:
        splits: tuple[Split, ...] = ("training", "external")
        return {
            path
            for case_id in case_ids
            for split in splits
            for path in (self.image(case_id, split), self.label(case_id, split), self.second_label(case_id))
        }

    def _remove_outdated(self, splits: Mapping[str, Split | None]) -> None:
        for case_id in self._recorded_cases():
            wanted: tuple[Path, ...] = ()
            if case_id in splits:
                split = splits[case_id]
                wanted = self.image(case_id, split), self.label(case_id, split)
                for now, path in zip(self.standing(case_id, split), wanted, strict=True):
                    if now != path and now.is_file():
                        now.replace(path)
            kept = {*wanted, self.second_label(case_id)} if wanted else set()
            for path in self._paths_of([case_id]) - kept:
                path.unlink(missing_ok=True)
            if not wanted:
                self.record(case_id).unlink()


def _subset(split: Split | None) -> str:
    """nnU-Net trains on Tr, tuning cases among them, and never sees Ts."""
    return "Ts" if split == "external" else "Tr"


def _takes_files(folder: Path) -> bool:
    """Try it: the rights alone do not tell of folders that are read-only, or that the system makes up."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
