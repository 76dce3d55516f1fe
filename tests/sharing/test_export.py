"""A finished run as an ONNX file: what is in it, what is measured, and that it is whole or not there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

from didact.data import evaluation_batches, load
from didact.deploy.engine import Unsupported, session
from didact.deploy.forms.contract import find
from didact.deploy.forms.onnx import Onnx
from didact.deploy.guest import interpreter
from didact.deploy.onnx_file import KEY, ends, logits_of
from didact.execution import Execution, execute
from didact.files.disk import UnwritableError
from didact.nets.quantised import is_range
from didact.runs.run import Run, Start
from didact.sharing import exported as writing
from didact.sharing.export import export
from didact.sharing.exported import Exported, summary
from didact.sharing.folder import pack_run
from didact.spec import RequestError, SpecError
from didact.store.store import Store
from support.tiny import DATA, RECIPE, make


def sftn() -> Run:
    from didact.teaching.sftn import SFTN as Method

    return Run(net="resnet8", data=DATA, recipe=RECIPE, method=Method(student="resnet8"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    records = Store(tmp_path_factory.mktemp("store"))
    execute([make("simkd"), sftn()], records, Execution())
    return records


def eight_bits(weight_scales: str) -> Run:
    """Trained on in 8 bits."""
    recipe = replace(RECIPE, bits=8, weight_scales=weight_scales, learning_rate=0.001)
    return make("ce", recipe=recipe, start=Start(run=make("ce")))


def exported(store: Store, run: Run, path: Path, **options: Any) -> Exported:
    record = store.get(run)
    assert record is not None
    return export(store, run, record, path, **options)


@torch.no_grad()
@pytest.mark.parametrize("make_run", [lambda: make("simkd"), sftn], ids=["simkd", "sftn"])
def test_the_deployed_network_is_in_it(store: Store, tmp_path: Path, make_run: Any) -> None:
    run = make_run()
    done = exported(store, run, tmp_path / "new" / "net.onnx")
    dataset = load(DATA)
    pixels = dataset.test.images[:7]
    mean, std = (torch.tensor(values)[:, None, None] for values in (dataset.mean, dataset.std))
    wanted = store.deployed(run)((pixels / 255 - mean) / std)
    data = done.path.read_bytes()
    torch.testing.assert_close(logits_of(data, [pixels / 255]), wanted, rtol=1e-4, atol=1e-4)
    known = json.loads(done.beside.read_text())
    assert known["sha256"] == hashlib.sha256(data).hexdigest() and known["bytes"] == len(data) == done.size
    within = json.loads(session(data, 1).get_modelmeta().custom_metadata_map[KEY])
    assert within == done.about == {key: value for key, value in known.items() if key not in ("sha256", "bytes")}
    assert within["digest"] == run.digest and within["classes"] == list(dataset.names) and within["image"] == [1, 16, 16]
    assert within["accuracy"]["file"] == pytest.approx(within["accuracy"]["float32"], abs=0.2)
    assert within["accuracy"]["test_images"] == len(dataset.test) and within["difference"] <= 1e-4
    parameters = sum(p.numel() for p in store.deployed(run).parameters())
    assert done.size < 4 * parameters + 25_000, "branches and notes of the exporter are gone"
    assert f"{done.about['difference']:.2g}" in summary(done)[1]
    assert done.warning is None and sorted(p.name for p in done.path.parent.iterdir()) == ["net.json", "net.onnx"]


def test_eight_bits_are_calibrated_on_training_images_and_measured(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    quantised = Onnx.quantised

    def watched(self: Onnx, model: bytes, batches: Any, float_ends: bool, weight_scales: str) -> bytes:
        seen.extend(batches)
        return quantised(self, model, seen, float_ends, weight_scales)

    monkeypatch.setattr(Onnx, "quantised", watched)
    done = exported(store, make("simkd"), tmp_path / "net.onnx", bits=8, images=20)
    assert sum(map(len, seen)) == 20 and float(seen[0].min()) >= 0 and float(seen[0].max()) <= 1
    assert done.about["calibration"] == {"training_images": 20, "of": 60, "seed": 0}
    assert done.size < 0.5 * done.float_size
    dataset = load(DATA)
    right = logits_of(done.path.read_bytes(), [dataset.test.images / 255]).argmax(1) == dataset.test.labels
    assert done.about["accuracy"]["file"] == pytest.approx(100 * float(right.float().mean()), abs=0.3)
    assert [line for line in summary(done) if "20 training images, seed 0" in line]


def test_one_scale_for_the_weights_of_a_layer(store: Store, tmp_path: Path) -> None:
    import onnx

    channel = exported(store, sftn(), tmp_path / "channel.onnx", bits=8, images=20)
    layer = exported(store, sftn(), tmp_path / "layer.onnx", bits=8, images=20, weight_scales="layer")
    dims: list[set[int]] = []
    for done in (channel, layer):
        held = {one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(done.path).graph.initializer}
        whole = {node.input[0]: node.input[1] for node in onnx.load(done.path).graph.node if node.input[0] in held}
        dims.append({held[scale].size for name, scale in whole.items() if held[name].dtype.name == "int8"})
    assert min(dims[0]) > 1 and dims[1] == {1}
    assert [done.about["weight_scales"] for done in (channel, layer)] == ["channel", "layer"]
    assert "one scale for the weights of a layer" in summary(layer)[1]
    assert "one scale" not in " ".join(summary(channel))
    accuracy = {**layer.about["accuracy"], "file": layer.about["accuracy"]["float32"] - 1}
    warning = replace(layer, about={**layer.about, "accuracy": accuracy}).warning
    assert warning is not None and "--weight-scales channel" in warning and warning.endswith("--recipe.weight_scales layer")
    assert exported(store, sftn(), tmp_path / "floats.onnx").about["weight_scales"] is None


def test_the_first_and_the_last_layer_stay_in_float(store: Store, tmp_path: Path) -> None:
    import onnx

    whole = exported(store, sftn(), tmp_path / "whole.onnx", bits=8, images=20)
    done = exported(store, sftn(), tmp_path / "ends.onnx", bits=8, images=20, float_ends=True)
    graph = onnx.load(done.path).graph
    floats = {
        weight.name for weight in graph.initializer if weight.data_type == onnx.TensorProto.FLOAT and len(weight.dims) > 1
    }
    layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    assert [node.input[1] in floats for node in layers] == [True, *[False] * (len(layers) - 2), True]
    assert ends(done.path.read_bytes())[0] == layers[0].name
    assert done.about["float_ends"] and not whole.about["float_ends"]
    assert "first and last layer in float" in summary(done)[1]


@pytest.mark.slow
@pytest.mark.parametrize("to", ["pt2", "executorch", "tflite"])
def test_other_forms(to: str, store: Store, tmp_path: Path) -> None:
    """The network's logits in 32 bits, an accuracy of its own in 8: by the runtime of the form, where it is installed."""
    try:
        find(to).check_installed(8)
        interpreter(to)
    except SpecError as error:
        pytest.skip(str(error))
    suffix = find(to).suffix
    done = exported(store, make("simkd"), tmp_path / f"net{suffix}", to=to)
    assert done.about["difference"] <= 1e-4 and done.about["form"] == to
    assert done.about["accuracy"]["file"] == pytest.approx(done.about["accuracy"]["float32"], abs=0.2)
    small = exported(store, make("simkd"), tmp_path / f"net8{suffix}", to=to, bits=8, images=20)
    if to != "tflite":  # which knows a scale a channel only
        layer = exported(store, make("simkd"), tmp_path / f"one{suffix}", to=to, bits=8, images=20, weight_scales="layer")
        assert layer.path.read_bytes() != small.path.read_bytes()
        assert layer.about["accuracy"]["file"] == pytest.approx(small.about["accuracy"]["file"], abs=10)
    assert small.about["difference"] > 1e-6 and small.size < small.float_size
    ends = exported(store, make("simkd"), tmp_path / f"ends{suffix}", to=to, bits=8, images=20, float_ends=True)
    assert ends.size < ends.float_size and ends.about["difference"] != small.about["difference"]
    if to == "pt2":  # the file of this network is smaller with float ends (209 to 216 kB), so its operations are counted
        whole, without = (
            sum("quantize" in str(node.target) for node in torch.export.load(one.path).graph.nodes) for one in (small, ends)
        )
        assert 0 < without < whole
    else:  # 117.7 to 118.3 kB as executorch 1.5.1 makes them, 127.9 to 130.1 kB as litert-torch 0.10.0 does
        assert small.size < ends.size
    assert b"site-packages" not in done.path.read_bytes() + small.path.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("weight_scales", ["channel", "layer"])
@pytest.mark.parametrize("to", ["pt2", "executorch"])
def test_other_forms_keep_a_training_in_eight_bits(to: str, weight_scales: str, tmp_path: Path) -> None:
    """Their files answer as the simulation of the training does, on all test images."""
    try:
        find(to).check_installed(8)
    except SpecError as error:
        pytest.skip(str(error))
    store, run = Store(tmp_path / "store"), eight_bits(weight_scales)
    execute([run], store, Execution(test_every=9))
    done = exported(store, run, tmp_path / f"net{find(to).suffix}", to=to, bits=8)
    accuracy = done.about["accuracy"]
    assert accuracy["simulated"] == accuracy["record"] and done.about["calibration"] is None
    assert accuracy["file"] == pytest.approx(accuracy["record"], abs=1), "a rounding may fall on the other side"
    net = store.deployed(run).requires_grad_(False)
    largest = max(float(net(b.images).abs().max()) for b in evaluation_batches(load(DATA), load(DATA).test))
    assert done.about["difference"] < 0.1 * largest and done.size < 0.75 * done.float_size


@pytest.mark.parametrize(("off", "said"), [(1.0, "and 0.0001 is allowed in 32 bits"), (float("nan"), "up to nan")])
def test_other_logits_than_the_networks_are_not_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: float, said: str
) -> None:
    monkeypatch.setattr(Onnx, "logits_of", lambda self, file, batches: logits_of(file, batches) + off)
    with pytest.raises(RequestError, match=f"{said}.*nothing was written"):
        exported(store, make("simkd"), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_it_is_whole_or_not_there(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = writing.write

    def full(path: Path, data: bytes) -> None:
        if path.suffix == ".onnx":
            raise OSError(28, f"cannot write {path}: No space left on device")
        write(path, data)

    monkeypatch.setattr(writing, "write", full)
    with pytest.raises(UnwritableError, match=r"^output: cannot write .*No space left on device$"):
        exported(store, make("simkd"), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_an_operation_without_a_counterpart_is_named(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> bytes:
        raise Unsupported("No ONNX function found for aten.strange")

    monkeypatch.setattr(Onnx, "model_of", refuse)
    with pytest.raises(SpecError, match=r"resnet8.simkd.s0 cannot be exported to onnx: No ONNX function found for aten"):
        exported(store, make("simkd"), tmp_path / "net.onnx")


def test_a_network_of_a_library(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers builds the network")
    run = make("ce", net="hf:resnet+depths=1/1+embedding_size=8+hidden_sizes=8/8+layer_type=basic")
    store = Store(tmp_path / "store", trust=True)
    execute([run], store, Execution())
    done = exported(store, run, tmp_path / "net.onnx")
    assert done.about["difference"] <= 1e-4 and len(logits_of(done.path.read_bytes(), [torch.rand(1, 1, 16, 16)])) == 1


@pytest.mark.parametrize("weight_scales", ["channel", "layer"])
def test_a_run_of_eight_bits_without_ranges_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weight_scales: str
) -> None:
    """As an earlier version trained them where a method began without the student."""
    store, run = Store(tmp_path / "store"), eight_bits(weight_scales)
    execute([run], store, Execution(test_every=9))
    own = Store.deployed

    def without(self: Store, asked: Run) -> torch.nn.Module:
        net = own(self, asked)
        for name, buffer in net.named_buffers():
            if is_range(name):
                buffer.zero_()
        return net

    monkeypatch.setattr(Store, "deployed", without)
    assert run.start is not None and run.start.run is not None
    said = (
        rf"without ranges of values at 14 places \(the first is stem\.0\).*didact runs rm {run.digest}\).*train it again, "
        rf"or export the run that it began with: didact export {run.start.run.digest} --bits 8"
    )
    with pytest.raises(RequestError, match=said):
        exported(store, run, tmp_path / "net.onnx", bits=8)
    assert not list(tmp_path.glob("net*"))


@pytest.mark.parametrize(("own", "other"), [("channel", "layer"), ("layer", "channel")])
def test_a_run_of_eight_bits_keeps_the_integers_of_its_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, other: str
) -> None:
    """The file answers as the network that was trained; nothing is calibrated."""
    monkeypatch.setattr(Onnx, "quantised", None)
    store = Store(tmp_path / "store")
    run = eight_bits(own)
    execute([run], store, Execution(test_every=9))
    done = exported(store, run, tmp_path / "net.onnx", bits=8)
    accuracy = done.about["accuracy"]
    assert accuracy["simulated"] == accuracy["record"]
    assert accuracy["file"] == pytest.approx(accuracy["record"], abs=2), "hardly trained, so its logits are close together"
    assert accuracy["float32"] > 0 and done.about["calibration"] is None and done.size < 0.5 * done.float_size
    net = store.deployed(run).requires_grad_(False)
    logits = [net(b.images) for b in evaluation_batches(load(DATA), load(DATA).test)]
    assert done.about["difference"] < 0.1 * float(torch.cat(logits).abs().max())
    lines = summary(done)
    assert lines[1].startswith("integers and ranges are those of its training in 8 bits") and "torch in 8 bits" in lines[2]
    assert done.about["weight_scales"] == own and ("; one scale" in lines[1]) == (own == "layer")
    with pytest.raises(SpecError, match=f"weight-scales: .* with the scales of its recipe, '{own}'; leave"):
        exported(store, run, tmp_path / "other.onnx", bits=8, weight_scales=other)
    with pytest.raises(SpecError, match=r"bits: resnet8.ce.s0 was trained in 8 bits; write --bits 8"):
        exported(store, run, tmp_path / "other.onnx")
    with pytest.raises(SpecError, match=r"calibration: .* leave --calibration out"):
        exported(store, run, tmp_path / "other.onnx", bits=8, images=20)
    record = store.get(run)
    assert record is not None
    with pytest.raises(SpecError, match="was trained in 8 bits, and a packed network has 32"):
        pack_run(store, run, record, tmp_path / "packed")
