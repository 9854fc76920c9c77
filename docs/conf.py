"""The site: `make docs` builds it in build/docs. It needs no network, neither to build nor to read.

Beside the pages in this folder there are some that a program writes: _ext/pages.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE / "_ext")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))  # for the kernels

from sources import linkcode_resolve  # noqa: E402, F401 - for sphinx.ext.linkcode

from minitorch.version import __version__ as release  # noqa: E402 - from this checkout

project = "minitorch"
copyright = "the authors of minitorch"
version = release

extensions = ["myst_nb", "sphinx.ext.linkcode", "mathml", "sources"]
exclude_patterns = ["_ext", "_static"]
add_module_names = False
smartquotes = False
toc_object_entries = False  # the contents of a page of the API are its families
maximum_signature_line_length = 100
highlight_language = "none"  # a block says what it is written in, or is no program

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "auto"
nb_execution_excludepatterns = ["examples/*"]  # they keep what they printed and drew
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
nb_output_stderr = "remove"  # that kernels are compiled is of no interest here

html_theme = "furo"
html_title = f"minitorch {release}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
