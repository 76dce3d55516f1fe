"""Parts chosen by name: catalogues of files, parts of one's own, presets, faults."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from didact.method import Method
from didact.runs.run import Run
from didact.spec import (
    Named,
    SpecError,
    catalogue,
    choose,
    find,
    from_json,
    to_json,
)
from didact.spec.foreign import imported


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Named]:
    """A family of parts whose home is a folder made for the test."""
    home = tmp_path / "part_home"
    home.mkdir()
    (home / "__init__.py").write_text("")
    (home / "broken.py").write_text("import no_such_module_at_all")
    (home / "empty.py").write_text("from part_base import Part")
    (home / "red.py").write_text(
        "from didact.spec import spec\nfrom part_base import Part\n@spec\nclass Red(Part):\n    shade: float = 1.0\n"
        "    version = 2\n    presets = {'dark': {'shade': 0.1}}\n"
    )
    (tmp_path / "part_base.py").write_text("from didact.spec import Named\nclass Part(Named):\n    homes = ('part_home',)\n")
    (tmp_path / "elsewhere.py").write_text(
        "from didact.spec import spec\nfrom part_base import Part\n@spec\nclass Blue(Part):\n    tone: int = 3\n"
        "class Pink(Blue):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in [n for n in sys.modules if n.partition(".")[0] in ("part_home", "part_base", "elsewhere")]:
        monkeypatch.delitem(sys.modules, name)
    import part_base  # type: ignore[import-not-found]

    return part_base.Part


def test_a_catalogue_lists_files_without_importing_them(zoo: type[Named]) -> None:
    assert catalogue("part_home") == {n: f"part_home.{n}" for n in ("broken", "empty", "red")}
    assert not [n for n in sys.modules if n.startswith("part_home.")]
    with pytest.raises(SpecError, match="no package named 'no_such_package'"):
        catalogue("no_such_package")
    with pytest.raises(SpecError, match=r"no package named 'part_home\.red'"):
        catalogue("part_home.red")


def test_find_by_file_and_by_class(zoo: type[Named]) -> None:
    red, blue = find(zoo, "red"), find(zoo, "elsewhere:Blue")
    assert (red.__name__, red.name(), blue.name()) == ("Red", "red", "elsewhere:Blue")
    assert find(zoo, "elsewhere:Pink").__name__ == "Pink"
    assert find(zoo, "part_home.red:Red") is red
    for wrong, says in [
        ("rad", "unknown part 'rad'; did you mean 'red'?"),
        ("broken", "cannot import 'part_home.broken' for 'broken'"),
        ("empty", "'empty' should hold one Part, found 0"),
        ("elsewhere:Blu", "'elsewhere:Blu' should hold one Part, found 0; did you mean 'Blue'"),
        ("nowhere_at_all:Blue", "cannot import 'nowhere_at_all'"),
    ]:
        with pytest.raises(SpecError) as caught:
            find(zoo, wrong)
        assert says in str(caught.value)


def test_a_part_from_any_module_survives_json(zoo: type[Named]) -> None:
    blue = choose(zoo, {"name": "elsewhere:Blue", "tone": 5})
    assert to_json(blue) == {"name": "elsewhere:Blue", "version": 1, "tone": 5}
    assert choose(zoo, to_json(blue)) == blue


def test_choose(zoo: type[Named]) -> None:
    red = choose(zoo, "red")
    assert choose(zoo, red) is red
    assert choose(zoo, "red+dark") == choose(zoo, {"name": "red", "shade": 0.1, "version": 2})
    assert choose(zoo, {"name": "red+dark", "shade": 0.7}) == choose(zoo, {"name": "red", "shade": 0.7})
    request = {"name": "red+dark", "version": 2}
    choose(zoo, request)
    assert request == {"name": "red+dark", "version": 2}
    for wrong, says in [
        ({"shade": 1}, "a part needs a 'name'"),
        ("red+drk", "red has no preset 'drk'; did you mean 'dark'?"),
        ("elsewhere:Blue+x", "elsewhere:Blue has no preset 'x'; it has none"),
        ({"name": "red", "version": 1}, "red is at version 2, the spec asks for 1"),
        ({"name": "red", "shad": 1}, "shad: no such setting; did you mean 'shade'?"),
    ]:
        with pytest.raises(SpecError) as caught:
            choose(zoo, wrong)
        assert str(caught.value) == says


@pytest.mark.parametrize("value", [{"name": 3}, {"name": None}, ":Blue", "..elsewhere:Blue"])
def test_no_name_ends_in_a_python_error(value: Any) -> None:
    with pytest.raises(SpecError):
        choose(Method, value)
    with pytest.raises(SpecError, match="method"):
        from_json(Run, {"net": "resnet8", "method": value})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mymodle:net", "No module named 'mymodle'; did you mean 'mymodule_here'"),
        ("mymodule_here.py:net", "a module is named without its .py: mymodule_here$"),
        (
            "nowhere_near:net",
            "No module named 'nowhere_near'; write nowhere_near.py in the folder in which you run the command",
        ),
        ("imports_none:net", r"No module named 'no_such_module_at_all' \(imports_none.py:1\)$"),
    ],
)
def test_a_module_that_is_not_found(name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mymodule_here.py").write_text("")
    (tmp_path / "imports_none.py").write_text("import no_such_module_at_all")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SpecError, match=message):
        imported(name)


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_a_fault_inside_an_installed_package_names_the_package(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "unfit_package", raising=False)
    package = tmp_path / folder / "unfit_package"
    package.mkdir(parents=True)
    (package / "inner.py").write_text("from math import no_such_name")
    monkeypatch.syspath_prepend(package.parent)
    with pytest.raises(SpecError, match=r"ImportError: cannot import name .* \(inner.py:1 of unfit_package\)$"):
        imported("unfit_package.inner:net")


@pytest.mark.parametrize("folder", ["didact", "torch", "mine"])
def test_the_line_is_that_of_ones_own_code(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one of Python's library; and whatever the folder is called, such as that of a copy of didact."""
    home = tmp_path / folder
    home.mkdir()
    (home / f"own_in_{folder}.py").write_text("import json\n\njson.loads('{')\n")
    monkeypatch.syspath_prepend(home)
    with pytest.raises(SpecError, match=rf"JSONDecodeError: Expecting .* \(own_in_{folder}.py:3\)$"):
        imported(f"own_in_{folder}:net")
