"""Section 9: how to cite."""

from __future__ import annotations

from dataclasses import dataclass

from nnunet_amt import __version__, paper
from nnunet_amt.report.section import Section
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.report.viewer.niivue import NIIVUE_VERSION


@dataclass(frozen=True)
class Work:
    """What to cite: for what, the text, and its DOI, empty without one."""

    what: str
    text: str
    doi: str = ""


@dataclass(frozen=True)
class Citing:
    """What the section shows."""

    works: tuple[Work, ...]


def citing_section(content: StudyContent, niivue: bool = False) -> Section:
    """Name the software, the paper, nnU-Net, the cohort, and NiiVue where it is in the page."""
    works = [
        Work(
            "This software",
            f"nnunet_amt {__version__}: anterior mediastinal tumours on CT with nnU-Net v2. Apache-2.0.",
        ),
        Work(
            "The study that it reproduces",
            "Takemura C, Miyake M, Kobayashi K, et al. A clinically applicable and generalizable deep learning model "
            "for anterior mediastinal tumors in CT images across multiple institutions. Scientific Reports, 2026.",
            paper.DOI,
        ),
        Work(
            "nnU-Net",
            "Isensee F, Jaeger PF, Kohl SAA, Petersen J, Maier-Hein KH. nnU-Net: a self-configuring method for deep "
            "learning-based biomedical image segmentation. Nature Methods 18, 203–211, 2021.",
            "10.1038/s41592-020-01008-z",
        ),
    ]
    if niivue:
        text = f"NiiVue {NIIVUE_VERSION}, BSD-2-Clause; its licence stands before its code in this file."
        works.append(Work("The viewer of this page", text))
    if content.description.get("cohort_reference"):
        works.append(Work("The public cohort", str(content.description["cohort_reference"])))
    return Section("cite", "How to cite", "citing.html.j2", Citing(tuple(works)))
