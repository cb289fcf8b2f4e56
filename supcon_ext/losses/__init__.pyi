# Every public name and the module that has it, read when the package is imported.

from .rows import PairTile as PairTile
from .rows import Rows as Rows
from .rows import Source as Source
from .rows import WeightPlan as WeightPlan
from .supcon import LossResult as LossResult
from .supcon import SupConLoss as SupConLoss
