"""Where probabilities were saved: a confidence for each predicted lesion, the score FROC and its CPM."""

from nnunet_amt.evaluation.score_froc.analyse import SCORE_FROC_FILES, ScoreFrocResult, analyse_scores, write_scores
from nnunet_amt.evaluation.score_froc.candidates import CaseCandidates, find_probabilities, hits
from nnunet_amt.evaluation.score_froc.curve import CPM_RATES, IouSweep, ScoreFroc, iou_sweep, score_froc

__all__ = [
    "CPM_RATES",
    "SCORE_FROC_FILES",
    "CaseCandidates",
    "IouSweep",
    "ScoreFroc",
    "ScoreFrocResult",
    "analyse_scores",
    "find_probabilities",
    "hits",
    "iou_sweep",
    "score_froc",
    "write_scores",
]
