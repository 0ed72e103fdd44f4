"""Procedural multi-institution CT phantoms of the thorax with anterior mediastinal tumours."""

from nnunet_amt.phantom.cohort import MANIFEST_COLUMNS, write_phantom_cohort
from nnunet_amt.phantom.counts_cohort import write_counts_cohort
from nnunet_amt.phantom.distractors import DISTRACTORS, Distractor
from nnunet_amt.phantom.harder import HARDER_DESIGN, plan_harder_cohort, write_harder_cohort
from nnunet_amt.phantom.plan import CohortDesign, PlannedCase, plan_cohort
from nnunet_amt.phantom.render import Phantom, PhantomRequest, render_phantom
from nnunet_amt.phantom.tumour import Tumour, TumourRequest

__all__ = [
    "DISTRACTORS",
    "HARDER_DESIGN",
    "MANIFEST_COLUMNS",
    "CohortDesign",
    "Distractor",
    "Phantom",
    "PhantomRequest",
    "PlannedCase",
    "Tumour",
    "TumourRequest",
    "plan_cohort",
    "plan_harder_cohort",
    "render_phantom",
    "write_counts_cohort",
    "write_harder_cohort",
    "write_phantom_cohort",
]
