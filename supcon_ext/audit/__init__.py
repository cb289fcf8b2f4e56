"""Which given labels look wrong, what they might be instead, and how to look at them."""

from supcon_ext.audit.audit import AuditResult, audit
from supcon_ext.audit.samples import AuditedSamples
from supcon_ext.audit.suspicion import Verdict, suspect

__all__ = ["AuditResult", "AuditedSamples", "Verdict", "audit", "suspect"]
