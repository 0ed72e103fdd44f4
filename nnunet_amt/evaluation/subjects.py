"""Of what the evaluated CTs are, as a record says; the paper's results stand beside those of patients alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import read_record
from nnunet_amt.writing.table import Document

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
        if said := subjects_in(read_record(path.parent / "dataset.json")):
            return said
    return None


def subjects_in(content: Mapping[str, Any]) -> str | None:
    """Take ``subjects`` from the content of a ``dataset.json``, in small letters; None where it says nothing."""
    said = content.get("subjects")
    return (said.strip().casefold() or None) if isinstance(said, str) else None


def why_not_published(subjects: str | None) -> str:
    """Say in a sentence why the paper's results do not stand beside these; empty where they do."""
    if subjects == PATIENTS:
        return ""
    if subjects is None:
        why = "That the cases are patients is not on record (subjects in the dataset.json beside the references)"
    else:
        why = f"The cases are {subjects}"
    return f"{why}, {NOT_BESIDE}"


def of_subjects(document: Document, subjects: str | None) -> Document:
    """Leave the paper's results out of a document whose cases are not patients, and say why; else it stays as it is."""
    why = why_not_published(subjects)
    return replace(document.without_published(), notes=(*document.notes, why)) if why else document


def in_words(subjects: str | None) -> str:
    """Name the subjects for whoever uses a model of them."""
    return subjects or "patients or phantoms (which, is not on record)"
