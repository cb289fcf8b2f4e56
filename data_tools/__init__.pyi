# Every public name and the module that has it, read when the package is imported.

from .datasets.base import Splits as Splits
from .imbalance.exponential import exponential_counts as exponential_counts
from .labels_file import LabelTable as LabelTable
from .labels_file import read_labels as read_labels
from .noise.base import NoisyLabels as NoisyLabels
from .prepared import PreparedData as PreparedData
from .prepared import Truth as Truth
from .prepared import prepare_data as prepare_data
from .samples import SampleSet as SampleSet
from .shot_groups import ShotGroups as ShotGroups
from .validation import stratified_holdout as stratified_holdout
