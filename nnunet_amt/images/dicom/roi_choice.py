"""Choose the ROIs of an RTSTRUCT, or the segments of a DICOM SEG, that column ``roi`` names."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping


def chosen_by_name(names: Mapping[int, str], roi: str | None) -> dict[int, str]:
    """Choose structures by their names.

    Parameters
    ----------
    names
        Number to name.
    roi
        Regular expression that must match a whole name, or the name itself. If it is None, the only structure is
        chosen, and none where there are several.
    """
    if roi is None:
        return dict(names) if len(names) == 1 else {}
    return {number: name for number, name in names.items() if name == roi or re.fullmatch(roi, name)}


def none_chosen(file: str, structure: str, roi: str | None, names: Collection[str]) -> str:
    """Say why no structure was chosen.

    The names that there are are not shown: people write anything into them, patients' names too.

    Parameters
    ----------
    file
        For example ``"RTSTRUCT"``.
    structure
        What it holds: ``"closed ROI"`` or ``"segment"``. Points and lines are ROIs too, and no tumours.
    roi, names
        What was looked for, and among what.
    """
    if not names:
        return f"the {file} has no {structure}; draw the tumour or give the case an exclusion_reason"
    found = f"the {file} has {len(names)} {structure}{'s' if len(names) > 1 else ''}"
    if roi is None:
        return f"{found} and column 'roi' is empty; name there what is tumour"
    if alike := sum(bool(re.fullmatch(roi, name, re.IGNORECASE)) for name in names):
        return f"{found}, {alike} named {roi!r} if capitals do not count; write '(?i){roi}'"
    return (
        f"{found}, none named {roi!r}; look the names up in the program that wrote it (not shown: they may name people)"
    )
