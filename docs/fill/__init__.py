"""Fills the numbers, tables and pictures of the published run into the pages.

``make docs`` does it, after ``make figures``. A block of a page is

    <!-- to fill: claims input_dimension -->
    ...
    <!-- end -->

where ``claims`` is the name of a part (``parts.py``, ``provenance.py``, ``pictures.py``) and what
follows are its arguments. As long as the run has no data for it, the block keeps its text; then the
part takes its place, and the marker says ``filled``.
"""
