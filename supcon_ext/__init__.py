"""Noise-robust and long-tail extensions for supervised contrastive (SupCon) learning.

One base loss, into which positive selectors, weightings and synthetic positives plug::

    from supcon_ext import SupConLoss
    loss = SupConLoss(temperature=0.1)(features, labels)     # features (B, V, D), labels (B,)

Whatever a plug-in is made of comes from here too: of each family the decorator (``selector``,
``weighting``, ``term``, ``head``, ...), what a member derives from or gives back, and what it is
handed. ``supcon_ext.testing`` checks each family's members. ``__init__.pyi`` lists every name;
all are imported when they are first used.
"""

from importlib.metadata import PackageNotFoundError, version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

try:
    __version__ = version("supcon-ext")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"
