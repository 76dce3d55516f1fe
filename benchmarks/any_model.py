"""Whether networks of other libraries split into blocks, and whether methods train with them as students and as teachers.

Every network is built without weights, as small as its library has it, and split for small images. That its logits, gradients,
running statistics and random numbers are those of the whole network, bit by bit, is checked by the split itself. Then one step
of each method is done: with the network as the student of a small ResNet, as its teacher, and SFTN both ways.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
import types
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from didact import nets
from didact.method import Clock, Method, Pair, StepContext
from didact.nets.blocks import BlockNet
from didact.spec import choose
from didact.tensors import Batch, Outputs
from throughput import about

CLASSES, BATCH = 10, 4
METHODS = ("kd", "fitnet", "at", "sp", "crd", "simkd", "reviewkd")
OTHER = "resnet8"
"""The small network of didact that learns or teaches on the other side."""

PYTORCHCV_SMALL = """resnet20 preresnet20 resnext20_16x4d seresnet20 sepreresnet20 pyramidnet110_a48 densenet40_k12 nin
    xdensenet40_2_k24_bc ror3_56 rir diaresnet20 diapreresnet20 shakeshakeresnet20_2x16d resdropresnet20
    fractalnet"""
"""For images of 32x32; the names end in _cifar10."""
PYTORCHCV_LARGE = """resnet10 bninception preresnet10 seresnet10 sepreresnet10 mobilenet_wd4 fdmobilenet_wd4 mobilenetv2_wd4
    mobilenetv2b_wd4 mobilenetv3_small_wd2 shufflenet_g1_wd4 shufflenetv2_wd2 shufflenetv2b_wd2 menet108_8x1_g3 squeezenet_v1_1
    squeezeresnet_v1_1 sqnxt23_w1 igcv3_wd4 mnasnet_small regnetx002 regnety002 efficientnet_b0 ghostnet spnasnet proxylessnas_cpu
    dla46c hardnet39ds vovnet27s peleenet diracnet18v2 selecsls42 fbnet_cb resneta10 resnetd50b condensenet74_c4_g4
    darknet_tiny"""
"""For images of 224x224."""

TIMM = """resnet10t regnetx_002 efficientnet_lite0 mobilenetv3_small_050 densenet121 vgg11 vit_tiny_patch16_224
    deit_tiny_distilled_patch16_224 beit_base_patch16_224 swin_tiny_patch4_window7_224 convnext_atto mixer_s32_224 poolformer_s12
    coat_lite_tiny pit_ti_distilled_224 cait_xxs24_224 levit_128s mobilevit_xxs edgenext_xx_small ghostnet_050 hrnet_w18_small
    dla46x_c dpn48b inception_next_atto mobileone_s0 nf_regnet_b0 rexnet_100 repvgg_a0 selecsls42 skresnet18 tinynet_e
    twins_pcpvt_small visformer_tiny xcit_nano_12_p16_224 fasternet_t0 fastvit_t8 efficientformer_l1 starnet_s1 pvt_v2_b0
    nest_tiny crossvit_tiny_240 eva02_tiny_patch14_224 gcvit_xxtiny focalnet_tiny_srf resnest14d res2net50_14w_8s davit_tiny
    efficientvit_b0 mobilenetv4_conv_small lcnet_035"""

SMALL = {"hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 48}
STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}
TRANSFORMERS: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet": ("ResNet", STAGES | {"embedding_size": 8, "layer_type": "basic"}),
    "regnet": ("RegNet", STAGES | {"embedding_size": 8, "groups_width": 4}),
    "mobilenet_v1": ("MobileNetV1", {"depth_multiplier": 0.25}),
    "mobilenet_v2": ("MobileNetV2", {"depth_multiplier": 0.25}),
    "efficientnet": ("EfficientNet", {"width_coefficient": 0.25, "depth_coefficient": 0.25, "hidden_dim": 320}),
    "convnext": ("ConvNext", STAGES),
    "convnextv2": ("ConvNextV2", STAGES),
    "focalnet": ("FocalNet", {"embed_dim": 12, "depths": [1, 1, 1, 1]}),
    "poolformer": ("PoolFormer", STAGES),
    "vit": ("ViT", SMALL),
    "deit": ("DeiT", SMALL),
    "beit": ("Beit", SMALL),
    "dinov2": ("Dinov2", SMALL | {"patch_size": 16}),
    "swin": ("Swin", {"embed_dim": 12, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 2], "window_size": 2}),
    "pvt": ("Pvt", STAGES | {"num_attention_heads": [1, 1, 2, 2]}),
    "segformer": ("Segformer", STAGES | {"num_attention_heads": [1, 1, 2, 2]}),
    "levit": (
        "Levit",
        {"hidden_sizes": [32, 48, 64], "depths": [1, 1, 1], "key_dim": [8] * 3, "num_attention_heads": [2, 3, 4]},
    ),
    "mobilevit": ("MobileViT", {"hidden_sizes": [24, 32, 40], "neck_hidden_sizes": [8, 8, 16, 16, 16, 16, 32]}),
}

Make = Callable[[], nn.Module]


def pytorchcv() -> Iterator[tuple[str, int, Make]]:
    """(name, height of images, constructor) of 52 networks."""
    get = importlib.import_module("pytorchcv.model_provider").get_model
    for name in PYTORCHCV_SMALL.split():
        yield name, 32, lambda name=name: get(f"{name}_cifar10")
    for name in PYTORCHCV_LARGE.split():
        yield name, 224, lambda name=name: get(name, num_classes=CLASSES)


def transformers() -> Iterator[tuple[str, int, Make]]:
    """(name, height of images, constructor) of 18 networks."""
    library = importlib.import_module("transformers")
    library.logging.set_verbosity_error()
    for name, (stem, settings) in TRANSFORMERS.items():

        def make(stem: str = stem, settings: dict[str, Any] = settings) -> nn.Module:
            config = getattr(library, f"{stem}Config")(**settings, image_size=64, num_labels=CLASSES)
            return getattr(library, f"{stem}ForImageClassification")(config)

        yield name, 64, make


def timm() -> Iterator[tuple[str, int, Make]]:
    """(name, height of images, constructor) of a small network of each of many families."""
    library = importlib.import_module("timm")
    for name in TIMM.split():
        fixed = any(
            word in name for word in ("crossvit", "nest", "levit", "swin", "twins", "gcvit", "mixer", "cait", "pit", "eva")
        )
        size = 240 if "240" in name else 224 if fixed else 64

        def make(name: str = name, size: int = size) -> nn.Module:
            more = {"img_size": size} if size == 64 and name.startswith(("vit", "deit", "beit")) else {}
            return library.create_model(name, num_classes=CLASSES, **more)

        yield name, size, make


LIBRARIES = {"pytorchcv": pytorchcv, "transformers": transformers, "timm": timm}


def row(make: Make, size: int, methods: bool) -> dict[str, Any]:
    """What came of one network."""
    torch.manual_seed(0)
    image = (3, size, size)
    model = make()
    start = time.process_time()
    try:
        net = nets.split(model, image)
        shapes = net.shapes(image)
    except Exception as error:
        return {"split": False, "why": f"{type(error).__name__}: {error}"[:400]}
    made: dict[str, Any] = {"split": True, "blocks": len(net), "cpu_seconds": round(time.process_time() - start, 1)}
    made |= {"features": shapes.features, "pooled": shapes.pooled[0], "image": size}
    if methods:
        made["steps"] = steps(net, make, image)
    return made


def steps(net: BlockNet, make: Make, image: tuple[int, int, int]) -> dict[str, str]:
    """One step of every method, with the network on either side: "ok", or what was raised."""
    batch = Batch(torch.randn(BATCH, *image), torch.arange(BATCH), torch.arange(BATCH))
    other = nets.create(OTHER, CLASSES)
    shapes = {id(one): one.shapes(image) for one in (net, other)}
    done: dict[str, str] = {}
    for role, (student, teacher) in {"student": (net, other), "teacher": (other, net)}.items():
        own = student.train().outputs(batch.images)
        with torch.no_grad():
            taught = teacher.eval().outputs(batch.images)
        pair = Pair(student, shapes[id(student)], image, CLASSES, batch.labels, BATCH, teacher, shapes[id(teacher)])
        for name in METHODS:
            done[f"{name} as {role}"] = attempt(choose(Method, name), pair, own, taught, batch)
    home = types.ModuleType("any_model_guest")
    home.net = lambda classes, channels: make()  # type: ignore[attr-defined]
    sys.modules[home.__name__] = home
    for role, learner, student in (("teacher", net, OTHER), ("student", other, f"{home.__name__}:net")):
        method = choose(Method, {"name": "sftn", "student": student})
        own = learner.train().outputs(batch.images)
        pair = Pair(learner, shapes[id(learner)], image, CLASSES, batch.labels, BATCH)
        done[f"sftn as {role}"] = attempt(method, pair, own, None, batch)
    return done


def attempt(method: Method, pair: Pair, own: Outputs, taught: Outputs | None, batch: Batch) -> str:
    """One step of ``method`` on outputs that are there; where it hands on another network, that answers, too."""
    try:
        extras = method.build(pair)
        clock = Clock(0, 1, 0, 1, 0, next(stage.name for stage in method.stages() if stage.main))
        context = StepContext(batch, own, taught, clock, torch.Generator().manual_seed(0), net=pair.net)
        loss: Tensor = sum(method.terms(extras, context).values())  # type: ignore[assignment]
        assert bool(loss.isfinite()), f"its loss is {float(loss)}"
        loss.backward(retain_graph=True)
        deployed = method.deployed(extras, pair.net)
        if deployed is not pair.net:
            with torch.no_grad():
                assert deployed(batch.images).shape == (BATCH, CLASSES)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    return "ok"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--libraries", default=",".join(LIBRARIES))
    parser.add_argument("--only", default="", help="names separated by commas; all")
    parser.add_argument("--methods", action=argparse.BooleanOptionalAction, default=True, help="whether steps are done, too")
    parser.add_argument("--threads", default=torch.get_num_threads(), type=int)
    parser.add_argument("--out", default=os.devnull, type=Path, help="JSON file; written after every network")
    options = parser.parse_args()
    options.device = "cpu"
    torch.set_num_threads(options.threads)
    result = about(options) | {"versions": {}, "networks": {}}
    only = [name for name in options.only.split(",") if name]
    for library in options.libraries.split(","):
        try:
            guests = [guest for guest in LIBRARIES[library]() if not only or guest[0] in only]
        except ImportError as error:
            print(f"{library} is left out: {error}")
            continue
        result["versions"][library] = version(library)
        for name, size, make in guests:
            try:
                entry = row(make, size, options.methods)
            except Exception as error:  # of the library's own constructor
                entry = {"split": False, "why": f"not built: {type(error).__name__}: {error}"[:300]}
            result["networks"][f"{library}:{name}"] = entry
            wrong = [f"{key}: {said}" for key, said in entry.get("steps", {}).items() if said != "ok"]
            print(f"{library}:{name:32}", entry.get("why") or f"{entry['blocks']} blocks", *wrong, sep="  ", flush=True)
            result["summary"] = summary(result["networks"])
            if options.out != Path(os.devnull):
                options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result.get("summary"), indent=1))


def summary(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    """By library: how many networks, how many of them split, into three blocks or more, and with how many every step is done."""
    counted: dict[str, dict[str, int]] = {}
    for name, found in rows.items():
        entry = counted.setdefault(name.partition(":")[0], dict.fromkeys(("networks", "split", "three", "every step"), 0))
        entry["networks"] += 1
        entry["split"] += found["split"]
        entry["three"] += found.get("blocks", 0) >= 3
        entry["every step"] += bool(found.get("steps")) and all(said == "ok" for said in found["steps"].values())
    return counted


if __name__ == "__main__":
    main()
