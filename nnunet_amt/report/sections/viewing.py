"""Section 5: look at the cases. The viewer, and the triage of false positives."""

from __future__ import annotations

from dataclasses import dataclass

from nnunet_amt.report.section import Missing, Section
from nnunet_amt.report.study_content import StudyContent, study_command


@dataclass(frozen=True)
class Viewing:
    """What the section shows.

    Attributes
    ----------
    html
        Of the viewer; empty without one.
    missing
        Why there is none.
    """

    html: str
    missing: tuple[Missing, ...] = ()


def viewing_section(content: StudyContent, html: str, why_not: str) -> Section:
    """Put the viewer in, or say why there is none."""
    again = study_command(content, "report", ".", "-o", "report.html")
    missing = () if html else (Missing(why_not, (again,)),)
    return Section("cases", "Look at the cases", "viewing.html.j2", Viewing(html, missing))
