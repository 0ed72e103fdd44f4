"""Diagnoses of mediastinal lesions: when two spellings are of one, and when one is a kind of another.

The names are those of Table 2 of the study of CT with circulating tumour cells. What is neither such a name, in
whatever spelling, nor a kind of one stays as it is written: a class map of the cohort's own may have it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nnunet_amt.cohort.spelling import letters
from nnunet_amt.cohort.thymic_findings import WHO_TYPES, who_type_of

_MIXED, _CARCINOMA_TYPE = "mixed", "TC"
_THYMOMAS = {
    who_type: f"Type {who_type} thymoma" for who_type in WHO_TYPES if who_type not in (_MIXED, _CARCINOMA_TYPE)
} | {_MIXED: "Mixed thymoma"}
# Name: other spellings of the same. Word order, "tumour" and "tumor", "haem-" and "hem-" are understood anyway.
_SPELLINGS: dict[str, tuple[str, ...]] = {
    "Cyst": (),
    "Granuloma": (),
    "Mature teratoma": (),
    "Schwannoma": ("neurilemmoma", "neurilemoma", "neurinoma"),
    "Fibroma": (),
    "Hemangioma": (),
    "Lipoma": (),
    **dict.fromkeys(_THYMOMAS.values(), ()),
    "TSCC": (
        *("thymic squamous cell carcinoma", "thymic squamous carcinoma", "thymic SCC"),
        *("squamous cell carcinoma of the thymus", "squamous cell carcinoma of thymus"),
    ),
    "Immature teratoma": (),
    "MALT": (
        *("MALT lymphoma", "MALToma", "mucosa-associated lymphoid tissue", "extranodal marginal zone lymphoma"),
        *("mucosa-associated lymphoid tissue lymphoma", "lymphoma of mucosa-associated lymphoid tissue"),
        "extranodal marginal zone lymphoma of mucosa-associated lymphoid tissue",
    ),
    "Carcinoid": ("carcinoid tumor",),
    "Lymphoma": ("malignant lymphoma",),
    "Metastatic tumor": ("metastasis", "metastases", "metastatic disease", "metastatic lesion"),
    "Others": ("other", "not specified", "not specified lesion"),
}
DIAGNOSES = tuple(_SPELLINGS)
# Name: what is less than it. A class map may tell these apart, so that they are not brought to the name.
_KINDS: dict[str, tuple[str, ...]] = {
    "Cyst": (
        *("thymic cyst", "bronchogenic cyst", "pericardial cyst", "foregut cyst", "enteric cyst", "esophageal cyst"),
        *("duplication cyst", "foregut duplication cyst", "esophageal duplication cyst"),
    ),
    "Mature teratoma": ("mature cystic teratoma",),
    "Carcinoid": ("thymic carcinoid", "thymic carcinoid tumor", "typical carcinoid", "atypical carcinoid"),
    "Lymphoma": (
        *("Hodgkin lymphoma", "Hodgkins lymphoma", "classical Hodgkin lymphoma", "classic Hodgkin lymphoma"),
        *("non-Hodgkin lymphoma", "non-Hodgkins lymphoma", "B-cell lymphoma", "large B-cell lymphoma", "DLBCL"),
        *("diffuse large B-cell lymphoma", "primary mediastinal large B-cell lymphoma", "PMBCL", "follicular lymphoma"),
        *("T-cell lymphoma", "lymphoblastic lymphoma", "T-lymphoblastic lymphoma", "T-cell lymphoblastic lymphoma"),
    ),
    "Metastatic tumor": (
        *("metastatic carcinoma", "metastatic adenocarcinoma", "metastatic squamous cell carcinoma"),
        *("lymph node metastasis", "lymph node metastases"),
    ),
}
# What is said too often without the word that decides, and which word that is.
_TOO_LITTLE = {
    "thymoma": "say its type, as in 'Type B2 thymoma' or 'Mixed thymoma'",
    "teratoma": "say whether it is mature or immature",
    "thymiccarcinoma": "TSCC is the squamous one; for others a class map needs a row",
    "squamouscellcarcinoma": "say TSCC if it is of the thymus, and Metastatic tumor if of another organ",
    "neurogenictumor": "say Schwannoma if it is one; for others a class map needs a row",
    "neuroendocrinetumor": "say Carcinoid if it is one; for others a class map needs a row",
}
# The diagnoses that may stand beside each histology of `nnunet_amt.paper.DIAGNOSES`, and beside a WHO type.
_OF_HISTOLOGY: dict[str, tuple[str, ...]] = {
    "thymoma": (*_THYMOMAS.values(), "Others"),
    "thymic carcinoma": ("TSCC", "Others"),
    "lymphoma": ("Lymphoma", "MALT"),
    "thymic cyst": ("Cyst",),
    "teratoma": ("Mature teratoma", "Immature teratoma"),
    "carcinoid": ("Carcinoid",),
    "sarcomatous transformation of teratoma": ("Mature teratoma", "Immature teratoma", "Others"),
}
_OF_WHO_TYPE: dict[str, tuple[str, ...]] = {
    **{who_type: (name,) for who_type, name in _THYMOMAS.items()},
    _MIXED: (_THYMOMAS[_MIXED], "TSCC"),
    _CARCINOMA_TYPE: ("TSCC", "Others"),
}
_TYPE_WORDS = re.compile(r"\b(?:who|type|typ)\b", re.IGNORECASE)
_CARCINOMA = re.compile(r"carcinoma|\bt?c\b", re.IGNORECASE)  # a tumour that holds one is no thymoma
_MIXED_WORD = re.compile(r"\bmixed\b", re.IGNORECASE)
_OF_THE_MEDIASTINUM = re.compile(r"\bof the mediastinum\b|^\s*mediastinal\b", re.IGNORECASE)
_SHORT_FORM = re.compile(r"(.+)\(([^()]+)\)\s*")


def spelt_alike(text: str) -> str:
    """Write a diagnosis so that spellings of one agree: no capitals, spaces and punctuation, and American letters."""
    spelt = letters(_OF_THE_MEDIASTINUM.sub(" ", text))
    for british, american in (("tumour", "tumor"), ("haem", "hem"), ("oesoph", "esoph")):
        spelt = spelt.replace(british, american)
    return spelt


_NAMES = {spelt_alike(text): name for name, others in _SPELLINGS.items() for text in (name, *others)}
_NAMES_OF_KINDS = {spelt_alike(text): name for name, kinds in _KINDS.items() for text in kinds}


def standard_name(text: str) -> str | None:
    """Give the name, one of `DIAGNOSES`, of which a text is another spelling: ``"thymoma, B2"`` is a type B2 thymoma.

    None for what is none of them, too little to tell (``"thymoma"``), a kind of one (``"bronchogenic cyst"``) or not
    sure (``"lymphoma?"``).
    """
    return _found(text, _NAMES) or _thymoma(text)


def broader_name(text: str) -> str | None:
    """Give the name of which a text is a spelling or a kind: a ``"bronchogenic cyst"`` is a Cyst; None as above."""
    return standard_name(text) or _found(text, _NAMES_OF_KINDS) or _thymoma(text, of_several_types=True)


def what_is_missing(text: str) -> str:
    """Say which word decides, of diagnoses that are often written without it; empty for all others."""
    return _TOO_LITTLE.get(spelt_alike(text).removesuffix("s"), "")


def require_fitting_diagnosis(diagnosis: str, *, histology: str | None, who_type: str | None) -> None:
    """Refuse a diagnosis beside a histology or a WHO type of another one: ValueError.

    Of words that nobody knows, in either column, nothing is said.
    """
    name = broader_name(diagnosis)
    if name is None:
        return
    if who_type and name not in _OF_WHO_TYPE.get(who_type, (name,)):
        raise ValueError(f"{name} contradicts the who_type {who_type!r}; correct one of the two cells")
    if histology and name not in (_OF_HISTOLOGY.get(histology) or (broader_name(histology) or name,)):
        raise ValueError(f"{name} contradicts the histology {histology!r}; correct one of the two cells")


def _found(text: str, names: Mapping[str, str]) -> str | None:
    if "?" in text:
        return None
    for form in _forms(text):
        spelt = spelt_alike(form)
        if name := names.get(spelt) or names.get(spelt.removesuffix("s")):
            return name
    if short := _SHORT_FORM.fullmatch(text):  # "Thymic squamous cell carcinoma (TSCC)"
        both = {_found(short[1], names), _found(short[2], names)}
        return both.pop() if len(both) == 1 else None
    return None


def _forms(text: str) -> Sequence[str]:
    """Give a text as it is, and with what stands after its one comma first: ``"teratoma, mature"``."""
    parts = text.split(",")
    return (text, f"{parts[1]} {parts[0]}") if len(parts) == 2 else (text,)


def _thymoma(text: str, *, of_several_types: bool = False) -> str | None:
    """Read a thymoma of a stated type; a letter alone may be a hospital's own code for anything.

    One whose types are named, such as B1/B2, is a kind of mixed thymoma, and found with `of_several_types` only.
    """
    spelt = letters(text)
    if "?" in text or not ("thymoma" in spelt or spelt.startswith("who")) or _CARCINOMA.search(text):
        return None
    plain = _TYPE_WORDS.sub(" ", text)
    types = _MIXED_WORD.sub(" ", plain)
    said_mixed = types != plain
    if said_mixed and letters(types) == "thymoma":
        return _THYMOMAS[_MIXED]
    try:
        who_type = who_type_of(types)
    except ValueError:
        return None
    if (who_type == _MIXED and not of_several_types) or (said_mixed and who_type != _MIXED):
        return None
    return _THYMOMAS[who_type]
