"""Where the real CTs are that tests marked `real` take; without them those tests skip and say why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["DICOM_SEG", "IBSI_PHANTOM", "LIDC_SLICES", "NODES", "PATIENT_2", "THORAX_CTA", "real_data"]

VARIABLE = "NNUNET_AMT_REAL_DATA"
DEFAULT_FOLDER = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"

NODES = "01_nsclc_radiomics_LUNG1-003"
IBSI_PHANTOM = "02_ibsi1_ct_phantom_LUNG1-002crop"
LIDC_SLICES = "03_lidc_idri_0001_16slices"
PATIENT_2 = "04_ibsi_pat2_crop"
THORAX_CTA = "05_totalsegmentator_thorax_cta"
DICOM_SEG = "07_dcmqi_ct3slice_dicomseg"


def real_data(name: str) -> Path:
    """Give the folder of one data set; skip the test that asks where it is absent.

    Parameters
    ----------
    name
        Folder below the one that the variable NNUNET_AMT_REAL_DATA names, or below ../shared/data.
    """
    folder = Path(os.environ.get(VARIABLE, DEFAULT_FOLDER)) / name
    if not folder.is_dir():
        pytest.skip(f"the real data set {name} is not there; {VARIABLE} may name the folder that holds it")
    return folder
