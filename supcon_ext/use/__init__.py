"""An encoder put to use: loaded, asked for vectors and classes, measured elsewhere, exported."""

from supcon_ext.use.load import load
from supcon_ext.use.loaded import LoadedEncoder

__all__ = ["LoadedEncoder", "load"]
