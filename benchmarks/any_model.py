"""Whether networks of other libraries split into blocks, and whether methods train with them as students and as teachers.

Every network is built without weights, as small as its library has it, and split for small images. That its logits, gradients,
running statistics and random numbers are those of the whole network, bit by bit, is checked by the split itself. Then one step
of each method is done: with the network as the student of a small ResNet, as its teacher, and SFTN both ways.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from didact import nets
from didact.method import Clock, Method, Pair, StepContext
from didact.nets import libraries
from didact.nets.blocks import BlockNet
from didact.nets.libraries.spelling import Spelling
from didact.spec import SpecError, choose
from didact.tensors import Batch, Outputs
from provenance import about

CLASSES, CHANNELS, BATCH = 10, 3, 4
SMALL_IMAGE = 64
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
    darknet_tiny dicenet_wd5 octresnet10_ad2 mixnet_s bagnet9"""
"""For images of 224x224."""

TIMM = """beit_base_patch16_224+depth=4 cait_xxs24_224 coat_tiny convit_tiny convmixer_768_32 cpubone_nano
    crossvit_tiny_240 cs3darknet_focus_s csatv2 cspnext_tiny davit_tiny deepseek_vit_412m+depth=4+img_size=126
    deit_tiny_patch16_224 densenet121 dla46x_c dpn48b edgenext_xx_small efficientformer_l1
    efficientformerv2_s0 efficientvim_m1 efficientvit_b0 efficientvit_m0 ese_vovnet19b_slim_dw fasternet_t0
    fastvit_t8 focalnet_tiny_srf gcvit_xxtiny gemma4_vit_167m_enc+depth=4 ghostnet_050 gmlp_ti16_224
    halonet_h1 hardcorenas_b hgnetv2_b0 hiera_tiny_224 hrnet_w18_small iformer_t inception_next_atto
    inception_resnet_v2 inception_v3 inception_v4 lcnet_035 lcnetv2_small legacy_seresnet18 legacy_xception
    levit_128s lowformer_b0 mobilenetv5_base mobilevit_xxs mvitv2_tiny
    naflexvit_base_patch16_parfac_gap+depth=4 nasnetalarge nest_tiny nextvit_small pit_ti_224 pnasnet5large
    poolformerv2_s12 pvt_v2_b0 qwen3_vit_88m+depth=4 rdnet_tiny regnetx_002 repghostnet_050 repvit_m1
    res2next50 resnest14d resnetv2_18 rexnet_100 sam2_hiera_tiny samvit_base_patch16_224+depth=4 selecsls42
    sequencer2d_s shvit_s1 skresnet18 starnet_s050 swiftformer_xs swin_tiny_patch4_window7_224
    swinv2_cr_tiny_224 swinv2_tiny_window8_256 test_byobnet test_coatnet test_convnext test_efficientnet
    test_mambaout test_nfnet test_resnet test_vit test_vit_relpos tiny_vit_5m_224 tnt_s_legacy_patch16_224
    tresnet_m twins_svt_small vgg11 visformer_tiny vit_tiny_patch16_dinov3_qkvb vit_tiny_r_s16_p8_224
    vitamin_small_224 volo_d1_224 xception41p xcit_nano_12_p8_224"""
"""Of each of timm's module families the network with the fewest parameters; large transformers with fewer layers."""
TORCHVISION = """alexnet convnext_tiny densenet121 efficientnet_b0 googlenet inception_v3 maxvit_t mnasnet0_5 mobilenet_v2
    mobilenet_v3_small regnet_y_400mf resnet18 resnext50_32x4d shufflenet_v2_x0_5 squeezenet1_1 swin_t
    swin_v2_t vgg11 vit_b_16 wide_resnet50_2"""
"""One of each of torchvision's families."""

SMALL = {"hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 48}
FEW = {key: value for key, value in SMALL.items() if key != "intermediate_size"}
STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}
TRANSFORMERS: dict[str, dict[str, Any]] = {
    "resnet": STAGES | {"embedding_size": 8, "layer_type": "basic"},
    "regnet": STAGES | {"embedding_size": 8, "groups_width": 4},
    "mobilenet_v1": {"depth_multiplier": 0.25},
    "mobilenet_v2": {"depth_multiplier": 0.25},
    "efficientnet": {"width_coefficient": 0.25, "depth_coefficient": 0.25, "hidden_dim": 320},
    "convnext": STAGES,
    "convnextv2": STAGES,
    "focalnet": {"embed_dim": 12, "depths": [1, 1, 1, 1]},
    "poolformer": STAGES,
    "vit": SMALL,
    "deit": SMALL,
    "beit": SMALL,
    "dinov2": FEW | {"patch_size": 16},
    "dinov2_with_registers": FEW | {"patch_size": 16},
    "ijepa": SMALL,
    "vit_msn": SMALL,
    "data2vec-vision": SMALL,
    "swin": {"embed_dim": 12, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 2], "window_size": 2},
    "swinv2": {"embed_dim": 12, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 2], "window_size": 2},
    "pvt": STAGES | {"num_attention_heads": [1, 1, 2, 2]},
    "pvt_v2": STAGES | {"num_attention_heads": [1, 1, 2, 2]},
    "segformer": STAGES | {"num_attention_heads": [1, 1, 2, 2]},
    "levit": {"hidden_sizes": [32, 48, 64], "depths": [1, 1, 1], "key_dim": [8] * 3, "num_attention_heads": [2, 3, 4]},
    "mobilevit": {"hidden_sizes": [24, 32, 40], "neck_hidden_sizes": [8, 8, 16, 16, 16, 16, 32]},
    "mobilevitv2": {"width_multiplier": 0.5},
    "swiftformer": {"depths": [1, 1, 1, 1], "embed_dims": [16, 24, 32, 40]},
    "bit": STAGES | {"embedding_size": 8, "num_groups": 4},
    "hiera": {"embed_dim": 8, "depths": [1, 1, 2, 1]},
    "textnet": {},
}
"""By type: settings that make it small."""


def listed(library: str) -> Iterator[str]:
    """The names of the networks to be tried."""
    if library == "hf":
        for kind, settings in TRANSFORMERS.items():
            fields = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
            yield str(Spelling("hf", kind, fields))
        return
    names = {"timm": TIMM.split(), "torchvision": TORCHVISION.split()}
    names["pytorchcv"] = [f"{name}_cifar10" for name in PYTORCHCV_SMALL.split()] + PYTORCHCV_LARGE.split()
    yield from (f"{library}:{name}" for name in names[library])


PACKAGES = {"timm": "timm", "torchvision": "torchvision", "hf": "transformers", "pytorchcv": "pytorchcv"}


def sizes(name: str) -> tuple[int, ...]:
    """Heights of images, the smallest first: the library's own where the network takes no small ones."""
    own = libraries.default_size(name)
    return (own,) if own <= SMALL_IMAGE else (SMALL_IMAGE, own)


def row(name: str, methods: bool) -> dict[str, Any]:
    """What came of one network."""
    refused: list[str] = []
    try:
        name = nets.resolve(name)
        heights = sizes(name)
    except SpecError as error:
        return {"split": False, "why": f"{error}"[:400]}
    for height in heights:
        image = (CHANNELS, height, height)
        torch.manual_seed(0)
        start = time.process_time()
        try:
            net = nets.create(name, CLASSES, CHANNELS, height)
            shapes = net.shapes(image)
        except Exception as error:  # whatever it is, it is the result
            refused.append(f"{type(error).__name__}: {error}"[:400])
            continue
        made: dict[str, Any] = {"split": True, "blocks": len(net), "cpu_seconds": round(time.process_time() - start, 1)}
        made |= {"features": shapes.features, "pooled": shapes.pooled[0], "image": height}
        if methods:
            made["steps"] = steps(net, name, image)
        return made
    return {"split": False, "why": refused[0], "refused": refused}


def steps(net: BlockNet, name: str, image: tuple[int, int, int]) -> dict[str, str]:
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
        for method in METHODS:
            done[f"{method} as {role}"] = attempt(choose(Method, method), pair, own, taught, batch)
    for role, learner, student in (("teacher", net, OTHER), ("student", other, name)):
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
    parser.add_argument("--libraries", default=",".join(PACKAGES))
    parser.add_argument("--only", default="", help="names separated by commas; all")
    parser.add_argument("--methods", action=argparse.BooleanOptionalAction, default=True, help="whether steps are done, too")
    parser.add_argument("--go-on", action="store_true", help="keep what the file holds, and do the others")
    parser.add_argument("--threads", default=torch.get_num_threads(), type=int)
    parser.add_argument("--out", default=os.devnull, type=Path, help="JSON file; written after every network")
    options = parser.parse_args()
    options.device = "cpu"
    torch.set_num_threads(options.threads)
    result = about(options) | {"versions": {}, "networks": {}}
    if options.go_on and options.out.is_file():
        result["networks"] = json.loads(options.out.read_text())["networks"]
    only = [name for name in options.only.split(",") if name]
    for library in options.libraries.split(","):
        try:
            libraries.names(library)
        except SpecError as error:
            print(f"{library} is left out: {error}")
            continue
        result["versions"][library] = version(PACKAGES[library])
        for name in listed(library):
            if (only and name.partition(":")[2] not in only) or name in result["networks"]:
                continue
            entry = row(name, options.methods)
            result["networks"][name] = entry | {"commit": result["commit"]}
            wrong = [f"{key}: {said}" for key, said in entry.get("steps", {}).items() if said != "ok"]
            print(f"{name:40}", entry.get("why") or f"{entry['blocks']} blocks", *wrong, sep="  ", flush=True)
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
