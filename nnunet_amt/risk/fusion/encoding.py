"""From what is known of a patient to numbers for a network, by the statistics of the training cases alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nnunet_amt.base.json_file import misfit
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.summary.cohort_groups import as_number
from nnunet_amt.risk.fusion.patient_columns import NUMBER_FORM, WORD_FORM, NumberColumn, WordColumn

CTC, AGE, SEX, LOCATION = "CTC level", "age", "sex", "location"
_OLDEST = 130.0
FORM: Mapping[str, Any] = {"ctc": NUMBER_FORM, "clinical": [(NUMBER_FORM, WORD_FORM)]}


class DescribedPatient(Protocol):
    """What of a patient is encoded, see `LesionCase`."""

    @property
    def ctc_level(self) -> float | None:
        """In the unit of the study."""

    @property
    def age(self) -> float | None:
        """Years."""

    @property
    def sex(self) -> str | None:
        """As the manifest has it."""

    @property
    def location(self) -> str | None:
        """Of the lesion."""

    @property
    def clinical(self) -> Mapping[str, str]:
        """Texts of the columns ``clinical_*``."""


@dataclass(frozen=True)
class PatientData:
    """What is known of a new patient beside the CT; see `LesionCase`. None, or an empty text, is not known.

    Raises
    ------
    BadInputError
        If a level is below 0, an age none that a person has, or one of them no number.
    """

    ctc_level: float | None = None
    age: float | None = None
    sex: str | None = None
    location: str | None = None
    clinical: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, most in ((CTC, self.ctc_level, math.inf), (AGE, self.age, _OLDEST)):
            if value is not None and not (math.isfinite(value) and 0 <= value <= most):
                rule = "0 or more" if most == math.inf else f"0 to {most:g} years"
                raise BadInputError(f"{name} {value:g}: must be {rule}; correct it, or leave it empty")


@dataclass(frozen=True)
class Encoding:
    """How patients are encoded.

    Attributes
    ----------
    ctc
        Level of circulating tumour cells.
    clinical
        Age, sex, location, and each column ``clinical_*`` that a training case had.
    """

    ctc: NumberColumn
    clinical: tuple[NumberColumn | WordColumn, ...]

    @property
    def clinical_names(self) -> tuple[str, ...]:
        """Of the places of the clinical vector."""
        return tuple(name for column in self.clinical for name in column.names)

    def vectors(self, patients: Sequence[DescribedPatient]) -> tuple[np.ndarray, np.ndarray]:
        """Encode patients.

        Returns
        -------
        ctc : numpy.ndarray of float32, (patients, 2)
            Standardised level, and whether it is missing.
        clinical : numpy.ndarray of float32, (patients, places)
            See `clinical_names`.
        """
        ctc = [self.ctc.encoded(patient.ctc_level) for patient in patients]
        clinical = [
            [place for column in self.clinical for place in column.encoded(_value(patient, column.name))]
            for patient in patients
        ]
        count = len(patients)
        return (
            np.array(ctc, dtype=np.float32).reshape(count, 2),
            np.array(clinical, dtype=np.float32).reshape(count, len(self.clinical_names)),
        )

    def notes(self, patient: DescribedPatient) -> tuple[str, ...]:
        """Say what of a new patient is missing, unknown, or outside what the training cases had."""
        found = self.ctc.notes(patient.ctc_level)
        for column in self.clinical:
            found += column.notes(_value(patient, column.name))
        known = {column.name for column in self.clinical}
        found += [
            f"{name}: no training case had one, it has no say"
            for name, text in patient.clinical.items()
            if text and name not in known
        ]
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON holds it, of the form `FORM`."""
        return asdict(self)

    @classmethod
    def of_json(cls, content: Any, *, path: Path) -> Encoding:
        """Take what `as_json` gave; BadInputError, which names `path`, if it is of another form."""
        if reason := misfit(content, FORM, "encoding"):
            raise BadInputError(f"{path}: is damaged ({reason}); copy the model again, or train it again")
        columns = tuple((WordColumn if "counts" in one else NumberColumn).of_json(one) for one in content["clinical"])
        return cls(NumberColumn.of_json(content["ctc"]), columns)


def fit_encoding(cases: Sequence[DescribedPatient]) -> Encoding:
    """Take the statistics of the training cases; never of others.

    A column ``clinical_*`` whose texts are all numbers is one of numbers, any other one of words.
    """
    columns: list[NumberColumn | WordColumn] = [
        NumberColumn.fitted(AGE, [case.age for case in cases]),
        WordColumn.fitted(SEX, [case.sex for case in cases]),
        WordColumn.fitted(LOCATION, [case.location for case in cases]),
    ]
    for name in sorted({name for case in cases for name, text in case.clinical.items() if text}):
        texts = [case.clinical.get(name) or None for case in cases]
        numbers = [None if text is None else as_number(text) for text in texts]
        if all(text is None or number is not None for text, number in zip(texts, numbers, strict=True)):
            columns.append(NumberColumn.fitted(name, numbers))
        else:
            columns.append(WordColumn.fitted(name, texts))
    return Encoding(NumberColumn.fitted(CTC, [case.ctc_level for case in cases]), tuple(columns))


def mixed_columns(cases: Sequence[DescribedPatient]) -> tuple[str, ...]:
    """Say of which columns ``clinical_*`` some texts are numbers and some are not: each text is a word of its own."""
    found = []
    for name in sorted({name for case in cases for name in case.clinical}):
        texts = [text for case in cases if (text := case.clinical.get(name))]
        others = [text for text in texts if as_number(text) is None]
        if 0 < len(others) < len(texts):
            found.append(
                f"column {name}: {len(others)} of {len(texts)} texts are no number ({others[0]!r}), so each different "
                "text is taken for a category; write numbers alone"
            )
    return tuple(found)


def _value(patient: DescribedPatient, name: str) -> float | str | None:
    own = {AGE: patient.age, SEX: patient.sex, LOCATION: patient.location}
    return own[name] if name in own else patient.clinical.get(name)
