"""Sphinx's configuration. Nothing is fetched while the documentation is built: it works without a network."""

import os

# Before NumPy is loaded: the examples share their cores with sphinx, and spinning threads would stall both.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pysolve

project = "pysolve"
author = "The pysolve developers"
copyright = "The pysolve developers"
release = version = pysolve.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "Thumbs.db"]
templates_path = ["_templates"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
default_role = "autolink"  # `name` in a docstring is a link where the name is known
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
# CONTRIBUTING.md and CHANGELOG.md are written for the top of the repository.
suppress_warnings = ["myst.xref_missing"]

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_use_plots = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"[/\\]plot_",  # what is run; the other examples are shown
    "write_computation_times": False,
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e6,
    "image_scrapers": ("matplotlib",),
    "plot_gallery": "True",
    "remove_config_comments": True,
    "doc_module": ("pysolve",),
    "backreferences_dir": "gallery/backreferences",
}

html_theme = "pydata_sphinx_theme"
html_title = "pysolve"
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "default",
}
html_sidebars = {"installation": [], "quickstart": [], "command_line": [], "benchmarks": [], "index": []}
