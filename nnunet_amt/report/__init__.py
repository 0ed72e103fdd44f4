"""One page that tells a study: what was done, on whom, how good it is and where it fails."""

from nnunet_amt.report.build import ReportResult, write_report

__all__ = ["ReportResult", "write_report"]
