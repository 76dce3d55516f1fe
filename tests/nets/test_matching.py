"""Files of other code bases against networks of the same layers written by hand: the outputs must be the same."""

import pytest
import torch
from torch import Tensor, nn

from didact.files.weights import Tensors, WeightsError
from didact.nets import split
from didact.nets.blocks import BlockNet
from didact.nets.matching import Match, match
from didact.nets.zoo import create
from support import elsewhere, plain


def matched(name: str, found: dict[str, Tensors], classes: int = 7) -> Match:
    with torch.device("meta"):
        return match(create(name, classes), name, found)


def loaded(name: str, tensors: Tensors) -> BlockNet:
    net = create(name, 7)
    net.load_state_dict(tensors)
    return net.eval()


def images() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", elsewhere.NAMES)
@torch.no_grad()
def test_a_file_fits_by_name_and_gives_the_same_outputs(name: str) -> None:
    net = elsewhere.network(name)
    fit = matched(name, {"": net.state_dict()})
    assert (fit.how, fit.place, fit.outputs) == ("by name", "", 7)
    torch.testing.assert_close(loaded(name, fit.tensors)(images()), net(images()))


@pytest.mark.parametrize("name", elsewhere.NAMES)
@torch.no_grad()
def test_a_file_with_other_names_fits_by_order_and_gives_the_same_outputs(name: str) -> None:
    net = elsewhere.network(name)
    renamed = {f"part{i}.{key.rpartition('.')[2]}": value for i, (key, value) in enumerate(net.state_dict().items())}
    fit = matched(name, {"": renamed})
    assert fit.how == "by order and shape"
    torch.testing.assert_close(loaded(name, fit.tensors)(images()), net(images()))


def test_didacts_own_names_and_those_of_a_network_that_was_split() -> None:
    net = create("wrn_16_1", 7)
    assert matched("wrn_16_1", {"": net.state_dict()}).how == "by name"
    model = plain.vgg()
    parts = split(model, (3, 32, 32))
    for state in (model.state_dict(), parts.state_dict()):
        fit = match(parts, "plain:network", {"": state})
        assert fit.how == "by name"
        assert fit.tensors.keys() == parts.state_dict().keys()
    shuffled = dict(reversed(model.state_dict().items()))
    assert match(parts, "plain:network", {"": shuffled}).how == "by name"


def test_old_files_lack_the_counter_of_batches() -> None:
    state = {key: value for key, value in elsewhere.network("resnet8").state_dict().items() if "num_batches" not in key}
    assert matched("resnet8", {"": state}).how == "by name"
    renamed = {f"{i}.{key.rpartition('.')[2]}": value for i, (key, value) in enumerate(state.items())}
    assert matched("resnet8", {"": renamed}).how == "by order and shape"


def test_the_last_layer_may_have_another_number_of_outputs() -> None:
    fit = matched("resnet8", {"": elsewhere.network("resnet8", 11).state_dict()})
    assert fit.outputs == 11
    assert set(fit.rows) == {"head.classifier.weight", "head.classifier.bias"}


def test_the_network_is_found_among_the_parts_of_a_file() -> None:
    state = elsewhere.network("resnet8").state_dict()
    other = elsewhere.network("vgg8").state_dict()
    assert matched("resnet8", {"student": state, "teacher": other}).place == "student"
    assert matched("vgg8", {"student": state, "teacher": other}).place == "teacher"
    assert matched("resnet8", {"ema": {k: v + 1 for k, v in state.items()}, "model": state}).place == "model"
    assert matched("resnet8", {"a": state, "b": {k: v.clone() for k, v in state.items()}}).place == "a"
    with pytest.raises(WeightsError, match=r"several networks that fit resnet8 and differ \('a', 'b'\)"):
        matched("resnet8", {"a": state, "b": {k: v + 1 for k, v in state.items()}})


def test_what_does_not_fit_is_told_with_the_first_differences_and_the_network_that_would() -> None:
    state = elsewhere.network("resnet8").state_dict()
    with pytest.raises(WeightsError) as error:
        matched("resnet8x4", {"": state})
    assert "missing: layer1.0.downsample.0.weight" in str(error.value)
    assert "conv1.weight is (16, 3, 3, 3) there and (32, 3, 3, 3) in resnet8x4" in str(error.value)
    assert str(error.value).endswith("they fit resnet8")
    with pytest.raises(WeightsError, match=r"missing: conv1\.weight; they fit no network of the zoo \(\d+ tensors"):
        matched("resnet8", {"": {k: v for k, v in state.items() if k != "conv1.weight"}})
    with pytest.raises(WeightsError, match=r"extra: layer9\.bias; they fit no network"):
        matched("resnet8", {"": {**state, "layer9.bias": torch.zeros(1)}})
    swapped = {key.replace("layer2.0.bn1", "layer2.0.norm"): value for key, value in state.items()}
    with pytest.raises(WeightsError) as error:  # counters of batches count on neither side
        matched("resnet8", {"": dict(reversed(swapped.items()))})
    assert str(error.value).count("layer2.0.bn1.") == str(error.value).count("layer2.0.norm.") == 4
    assert "num_batches" not in str(error.value)


def test_a_unit_with_the_norms_before_its_convolutions_is_not_taken_by_order() -> None:
    state = elsewhere.network("resnet8").state_dict()
    moved = {"a.weight": state.pop("bn1.weight"), **state}
    with pytest.raises(WeightsError, match="not those of resnet8"):
        matched("resnet8", {"": moved})


def test_layers_of_equal_shape_in_another_order_have_their_own_names() -> None:
    """The stages of a wide network are built in another order than they run."""
    with torch.no_grad():
        net = elsewhere.network("wrn_16_1")
        fit = matched("wrn_16_1", {"": dict(reversed(net.state_dict().items()))})
        torch.testing.assert_close(loaded("wrn_16_1", fit.tensors)(images()), net(images()))


def test_a_linear_layer_is_no_network() -> None:
    with pytest.raises(WeightsError, match=r"missing: conv1\.weight"):
        matched("resnet8", {"": nn.Linear(2, 3).state_dict()})
