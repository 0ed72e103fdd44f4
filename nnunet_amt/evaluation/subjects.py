"""Of what the evaluated CTs are, as a record says; the paper's results stand beside those of patients alone."""

from __future__ import annotations

from pathlib import Path

from nnunet_amt.base.files import read_record

PATIENTS, PHANTOMS = "patients", "phantoms"  # and what a joint manifest is of: "patients and phantoms"
NOT_BESIDE = "so the paper's results do not stand beside these; nnunet_amt published shows them."


def subjects_of(references: Path, cohort: Path | None = None) -> str | None:
    """Read what the conversion wrote into the ``dataset.json`` beside the references, or beside the cohort file.

    Returns
    -------
    str or None
        ``subjects``; None where no such file says.
    """
    for path in (references.absolute(), references.resolve(), *([] if cohort is None else [cohort.absolute()])):
        said = read_record(path.parent / "dataset.json").get("subjects")
        if isinstance(said, str) and said:
            return said
    return None


def why_not_published(subjects: str | None) -> str:
    """Say in a sentence why the paper's results do not stand beside these; empty where they do."""
    if subjects == PATIENTS:
        return ""
    if subjects is None:
        why = "That the cases are patients is not on record (subjects in the dataset.json beside the references)"
    else:
        why = f"The cases are {subjects}"
    return f"{why}, {NOT_BESIDE}"
