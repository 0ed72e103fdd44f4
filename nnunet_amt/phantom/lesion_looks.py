"""The 20 diagnoses of the study of CT with circulating tumour cells: what each looks like, where it lies, who has it.

The looks are those of textbooks, in their ranges, and none is a diagnosis by itself: ranges overlap, and a share of
each kind looks like another one. The study's paper gives no densities, sizes or places by diagnosis; all are ours, but
that most posterior lesions must be schwannomas and most middle ones cysts for its Tables 1 and 2 to be of one cohort.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nnunet_amt.phantom.tissue import Lobes, Look


@dataclass(frozen=True)
class LesionKind:
    """What lesions of one diagnosis are like."""

    malignant: bool  # as in the paper's Table 2
    look: Look
    size: tuple[float, float]  # median of the largest axial diameter in mm, SD of its logarithm
    where: tuple[float, float, float]  # shares of lesions that lie anterior, middle, posterior
    age: tuple[float, float] = (54.0, 12.0)  # mean and SD in years
    male: float = 0.47  # share of patients
    like: Mapping[str, float] = field(default_factory=dict)  # share of lesions that look like another diagnosis


_ROUND: Lobes = ((2, 6), 0.18, 4.0)
_WAVY: Lobes = ((4, 8), 0.25, 7.0)
_LOBULATED: Lobes = ((5, 9), 0.40, 10.0)
_SPICULATED: Lobes = ((14, 24), 0.42, 30.0)

_CYST = Look((2.0, 30.0), (0.0, 6.0), _ROUND, mottle=(0.5, 2.0), wall=22.0, unclear=0.05)
_THYMOMA = Look((40.0, 50.0), (18.0, 42.0), _WAVY, necrosis=(0.0, 0.15), calcified=0.1, unclear=0.15)
_TERATOMA = Look((24, 42), (5, 20), _WAVY, (5, 8), necrosis=(0.15, 0.4), fat=(0.35, 0.6), calcified=0.75)

_ANTERIOR = (0.93, 0.07, 0.0)
_LIKE_CYST_OR_FIBROMA = {"Cyst": 0.22, "Fibroma": 0.08}

LESION_KINDS: dict[str, LesionKind] = {
    # Protein or blood makes the fluid of some as dense as a thymoma.
    "Cyst": LesionKind(
        malignant=False,
        look=_CYST,
        size=(38.0, 0.45),
        where=(0.72, 0.25, 0.03),
        like={"Type AB thymoma": 0.2, "Type A thymoma": 0.1, "Type B2 thymoma": 0.06, "MALT": 0.06},
    ),
    "Granuloma": LesionKind(
        malignant=False,
        look=Look((34, 48), (8, 30), _WAVY, necrosis=(0, 0.25), calcified=0.45, unclear=0.3, pliable=0.6),
        size=(32.0, 0.35),
        where=(0.35, 0.55, 0.10),
        age=(50.0, 13.0),
        like={"Lymphoma": 0.15, "Metastatic tumor": 0.15},
    ),
    "Mature teratoma": LesionKind(
        malignant=False,
        look=_TERATOMA,
        size=(60.0, 0.40),
        where=_ANTERIOR,
        age=(34.0, 11.0),
        male=0.45,
        like={"Immature teratoma": 0.15, "Cyst": 0.2},
    ),
    "Schwannoma": LesionKind(
        malignant=False,
        look=Look((25, 42), (15, 42), _ROUND, mottle=(4, 9), necrosis=(0, 0.3), calcified=0.08, unclear=0.08),
        size=(40.0, 0.42),
        where=(0.06, 0.14, 0.80),
        age=(49.0, 13.0),
        like={"Fibroma": 0.12, "Cyst": 0.06, "Metastatic tumor": 0.1},
    ),
    "Fibroma": LesionKind(
        malignant=False,
        look=Look((40, 54), (8, 45), _WAVY, mottle=(4, 10), necrosis=(0, 0.15), calcified=0.15, unclear=0.15),
        size=(48.0, 0.50),
        where=(0.60, 0.20, 0.20),
        like={"Type AB thymoma": 0.15, "TSCC": 0.15, "Schwannoma": 0.1},
    ),
    "Hemangioma": LesionKind(
        malignant=False,
        look=Look((34, 48), (70, 115), _LOBULATED, mottle=(12, 22), calcified=0.4, unclear=0.25, pliable=0.6),
        size=(44.0, 0.45),
        where=(0.70, 0.15, 0.15),
        age=(46.0, 14.0),
        like={"Carcinoid": 0.2},
    ),
    "Lipoma": LesionKind(
        malignant=False,
        look=Look((-106, -86), (0, 4), _WAVY, mottle=(3, 8), wall=60.0),
        size=(58.0, 0.45),
        where=(0.85, 0.10, 0.05),
        like={"Mature teratoma": 0.1},
    ),
    "Type A thymoma": LesionKind(
        malignant=True,
        look=replace(_THYMOMA, lobes=_ROUND, necrosis=(0.0, 0.1), unclear=0.05),
        size=(42.0, 0.46),
        where=_ANTERIOR,
        age=(60.0, 11.0),
        like=_LIKE_CYST_OR_FIBROMA,
    ),
    "Type AB thymoma": LesionKind(
        malignant=True, look=_THYMOMA, size=(44.0, 0.46), where=_ANTERIOR, age=(56.0, 12.0), like=_LIKE_CYST_OR_FIBROMA
    ),
    "Type B1 thymoma": LesionKind(
        malignant=True,
        look=replace(_THYMOMA, uptake=(14.0, 36.0)),
        size=(46.0, 0.46),
        where=_ANTERIOR,
        age=(49.0, 13.0),
        like=_LIKE_CYST_OR_FIBROMA,
    ),
    "Type B2 thymoma": LesionKind(
        malignant=True,
        look=replace(_THYMOMA, lobes=_LOBULATED, necrosis=(0.0, 0.25), calcified=0.2, unclear=0.25),
        size=(46.0, 0.46),
        where=_ANTERIOR,
        age=(50.0, 13.0),
        like=_LIKE_CYST_OR_FIBROMA,
    ),
    "Type B3 thymoma": LesionKind(
        malignant=True,
        look=replace(_THYMOMA, lobes=_SPICULATED, mottle=(5, 10), necrosis=(0.05, 0.3), calcified=0.2, unclear=0.4),
        size=(48.0, 0.46),
        where=_ANTERIOR,
        like={"Type AB thymoma": 0.15, "TSCC": 0.1, "Cyst": 0.1},
    ),
    "Mixed thymoma": LesionKind(
        malignant=True,
        look=replace(_THYMOMA, lobes=_LOBULATED, mottle=(4, 9), necrosis=(0.0, 0.25), unclear=0.2),
        size=(46.0, 0.46),
        where=_ANTERIOR,
        like=_LIKE_CYST_OR_FIBROMA,
    ),
    "TSCC": LesionKind(
        malignant=True,
        look=Look(
            (38, 48), (20, 45), _SPICULATED, (7, 12), necrosis=(0.1, 0.4), calcified=0.25, unclear=0.55, pliable=0.6
        ),
        size=(54.0, 0.42),
        where=(0.88, 0.12, 0.0),
        age=(58.0, 11.0),
        male=0.62,
        like={"Type B3 thymoma": 0.15, "Lymphoma": 0.1, "Fibroma": 0.1},
    ),
    "Immature teratoma": LesionKind(
        malignant=True,
        look=replace(_TERATOMA, lobes=_SPICULATED, necrosis=(0.2, 0.45), fat=(0.2, 0.4), calcified=0.5, unclear=0.5),
        size=(80.0, 0.30),
        where=_ANTERIOR,
        age=(29.0, 9.0),
        male=0.85,
        like={"Mature teratoma": 0.2, "TSCC": 0.15},
    ),
    "MALT": LesionKind(
        malignant=True,
        look=Look((34, 46), (8, 28), _WAVY, necrosis=(0.1, 0.4), calcified=0.1, unclear=0.2),
        size=(46.0, 0.40),
        where=(0.90, 0.10, 0.0),
        male=0.3,
        like={"Cyst": 0.3, "Lymphoma": 0.15},
    ),
    "Carcinoid": LesionKind(
        malignant=True,
        look=Look((40, 50), (40, 75), _SPICULATED, (6, 12), necrosis=(0.05, 0.3), calcified=0.25, unclear=0.5),
        size=(60.0, 0.40),
        where=(0.92, 0.06, 0.02),
        age=(52.0, 13.0),
        male=0.7,
        like={"TSCC": 0.2, "Hemangioma": 0.1},
    ),
    # It grows around vessels instead of pushing them aside.
    "Lymphoma": LesionKind(
        malignant=True,
        look=Look((38, 46), (12, 28), _LOBULATED, (2, 4), necrosis=(0.0, 0.08), unclear=0.3, pliable=0.35),
        size=(70.0, 0.35),
        where=(0.66, 0.34, 0.0),
        age=(38.0, 14.0),
        like={"Type B1 thymoma": 0.12, "Granuloma": 0.12, "Cyst": 0.06},
    ),
    "Metastatic tumor": LesionKind(
        malignant=True,
        look=Look(
            (36, 48), (18, 50), _SPICULATED, (6, 11), necrosis=(0.0, 0.35), calcified=0.05, unclear=0.5, pliable=0.6
        ),
        size=(40.0, 0.40),
        where=(0.30, 0.60, 0.10),
        age=(60.0, 10.0),
        male=0.62,
        like={"Granuloma": 0.15, "Lymphoma": 0.15},
    ),
    "Others": LesionKind(
        malignant=True,
        look=Look((34, 50), (10, 55), _LOBULATED, (4, 12), necrosis=(0.0, 0.4), calcified=0.15, unclear=0.4),
        size=(52.0, 0.50),
        where=(0.52, 0.33, 0.15),
        age=(51.0, 15.0),
        like={"Metastatic tumor": 0.1, "Carcinoid": 0.05, "Fibroma": 0.1, "Schwannoma": 0.1, "Cyst": 0.1},
    ),
}
