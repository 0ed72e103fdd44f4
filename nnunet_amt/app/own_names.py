"""What the cases of the results are called in the study's own table: the results name them by pseudonyms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.app.seen_cases import StudyCases, case_address
from nnunet_amt.dataset_conversion.pseudonyms import default_key_file, known_pseudonyms
from nnunet_amt.errors import AMTError
from nnunet_amt.study.settings import StudySettings
from nnunet_amt.study.stages import conversion_settings


@dataclass(frozen=True)
class OwnCase:
    """A case by its name in the table, and the address of the page on which its mask is reviewed."""

    case_id: str
    address: str


def own_cases(study: Path, opened: Path, settings: StudySettings) -> dict[str, OwnCase]:
    """Give the cases of the table by the names that the results have for them.

    Those are left out that cannot be told: a table or key that is damaged or lies outside the opened folder is told of
    on the page of the cases.
    """
    try:
        cases = StudyCases.of_study(study, opened)
        chosen = conversion_settings(study, settings)
        key_file = chosen.key_file or default_key_file(cases.table.path)
        if not key_file.resolve().is_relative_to(opened.resolve()):
            return {}
        names = known_pseudonyms(key_file, "case")
    except (AMTError, OSError):
        return {}
    if chosen.keep_case_ids:
        names = {case_id: case_id for case_id in cases.cases}
    return {names[one]: OwnCase(one, case_address(cases, one)) for one in cases.cases if one in names}
