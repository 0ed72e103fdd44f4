"""Procedural multi-institution CT phantoms of the thorax with anterior mediastinal tumours."""

from nnunet_amt.phantom.cohort import MANIFEST_COLUMNS, write_phantom_cohort
from nnunet_amt.phantom.plan import CohortDesign, PlannedCase, plan_cohort
from nnunet_amt.phantom.render import Phantom, PhantomRequest, render_phantom
from nnunet_amt.phantom.risk_cohort import RISK_DESIGN, plan_risk_cohort, write_risk_cohort
from nnunet_amt.phantom.tumour import Appearance, Tumour, TumourRequest

__all__ = [
    "MANIFEST_COLUMNS",
    "RISK_DESIGN",
    "Appearance",
    "CohortDesign",
    "Phantom",
    "PhantomRequest",
    "PlannedCase",
    "Tumour",
    "TumourRequest",
    "plan_cohort",
    "plan_risk_cohort",
    "render_phantom",
    "write_phantom_cohort",
    "write_risk_cohort",
]
