"""Data sets, label noise and imbalance for experiments: numpy in, numpy out, usable alone.

Names are imported when they are first used, so importing the package costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
