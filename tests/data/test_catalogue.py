"""Data sets by name: a file is an entry, and help texts name all of them."""

import dataclasses
import subprocess
import sys

import pytest

from didact.data import Data, names
from didact.data.catalogue import canonical_name, find
from didact.spec import SpecError


def test_every_file_defines_a_data_set():
    assert len(names()) >= 5
    for name in names():
        about = find(name).facts
        assert about.classes >= 2 and about.source and len(about.mean) == len(about.std) == about.image[0]
        assert Data(name=name).augment == about.augment


def test_spellings():
    assert [canonical_name(name) for name in ("CIFAR-100", "tiny_imagenet", "STL-10", "mine:Set")] == [
        "cifar100",
        "tiny-imagenet",
        "stl10",
        "mine:Set",
    ]
    with pytest.raises(SpecError, match="unknown data set 'cifar11'; did you mean 'cifar10' or 'cifar100'"):
        find("cifar11")


def test_the_setting_s_help_names_all_data_sets():
    (field,) = (field for field in dataclasses.fields(Data) if field.name == "name")
    described = Data.__pydantic_fields__[field.name].description
    assert all(name in described for name in names()) and "module:NAME" in described


def test_facts_come_without_the_libraries_that_read_images():
    code = "import sys; from didact.data import Data, facts, names; [facts(Data(name=name)) for name in names()]; "
    libraries = ["sklearn", "PIL", "pooch", "scipy"]
    code += f"print([name for name in {libraries} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
