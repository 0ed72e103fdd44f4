"""The paper's Figures 2, 4, 5 and 6 from a study on disk."""

from nnunet_amt.report.print_figures.make_figures import FIGURE_FILES, StudyFigures, make_figures

__all__ = ["FIGURE_FILES", "StudyFigures", "make_figures"]
