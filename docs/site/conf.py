"""The documentation as a site: ``make docs`` builds it under build/site from the Markdown files as GitHub shows them, and
from the docstrings. Nothing is taken from the network, neither while it is built nor when it is read.

The source is the whole project, so that links between files lead to the same places here and there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, get_origin

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import didact  # noqa: E402
from didact.spec import types  # noqa: E402

project = "didact"
author = "the authors of didact"
copyright = author
version = release = didact.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "mathml",
    "pages",
    "docstrings",
    "references",
]
root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "docs/reference/*.rst", "benchmarks/**.md"]
exclude_patterns = ["build", ".venv", "**/.pytest_cache"]

html_theme = "furo"
html_title = f"didact {version}"
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]
highlight_language = "none"  # blocks that name no language are commands and tables
html_theme_options = {"navigation_with_keys": True}
html_baseurl = ""

myst_heading_anchors = 4
myst_enable_extensions = ["linkify"]  # addresses are links, as on GitHub
myst_linkify_fuzzy_links = False  # names of files are none
myst_fence_as_directive = ["math"]  # as GitHub takes them

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True, "ignore-module-all": True}
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: name for name, kind in vars(types).items() if get_origin(kind) is Annotated}
autodoc_inherit_docstrings = False  # what a method of the contract does is said once, in didact.method
napoleon_use_ivar = True
napoleon_use_rtype = False
add_module_names = False
python_maximum_signature_line_length = 100
viewcode_line_numbers = True

nitpicky = True
nitpick_ignore_regex = [("py:class", ".*"), ("py:obj", ".*")]  # types of signatures; what docstrings name is checked

suppress_warnings = ["ref.python"]  # a name that several classes have; the nearest is taken
