"""How Sphinx builds the site: ``sphinx-build -W -b html docs docs/_build``."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent / "_site")]

from supcon_ext import __version__  # noqa: E402 - its folder comes first

project = "supcon_ext"
author = "the supcon_ext authors"
copyright = author
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "mathml",
    "pictures",
    "members",
    "public_names",
    "command_line",
]
exclude_patterns = ["_build", "_site", "_made"]
suppress_warnings = ["misc.highlighting_failure"]  # excerpts of what a terminal prints

html_theme = "furo"
html_title = "supcon_ext"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"  # read offline, without a script
html_show_copyright = False
html_copy_source = False
pygments_dark_style = "monokai"

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures say them; types of private aliases would be noise
autodoc_preserve_defaults = True
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "exclude-members": "set_fit_request, set_score_request, set_partial_fit_request",
}
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
