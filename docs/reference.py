"""Writes the reference of the Python interface, made from docstrings, as HTML: ``make docs`` puts it under build/reference."""

from __future__ import annotations

import pkgutil
import sys
import warnings
from pathlib import Path

import didact


def main(folder: Path) -> None:
    """Write a page for every module but those of the command line, and an index."""
    import pdoc

    for name in didact.__all__:
        getattr(didact, name)  # imported when first used; pdoc looks at what is there
    modules = [info.name for info in pkgutil.walk_packages(didact.__path__, "didact.")]
    shown = [name for name in modules if not name.startswith(("didact.cli", "didact.__main__"))]
    pdoc.render.configure(docformat="google", show_source=False)
    warnings.filterwarnings("ignore", module="pdoc")  # modules named twice; types that only pydantic's own checks import
    pdoc.pdoc("didact", *shown, output_directory=folder)
    print(f"{folder / 'index.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
