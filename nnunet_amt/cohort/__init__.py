"""The cohort: the manifest's schema, the institutional split and its audit."""

from nnunet_amt.cohort.audit import SplitAudit, SplitCounts, audit_splits, audit_voxels
from nnunet_amt.cohort.case import SPLITS, CohortCase, ExcludedCase, Split
from nnunet_amt.cohort.manifest import Manifest, read_manifest
from nnunet_amt.cohort.manufacturer import canonical_manufacturer, manufacturer_in_header
from nnunet_amt.cohort.split import InstitutionList, InstitutionListError, assign_splits, read_institutions

__all__ = [
    "SPLITS",
    "CohortCase",
    "ExcludedCase",
    "InstitutionList",
    "InstitutionListError",
    "Manifest",
    "Split",
    "SplitAudit",
    "SplitCounts",
    "assign_splits",
    "audit_splits",
    "audit_voxels",
    "canonical_manufacturer",
    "manufacturer_in_header",
    "read_institutions",
    "read_manifest",
]
