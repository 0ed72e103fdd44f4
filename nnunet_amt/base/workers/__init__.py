"""The same work on every case of a stage: in this process, in several, or on a cluster."""

from nnunet_amt.base.workers.attempts import attempt
from nnunet_amt.base.workers.workers import Workers, open_workers

__all__ = ["Workers", "attempt", "open_workers"]
