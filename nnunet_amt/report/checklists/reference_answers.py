"""Answers about the reference standard: who drew the masks, and by what rule; mostly the authors' to give."""

from __future__ import annotations

from nnunet_amt.report.checklists.data_answers import PHANTOMS
from nnunet_amt.report.checklists.item import Answer, answered, authors, not_applicable, partly
from nnunet_amt.study.facts.facts import StudyFacts

_DRAWN = f"{PHANTOMS} The mask of a case is the tumour as it was drawn; nobody outlined it."


def definition(facts: StudyFacts) -> Answer:
    """Say what the masks are (CLAIM 14)."""
    if facts.synthetic:
        return answered(_DRAWN, "#cohort")
    add = (
        "what counts as tumour (which compartment, tumours that reach beyond it, cysts, necrosis, several lesions), on "
        "which series and in which window it was outlined, and how disagreement ended, so that others can repeat it."
    )
    return _from_notes(facts, add)


def outcome(facts: StudyFacts) -> Answer:
    """Say what is predicted, and when (TRIPOD+AI 8a)."""
    what = (
        "Predicted is, for each voxel of a CT, whether it is tumour, as the reference mask of the same CT says; "
        "there is no time horizon."
    )
    if facts.synthetic:
        return answered(f"{what} {_DRAWN}", "#cohort")
    add = "how the tumours were outlined, why masks were chosen, and that this was the same for all groups of patients."
    origin = facts.dataset.label_origin if facts.dataset else None
    return partly(f"{what} {_quoted(origin)}".strip(), add, "#cohort")


def rationale(facts: StudyFacts) -> Answer:
    """Leave the choice of the reference to the authors (CLAIM 15)."""
    if facts.synthetic:
        return not_applicable(_DRAWN)
    return authors(
        "say why outlines on CT are the reference, what supports them (pathology, surgery, follow-up), and what else "
        "could have been taken."
    )


def annotators(facts: StudyFacts) -> Answer:
    """Leave the readers to the authors (CLAIM 16)."""
    if facts.synthetic:
        return not_applicable(_DRAWN)
    return _from_notes(
        facts,
        "who outlined the tumours and who reviewed the outlines: number, profession, years of experience, training.",
    )


def test_annotation(facts: StudyFacts) -> Answer:
    """Leave the annotation of the test set to the authors (CLAIM 17)."""
    if facts.synthetic:
        return not_applicable(_DRAWN)
    return authors(
        "say how the external test set was outlined, with which program and version and by which instructions, whether "
        "otherwise than the training set, and whether the readers saw predictions of the model."
    )


def variability(facts: StudyFacts) -> Answer:
    """Say that one mask a case shows no variability (CLAIM 18)."""
    if facts.synthetic:
        return not_applicable(_DRAWN)
    fact = "The dataset holds one mask a case, from which no variability can be computed." if facts.dataset else ""
    return authors(
        "give the agreement between and within readers (such as the Dice of two readers on the same cases), how "
        "disagreement was lessened, or say that it was not measured.",
        fact,
    )


def assessors(facts: StudyFacts) -> Answer:
    """Leave the readers' qualifications and demographics to the authors (TRIPOD+AI 8b)."""
    if facts.synthetic:
        return not_applicable(_DRAWN)
    return authors("give the qualifications and the demographic characteristics of those who outlined the tumours.")


def blinding(facts: StudyFacts) -> Answer:
    """Leave blinding to the authors (TRIPOD+AI 8c)."""
    if facts.synthetic:
        return not_applicable(_DRAWN)
    return authors(
        "say what the readers knew when they outlined the tumours: pathology, reports, other imaging, the model's "
        "output."
    )


def _from_notes(facts: StudyFacts, add: str) -> Answer:
    """Quote what the notes beside the manifest say of the labels, or say where to write it."""
    data = facts.dataset
    if data is None or not data.label_origin:
        hint = (
            "`nnunet_amt convert` copies `label_origin` from MANIFEST.notes.json into the dataset; there is none here."
        )
        return authors(f"say {add}", hint, "#cohort")
    return partly(_quoted(data.label_origin), add, "#cohort")


def _quoted(origin: str | None) -> str:
    return f'The dataset says of its labels: "{origin}"' if origin else ""
