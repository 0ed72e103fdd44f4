"""What a study's folders hold, by the files in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import read_record
from nnunet_amt.evaluation.measure.label_maps import LABEL_MAP_ENDINGS

RUNS_FILE = "nnunet_amt_runs"  # and .json, or _part0of8.json
_DEEPEST = 6  # nnUNet_results/Dataset711_AMT/trainer/fold_0/validation is five folders down
_CHANNEL = "_0000"
_OWN_RESULTS = ("summary.json", "cases.csv")


@dataclass(frozen=True)
class FoundFolders:
    """Folders below a study by what they hold, those nearest to its top first.

    Attributes
    ----------
    evaluations, failures, comparisons
        Results of the three commands.
    datasets
        Raw datasets.
    label_maps
        Folders with at least one file that may be a label map; folders of CTs are not among them.
    records
        Folders with run records.
    """

    evaluations: tuple[Path, ...]
    failures: tuple[Path, ...]
    comparisons: tuple[Path, ...]
    datasets: tuple[Path, ...]
    label_maps: tuple[Path, ...]
    records: tuple[Path, ...]


def find_folders(study: Path) -> FoundFolders:
    """Look through a study's folders, six deep; hidden ones, and so what killed runs left, are passed over."""
    held = [(folder, names) for folder, names in _walk(study, _DEEPEST)]
    return FoundFolders(
        evaluations=tuple(folder for folder, names in held if _is_evaluation(folder, names)),
        failures=tuple(folder for folder, names in held if {"failures.json", "failure_cases.csv"} <= names),
        comparisons=tuple(folder for folder, names in held if "comparison.json" in names),
        datasets=tuple(folder for folder, names in held if "dataset.json" in names and is_dataset(folder)),
        label_maps=tuple(folder for folder, names in held if any(map(_case_id, names))),
        records=tuple(folder for folder, names in held if any(name.startswith(RUNS_FILE) for name in names)),
    )


def is_dataset(folder: Path) -> bool:
    """Whether a folder is a raw dataset of nnU-Net's."""
    return (folder / "dataset.json").is_file() and any((folder / name).is_dir() for name in ("labelsTs", "labelsTr"))


def case_ids_of(folder: Path) -> frozenset[str]:
    """Name the cases of a folder of label maps; none if it cannot be read."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return frozenset()
    return frozenset(filter(None, map(_case_id, names)))


def label_map_in(folder: Path | None, case_id: str) -> Path | None:
    """Find the label map of a case; for a CT the case id ends with its channel, ``_0000``."""
    if folder is None:
        return None
    return next((path for ending in LABEL_MAP_ENDINGS if (path := folder / f"{case_id}{ending}").is_file()), None)


def _walk(study: Path, depth: int) -> Iterator[tuple[Path, frozenset[str]]]:
    """Give every folder and the names of its files, level by level; a folder that is linked to twice once."""
    level, seen = [study], set()
    for _ in range(depth + 1):
        below = []
        for folder in level:
            place = os.path.realpath(folder)
            if place in seen:
                continue
            seen.add(place)
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:  # not ours to read
                continue
            yield folder, frozenset(entry.name for entry in entries if entry.is_file())
            below += [Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
        level = below


def _is_evaluation(folder: Path, names: frozenset[str]) -> bool:
    """Tell our summary.json from nnU-Net's."""
    if not names.issuperset(_OWN_RESULTS):
        return False
    software = read_record(folder / "summary.json").get("software")
    return isinstance(software, dict) and software.get("name") == "nnunet_amt"


def _case_id(name: str) -> str | None:
    ending = next((ending for ending in LABEL_MAP_ENDINGS if name.endswith(ending)), None)
    if ending is None or name.startswith("."):
        return None
    case_id = name[: -len(ending)]
    return None if case_id.endswith(_CHANNEL) else case_id
