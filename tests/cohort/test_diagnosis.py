"""Diagnoses as hospitals write them: what is the same, what is a kind of it, and what nobody can tell."""

from __future__ import annotations

import pytest

from nnunet_amt import paper
from nnunet_amt.cohort.diagnosis import (
    _OF_HISTOLOGY,
    DIAGNOSES,
    broader_name,
    require_fitting_diagnosis,
    spelt_alike,
    standard_name,
    what_is_missing,
)
from nnunet_amt.statistics.consistency.papers import publication


def test_the_names_are_those_of_table_2() -> None:
    table = next(table for table in publication("wang").shown if table.title.startswith("Table 2"))
    assert [f"diagnosis: {name}" for name in DIAGNOSES] == [row[0] for row in table.rows]


@pytest.mark.parametrize("name", DIAGNOSES)
def test_every_name_is_itself_in_capitals_and_small_letters(name: str) -> None:
    for text in (name, name.upper(), name.lower(), f"  {name} ", f"{name}s", f"mediastinal {name}"):
        assert standard_name(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("B2 thymoma", "Type B2 thymoma"),
        ("thymoma B2", "Type B2 thymoma"),
        ("Thymoma, type b2", "Type B2 thymoma"),
        ("thymoma (type B2)", "Type B2 thymoma"),
        ("B2-type thymoma", "Type B2 thymoma"),
        ("WHO type AB", "Type AB thymoma"),
        ("THYMOMA TYPE A", "Type A thymoma"),
        ("Ｔｙｐｅ Ｂ２ ｔｈｙｍｏｍａ", "Type B2 thymoma"),
        ("mixed-type thymoma", "Mixed thymoma"),
        ("thymoma, mixed", "Mixed thymoma"),
        ("thymic squamous cell carcinoma", "TSCC"),
        ("Thymic squamous cell carcinoma (TSCC)", "TSCC"),
        ("Squamous cell carcinoma of the thymus", "TSCC"),
        ("teratoma, mature", "Mature teratoma"),
        ("immature Teratoma", "Immature teratoma"),
        ("haemangioma", "Hemangioma"),
        ("Neurilemmoma", "Schwannoma"),
        ("MALT-lymphoma", "MALT"),
        ("mucosa-associated lymphoid tissue (MALT) lymphoma", None),  # a bracket in the middle is not read
        ("carcinoid tumour", "Carcinoid"),
        ("Metastatic tumour", "Metastatic tumor"),
        ("metastases", "Metastatic tumor"),
        ("other", "Others"),
        ("cyst of the mediastinum", "Cyst"),
    ],
)
def test_other_spellings(text: str, name: str | None) -> None:
    assert standard_name(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Bronchogenic cyst", "Cyst"),
        ("thymic cysts", "Cyst"),
        ("oesophageal duplication cyst", "Cyst"),
        ("cyst, pericardial", "Cyst"),
        ("mature cystic teratoma", "Mature teratoma"),
        ("Hodgkin's lymphoma", "Lymphoma"),
        ("DLBCL", "Lymphoma"),
        ("diffuse large B-cell lymphoma (DLBCL)", "Lymphoma"),
        ("atypical carcinoid", "Carcinoid"),
        ("B1/B2 thymoma", "Mixed thymoma"),
        ("mixed B2 + B3 thymoma", "Mixed thymoma"),
        ("metastatic adenocarcinoma", "Metastatic tumor"),
    ],
)
def test_a_kind_keeps_its_own_word_and_has_a_broader_one(text: str, name: str) -> None:
    """Another class map may tell thymic and bronchogenic cysts apart."""
    assert standard_name(text) is None
    assert broader_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        *("thymoma", "malignant thymoma", "micronodular thymoma", "A/B thymoma", "B thymoma", "B4 thymoma"),
        *("B2", "A", "type B2", "mixed", "mixed B2 thymoma", "combined thymoma"),
        *("thymic carcinoma", "squamous cell carcinoma", "B3 thymoma and thymic carcinoma", "thymoma B3 + TC"),
        *("teratoma", "cystic teratoma", "dermoid cyst", "cystic lymphangioma", "thymolipoma"),
        *("neurogenic tumour", "neurofibroma", "ganglioneuroma", "neuroma", "neuroendocrine tumour"),
        *("lymphoma?", "thymoma B2?", "lymphoma / thymoma", "cyst or teratoma", "suspected lymphoma", "no lymphoma"),
        *("Castleman disease", "solitary fibrous tumour", "unknown", "n/a", "3", "cyst (lymphoma)", ","),
        *("posterior mediastinal schwannoma", "cyst of the anterior mediastinum"),
    ],
)
def test_what_nobody_can_tell_is_nothing(text: str) -> None:
    """A letter alone may be a hospital's own code; thymic carcinoma need not be squamous; a ? says it is not sure.

    A place would be lost, and may be another than the column location says.
    """
    assert broader_name(text) is None


def test_the_word_that_decides_is_named() -> None:
    assert what_is_missing("Thymomas") == "say its type, as in 'Type B2 thymoma' or 'Mixed thymoma'"
    assert what_is_missing("Neurogenic tumour").startswith("say Schwannoma if it is one")
    assert what_is_missing("Castleman disease") == ""


def test_spellings_agree_without_capitals_spaces_and_british_letters() -> None:
    assert spelt_alike("Oesophageal  TUMOUR") == spelt_alike("esophageal tumor") == "esophagealtumor"


@pytest.mark.parametrize(
    ("diagnosis", "histology", "who_type"),
    [
        ("Type B2 thymoma", "thymoma", "B2"),
        ("Type B2 thymoma", None, None),
        ("Mixed thymoma", "thymoma", "mixed"),
        ("B1/B2 thymoma", "thymoma", "mixed"),
        ("TSCC", "thymic carcinoma", "TC"),
        ("TSCC", None, "mixed"),
        ("Others", "thymic carcinoma", "TC"),
        ("MALT", "lymphoma", None),
        ("Bronchogenic cyst", "cyst", None),
        ("Castleman disease", "lymphoma", "B2"),  # nobody knows the word
        ("Cyst", "cystic lesion", None),
        ("Mature teratoma", "sarcomatous transformation of teratoma", None),
    ],
)
def test_what_fits(diagnosis: str, histology: str | None, who_type: str | None) -> None:
    require_fitting_diagnosis(diagnosis, histology=histology, who_type=who_type)


@pytest.mark.parametrize(
    ("diagnosis", "histology", "who_type", "words"),
    [
        ("Type B2 thymoma", None, "B1", "Type B2 thymoma contradicts the who_type 'B1'"),
        ("thymoma B2", "thymic carcinoma", None, "Type B2 thymoma contradicts the histology 'thymic carcinoma'"),
        ("Cyst", None, "A", "Cyst contradicts the who_type 'A'"),
        ("Bronchogenic cyst", "teratoma", None, "Cyst contradicts the histology 'teratoma'"),
        ("Lymphoma", "schwannoma", None, "Lymphoma contradicts the histology 'schwannoma'"),
        ("Mature teratoma", "Immature teratoma", None, "Mature teratoma contradicts the histology 'Immature teratoma'"),
        ("Others", "lymphoma", None, "Others contradicts the histology 'lymphoma'"),
        ("Others", None, "B2", "Others contradicts the who_type 'B2'"),
        ("Mixed thymoma", None, "B2", "Mixed thymoma contradicts the who_type 'B2'"),
    ],
)
def test_contradictions(diagnosis: str, histology: str | None, who_type: str | None, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}; correct one of the two cells$"):
        require_fitting_diagnosis(diagnosis, histology=histology, who_type=who_type)


def test_every_histology_of_the_first_paper_has_diagnoses() -> None:
    assert set(_OF_HISTOLOGY) == set(paper.DIAGNOSES)
    assert {name for names in _OF_HISTOLOGY.values() for name in names} <= set(DIAGNOSES)
