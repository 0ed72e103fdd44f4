"""Procedural multi-institution CT phantoms of the thorax with mediastinal tumours."""

from nnunet_amt.phantom.cohort import MANIFEST_COLUMNS, write_phantom_cohort
from nnunet_amt.phantom.lesion_cohort import LESION_DESIGN, plan_lesion_cohort, write_lesion_cohort
from nnunet_amt.phantom.plan import CohortDesign, PlannedCase, plan_cohort
from nnunet_amt.phantom.render import Phantom, PhantomRequest, render_phantom
from nnunet_amt.phantom.risk_cohort import RISK_DESIGN, plan_risk_cohort, write_risk_cohort
from nnunet_amt.phantom.tissue import Appearance, Look
from nnunet_amt.phantom.tumour import Tumour, TumourRequest

__all__ = [
    "LESION_DESIGN",
    "MANIFEST_COLUMNS",
    "RISK_DESIGN",
    "Appearance",
    "CohortDesign",
    "Look",
    "Phantom",
    "PhantomRequest",
    "PlannedCase",
    "Tumour",
    "TumourRequest",
    "plan_cohort",
    "plan_lesion_cohort",
    "plan_risk_cohort",
    "render_phantom",
    "write_lesion_cohort",
    "write_phantom_cohort",
    "write_risk_cohort",
]
