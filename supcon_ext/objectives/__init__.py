"""Terms of a stage's objective. One file each."""

from supcon_ext.objectives.base import Objective, StepBatch, Term, TermResult, term

__all__ = ["Objective", "StepBatch", "Term", "TermResult", "term"]
