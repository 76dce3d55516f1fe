"""Networks of another library by name: what they are built for, how they are told apart, what is refused."""

from __future__ import annotations

import re

import pytest
import torch

from didact import nets
from didact.nets import libraries
from didact.nets.splitting import own_state
from didact.spec import SpecError
from support import guests


def test_the_canonical_name_holds_the_structure_and_sorted_arguments() -> None:
    with guests.installed():
        name = nets.resolve("timm:plain_tiny+width=6+kernel=5")
        assert re.fullmatch(r"timm:plain_tiny\+kernel=5\+width=6@[0-9a-f]{10}", name)
        assert nets.resolve(name) == name and nets.title(name) == "timm:plain_tiny+kernel=5+width=6"
        assert nets.entry(name).family == "library"
        assert nets.resolve("timm:plain_tiny.some_weights") == nets.resolve("timm:plain_tiny")


def test_another_version_with_the_same_network_has_the_same_name_and_one_with_another_network_has_not() -> None:
    names = []
    for version, changed in (("1.0", {}), ("1.1", {}), ("2.0", {"act": "sigmoid"}), ("3.0", {"kernel": 5})):
        with guests.installed(version, **changed):
            names.append(nets.resolve("timm:plain_tiny"))
            assert libraries.version("timm:plain_tiny") == f"timm {version}"
    assert names[0] == names[1] and len({*names}) == 3
    with guests.installed("2.0", act="sigmoid"):
        assert nets.resolve(names[0]) == names[0]
        with pytest.raises(
            SpecError, match=r"timm 2.0 builds another network under the name timm:plain_tiny than the one ask"
        ):
            nets.create(names[0], 5)


def test_classes_channels_and_size_come_from_the_data() -> None:
    with guests.installed():
        net = nets.create("timm:plain_tiny", 5, 1, 16)
        assert net.shapes((1, 16, 16)).features == ((4, 8, 8), (8, 4, 4), (12, 2, 2))
        assert net.shapes((1, 16, 16)).classes == 5
        assert own_state(nets.create("timm:sized_tiny", 5, 3, 20))["place"].shape == (1, 3, 20, 20)
        assert own_state(nets.create("timm:sized_tiny", 5))["place"].shape == (1, 3, 24, 24)
        assert own_state(nets.create("timm:sized_tiny+img_size=28", 5))["place"].shape == (1, 3, 28, 28)
        assert nets.create("timm:ignores", 5, 3, 32).shapes((3, 32, 32)).classes == 5
        with torch.device("meta"):
            assert {p.device.type for p in nets.create("timm:plain_tiny", 5).parameters()} == {"meta"}


def test_a_network_begins_as_its_seed_says() -> None:
    with guests.installed():
        states = []
        for seed in (0, 0, 1):
            torch.manual_seed(seed)
            states.append(own_state(nets.create("timm:plain_tiny", 5))["fc.weight"])
        assert torch.equal(states[0], states[1]) and not torch.equal(states[0], states[2])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:plain_tyni", "timm has no classifier 'plain_tyni'; did you mean 'plain_tiny'"),
        ("timm:plain_tiny+num_classes=3", "num_classes follows from the data; leave it out"),
        ("timm:plain_tiny+pretrained=true", "pretrained would load weights"),
        ("timm:plain_tiny+checkpoint_path=x", "checkpoint_path would load weights"),
        ("timm:plain_tiny+wdth=3", r"timm:plain_tiny\+wdth=3 fails when it is built: TypeError: .*wdth.*guests.py"),
        ("timm:plain_tiny+act=nothing", "plain_tiny.act=nothing fails when it is built: AttributeError"),
    ],
)
def test_what_the_library_does_not_have_is_refused(name: str, message: str) -> None:
    with guests.installed(), pytest.raises(SpecError, match=message):
        nets.resolve(name)


def test_images_that_do_not_fit_are_refused_with_the_size() -> None:
    with guests.installed(), pytest.raises(SpecError, match=r"sized_tiny\+img_size=28'?: Sized cannot take .*\(3, 32, 32\)"):
        nets.create("timm:sized_tiny+img_size=28", 5, 3, 32)


@pytest.mark.parametrize("library", ["timm", "torchvision", "hf", "pytorchcv"])
def test_a_library_that_is_missing_is_named_with_its_extra(library: str) -> None:
    with guests.missing(), pytest.raises(SpecError, match=r"is not installed: pip install 'didact-distill\[\w+\]'"):
        nets.resolve(f"{library}:some")


def test_a_name_with_its_structure_needs_no_library() -> None:
    with guests.missing():
        assert nets.resolve("timm:plain_tiny@0123456789") == "timm:plain_tiny@0123456789"


def test_a_name_may_say_where_blocks_end() -> None:
    with guests.installed():
        name = nets.resolve("timm:plain_tiny+cuts=rows.0/norms.2")
        assert name == nets.resolve("timm:plain_tiny").replace("@", "+cuts=rows.0/norms.2@")
        features = nets.create(name, 5).shapes((3, 32, 32)).features
        assert features == ((4, 16, 16), (12, 4, 4))
        assert len(nets.create("timm:plain_tiny+blocks=2", 5)) == 2
        with pytest.raises(SpecError, match=r"cannot be cut after 'rows.9'.*it can be cut after .*rows.1"):
            nets.create("timm:plain_tiny+cuts=rows.9", 5)
        for wrong in ("blocks=0", "blocks=2+cuts=a", "blocks=many"):
            with pytest.raises(SpecError, match=r"write blocks=3 \(how many at most\) or cuts=layer1/layer2"):
                nets.resolve(f"timm:plain_tiny+{wrong}")
