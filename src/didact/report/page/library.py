"""The plotting library that a page carries: Vega-Embed with Vega and Vega-Lite, from the package
vl-convert-python.

Chosen by measured size (29 November 2026): 0.90 MB, against 1.27 MB for Bokeh 3.9 and 4.82 MB for
plotly 7.1. It draws SVG, which is sharp in print and takes its colours from the page's style sheet;
Bokeh draws on a canvas. Licence: BSD-3-Clause.
"""

from __future__ import annotations

from functools import cache

from didact.spec import RequestError, installation

VEGA_LITE = "6.4"
"""The version of the grammar that :mod:`.chart` writes."""


def check_installed() -> None:
    """Raise RequestError if the extra is missing."""
    try:
        import vl_convert as vl_convert
    except ImportError:
        raise RequestError(f"the report's pictures need vl-convert-python: {installation('report')}") from None


@cache
def script() -> str:
    """The library as one script, which sets ``vegaEmbed``. Takes seconds.

    Raises:
        RequestError: the extra is missing.
    """
    check_installed()
    import vl_convert

    # in a function of its own, so that its names meet no others
    return f"(() => {{{vl_convert.javascript_bundle(_USE, vl_version=VEGA_LITE)}}})();"


_USE = "window.vegaEmbed = vegaEmbed;"
