"""Section 2: on whom. The flow of the cases, Tables 1 and 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nnunet_amt.report.failure_story import counted
from nnunet_amt.report.markdown_reader import read_markdown
from nnunet_amt.report.pictures import Picture, read_picture
from nnunet_amt.report.section import Missing, Section
from nnunet_amt.report.study_content import StudyContent, study_command
from nnunet_amt.report.text_table import TextTable, markdown_table


@dataclass(frozen=True)
class Cohort:
    """What the section shows.

    Attributes
    ----------
    flow
        The flow figure; None without one.
    tables
        Tables 1 and 2.
    checks
        What was checked before the split was trusted.
    missing
        What the dataset lacks.
    """

    flow: Picture | None
    tables: tuple[TextTable, ...]
    checks: tuple[str, ...]
    missing: tuple[Missing, ...]


def cohort_section(content: StudyContent) -> Section:
    """Take what the conversion wrote beside the images."""
    dataset = content.study.dataset
    if dataset is None:
        why = "No converted dataset was found with this study, so the flow of cases and Tables 1 and 2 are missing."
        missing = Missing(why, ("nnunet_amt convert MANIFEST.csv -d 711",))
        return _section(Cohort(None, (), (), (missing,)))
    missing_parts = []
    flow = read_picture(
        dataset / "flow.png",
        _flow_words(content.audit),
        "Flow of the cases from those identified to the three splits, in the form of the paper's Fig. 2.",
    )
    if flow is None:
        missing_parts.append(Missing("The flow figure is missing from the dataset.", (_convert_again(content),)))
    tables = []
    for name in ("table1", "table2"):
        for part in read_markdown(dataset / f"{name}.md"):
            tables += [markdown_table(part.heading, table, part.notes, heads=2) for table in part.tables]
    if not (dataset / "table1.md").is_file():
        missing_parts.append(Missing("Table 1 is missing from the dataset.", (_convert_again(content),)))
    checks = tuple(str(check.get("check", "")) for check in content.audit.get("checks", ()) if check.get("passed"))
    return _section(Cohort(flow, tuple(tables), checks, tuple(missing_parts)))


def _section(cohort: Cohort) -> Section:
    return Section("cohort", "On whom", "cohort.html.j2", cohort)


def _convert_again(content: StudyContent) -> str:
    number = content.study.dataset.name[7:10] if content.study.dataset is not None else "711"
    return study_command(content, "convert", "MANIFEST.csv", "-d", number)


def _flow_words(audit: Any) -> str:
    if not audit:
        return "Flow chart of the cases."
    reasons = "; ".join(f"{count} for {reason}" for reason, count in audit.get("excluded_by_reason", {}).items())
    excluded = f"{audit.get('excluded', 0)} excluded{f' ({reasons})' if reasons else ''}"
    included = audit.get("included", {})
    splits = "; ".join(
        f"{name}: {counted(split['cases'], 'case')} of {counted(split['institutions'], 'institution')}"
        for name, split in audit.get("splits", {}).items()
    )
    return (
        f"Flow chart: {counted(audit.get('identified', 0), 'case')} identified, {excluded}, "
        f"{included.get('cases', 0)} included from {counted(included.get('institutions', 0), 'institution')}. {splits}."
    )
