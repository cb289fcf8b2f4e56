"""Contract tests for parts of one's own: ``check_selector(MySelector())`` is all it takes.

Each family has its check. A check copies what it is given, and raises ``AssertionError`` with what
is broken and what to do. What a part has gathered goes through a file into an instance that never
saw it, as a resumed run has it; that instance must go on as the first one does.
"""

from supcon_ext.testing.backbones import check_backbone
from supcon_ext.testing.data import check_dataset, check_imbalance, check_noise
from supcon_ext.testing.evaluators import check_evaluator
from supcon_ext.testing.generators import check_generator
from supcon_ext.testing.heads import check_head
from supcon_ext.testing.optimizers import check_optimizer
from supcon_ext.testing.policies import check_policy
from supcon_ext.testing.samplers import check_sampler
from supcon_ext.testing.schedules import check_schedule
from supcon_ext.testing.selectors import check_selector
from supcon_ext.testing.synthetic_filters import check_synthetic_filter
from supcon_ext.testing.synthetic_sources import check_synthetic_source
from supcon_ext.testing.terms import check_term
from supcon_ext.testing.vector_policies import check_vector_policy
from supcon_ext.testing.weightings import check_weighting

__all__ = [
    "check_backbone",
    "check_dataset",
    "check_evaluator",
    "check_generator",
    "check_head",
    "check_imbalance",
    "check_noise",
    "check_optimizer",
    "check_policy",
    "check_sampler",
    "check_schedule",
    "check_selector",
    "check_synthetic_filter",
    "check_synthetic_source",
    "check_term",
    "check_vector_policy",
    "check_weighting",
]
