"""What stands in the folder of a segmented case, and the tables of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import write_csv
from nnunet_amt.base.json_file import NUMBER, read_json
from nnunet_amt.clinic.lesions import LESION_COLUMNS, write_lesions
from nnunet_amt.clinic.new_cases import NotTaken
from nnunet_amt.errors import AMTError

LABEL_MAP, PROBABILITIES, OVERVIEW, CT_CROP, RESULT = (
    "segmentation.nii.gz",
    "probabilities.nii.gz",
    "overview.png",
    "ct_crop.nii.gz",
    "result.json",
)
CASES_FILE, LESIONS_FILE, PAGE = "cases.csv", "lesions.csv", "index.html"
SCHEMA_VERSION = 1
SHARE_ASKED = "network_asked_share"  # of a model that is asked in a part of the chest
_RESULT = {
    "schema_version": int,
    "case_id": str,
    "source": str,
    "made": str,
    "input_sha256": str,
    "model_sha256": str,
    "trainer?": str,
    "options": dict,
    "files": [str],
    "lesions": [list],
    "note": str,
    "operating_point?": {"name": str, "digest": str},
    f"{SHARE_ASKED}?": NUMBER,
}
_VOLUME = LESION_COLUMNS.index("volume_cm3")

Result = Mapping[str, Any]


def read_result(path: Path) -> dict[str, Any] | None:
    """Read the file that ends a case; None where there is none, or it is damaged: the case is done again then."""
    if not path.is_file():
        return None
    try:
        result: dict[str, Any] = read_json(path, form=_RESULT, advice="it is made again")
    except AMTError:
        return None
    return result


def results_in(output: Path) -> dict[str, dict[str, Any]]:
    """Read what stands in a folder of this and earlier runs, by case."""
    found = (read_result(path) for path in sorted(output.glob(f"*/{RESULT}")))
    return {result["case_id"]: result for result in found if result is not None}


def unreadable_results_in(output: Path) -> list[str]:
    """Name the folders that hold a label map, as of a case, without a result that can be read."""
    folders = [path.parent for path in sorted(output.glob(f"*/{LABEL_MAP}"))]
    return [folder.name for folder in folders if read_result(folder / RESULT) is None]


def volume_of(result: Result) -> float:
    """Add up the volume of a case's lesions, in cm³."""
    return sum(float(row[_VOLUME]) for row in result["lesions"])


def write_tables(output: Path, results: Mapping[str, Result], not_taken: Sequence[NotTaken]) -> None:
    """Write the lesions of all cases, and what became of everything that was given."""
    write_lesions(output / LESIONS_FILE, [row for result in results.values() for row in result["lesions"]])
    rows: list[list[object]] = [
        [case_id, "segmented", len(result["lesions"]), f"{volume_of(result):.3f}", result["note"], result["source"]]
        for case_id, result in results.items()
    ]
    rows += [[one.given.name, "not taken", "", "", one.reason, str(one.given)] for one in not_taken]
    write_csv(output / CASES_FILE, ("case_id", "state", "lesions", "volume_cm3", "note", "source"), rows)
