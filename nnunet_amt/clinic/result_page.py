"""The page of segmented cases: what was found in each, and what was not taken. No reference, so no accuracy."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_amt import __version__
from nnunet_amt.base.files import write_text
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.clinic.assessments import Assessment, read_assessments
from nnunet_amt.clinic.case_results import CT_CROP
from nnunet_amt.clinic.lesions import LESION_COLUMNS
from nnunet_amt.clinic.new_cases import NotTaken
from nnunet_amt.clinic.page_viewer import lesion_link, viewer_case
from nnunet_amt.errors import AMTError
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_file import read_grid
from nnunet_amt.report.page_parts import Picture, content_policy, page_block, page_environment, read_picture
from nnunet_amt.report.viewer import ViewerCase, ViewerPart, view_link, viewer_part
from nnunet_amt.writing.table import Row, Table

logger = logging.getLogger(__name__)

_TEMPLATES = Path(__file__).with_name("templates")
_COLUMN = {name: number for number, name in enumerate(LESION_COLUMNS)}
_SHOWN = (
    ("volume_cm3", "volume, cm³", 1),
    ("axial_diameter_mm", "axial diameter, mm", 0),
    ("maximum_diameter_mm", "largest diameter, mm", 0),
    ("mean_hu", "mean HU", 0),
    ("score", "mean probability", 2),
)


@dataclass(frozen=True)
class CaseOnPage:
    """A case as the template shows it."""

    case_id: str
    found: str
    picture: Picture | None
    lesions: Table | None
    files: tuple[str, ...]
    note: str
    made_by: str
    link: str  # to the viewer; empty where it does not have the case
    assessments: tuple[tuple[Assessment, Table | None], ...]


def write_result_page(
    path: Path,
    folder: Path,
    results: Mapping[str, Mapping[str, Any]],
    not_taken: Sequence[NotTaken],
    *,
    progress: Progress = silent,
) -> None:
    """Write one HTML file that loads nothing; `results` are those of ``result.json``, by case."""
    found = [viewer_case(folder / case_id, result) for case_id, result in sorted(results.items())]
    seen = [case for case in found if case is not None]
    try:
        viewer = _viewer_of(seen, progress)
    except AMTError:  # which of them it was, is seen when they are read one by one
        seen = [case for case in seen if _can_be_read(case)]
        viewer = _viewer_of(seen, progress)
    names = {case.case_id for case in seen}
    cases = [_case(folder, case_id, result, is_seen=case_id in names) for case_id, result in sorted(results.items())]
    styles = [page_block("page.css"), *([viewer.styles] if viewer else []), page_block("print.css")]
    scripts = [page_block("page.js"), *(viewer.scripts if viewer else ())]
    text = (
        page_environment(_TEMPLATES)
        .get_template("segmented.html.j2")
        .render(
            cases=cases,
            trained_on=sorted({str(one["trained_on"]) for one in results.values() if one.get("trained_on")}),
            table=_table_of_cases(cases, results),
            not_taken=[(one.given.name, one.reason) for one in not_taken],
            viewer=viewer,
            unseen=len(cases) - len(seen),
            styles=styles,
            scripts=scripts,
            policy=content_policy(scripts=scripts, styles=styles, extra=viewer.csp if viewer else None),
            version=__version__,
        )
    )
    write_text(path, text)


def _viewer_of(cases: Sequence[ViewerCase], progress: Progress) -> ViewerPart | None:
    return viewer_part(cases, references=False, order="", progress=progress) if cases else None


def _can_be_read(case: ViewerCase) -> bool:
    try:
        case.load()
    except AMTError as error:
        logger.warning(
            "%s: only a picture of it is on the page: %s; remove its folder, and run again", case.case_id, error
        )
        return False
    return True


def _case(folder: Path, case_id: str, result: Mapping[str, Any], *, is_seen: bool) -> CaseOnPage:
    lesions = result["lesions"]
    count = len(lesions)
    found = "no lesion" if not count else "1 lesion" if count == 1 else f"{count} lesions"
    through = "its largest lesion" if count else "its middle"
    picture = read_picture(
        folder / case_id / "overview.png", alt=f"{case_id}: axial, coronal and sagittal plane through {through}"
    )
    table = None
    if lesions:
        crop = read_grid(folder / case_id / CT_CROP, name=case_id) if is_seen else None
        rows = tuple(_lesion_on_page(case_id, row, crop) for row in lesions)
        table = Table(f"Lesions of {case_id}", "", (*(title for _, title, _ in _SHOWN), "slice of the CT"), rows)
    assessments = tuple((one, _table_of_classes(case_id, one)) for one in read_assessments(folder / case_id))
    made_by = f"{result.get('trainer') or 'unknown model'}, weights of the SHA-256 {result['model_sha256'][:12]}"
    link = view_link(case_id) if is_seen else ""
    return CaseOnPage(
        case_id, found, picture, table, tuple(result["files"]), str(result["note"]), made_by, link, assessments
    )


def _lesion_on_page(case_id: str, row: Sequence[Any], crop: Geometry | None) -> Row:
    cells = (*(_number(row[_COLUMN[name]], digits) for name, _, digits in _SHOWN), str(row[_COLUMN["slice"]]))
    link = ""
    if crop is not None:
        link = lesion_link(case_id, [float(row[_COLUMN[f"centre_{axis}_mm"]]) for axis in "xyz"], crop)
    return Row(f"lesion {row[_COLUMN['lesion']]}", cells, link=link)


def _table_of_classes(case_id: str, one: Assessment) -> Table | None:
    rows = tuple(Row(name, (probability,)) for name, probability in one.probabilities)
    return Table(f"{one.question}: {case_id}", "", ("probability",), rows) if rows else None


def _table_of_cases(cases: Sequence[CaseOnPage], results: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    points = {case.case_id: results[case.case_id].get("operating_point", {}).get("name", "argmax") for case in cases}
    told = any(name != "argmax" for name in points.values())
    for case in cases:
        lesions = results[case.case_id]["lesions"]
        volumes = [float(row[_COLUMN["volume_cm3"]]) for row in lesions]
        diameters = [float(row[_COLUMN["axial_diameter_mm"]]) for row in lesions]
        cells: tuple[str, ...] = (
            str(len(lesions)),
            f"{sum(volumes):.1f}",
            f"{max(diameters):.0f}" if diameters else "",
        )
        cells = (*cells, points[case.case_id]) if told else cells
        rows.append(Row(case.case_id, cells, link=f"#{case.case_id}"))
    columns = ("lesions", "volume, cm³", "largest axial diameter, mm", *(("operating point",) if told else ()))
    return Table("Cases", "case", columns, tuple(rows))


def _number(text: object, digits: int) -> str:
    return f"{float(str(text)):.{digits}f}" if text != "" else ""
