"""A folder with everything that the commands of the documents name, at toy scale."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from didact import create
from support import pictures
from support.documents import Command, documents

PLACEHOLDERS = {
    "METHOD": "kd",
    "RECIPE": "modern",
    "RUN": "DIGEST",
    "FOLDER": "shared",
    "FILE.tar": "shared.tar",
    "FILE.onnx": "student.onnx",
    "HOST:6379": "head.example:6379",
    "$head:6379": "head.example:6379",
    "N": "9",
    "mymodule:make": "didact.papers.gtn:study",
}
"""What stands for something of the reader's, and what the tests take for it. DIGEST is filled in where a command is run."""

A_DIGEST = re.compile(r"(?!bf16$)(?=[0-9]*[a-f])[0-9a-f]{4,16}(,[0-9a-f]{4,16})*")
"""The beginning of a digest that somebody got."""

NETWORK = ["--net", "resnet8", "--teacher.net", "resnet20"]


def words(command: Command) -> list[str]:
    """The words of a command, with placeholders filled, brackets of optional parts removed, and what an ellipsis
    stands for left out, or replaced by two networks."""
    text = re.sub(r"\[(--[^]]*)\]", r"\1", command.text).replace("[,DIGEST...]", ",DIGEST")
    found: list[str] = []
    cut = False
    for word in Command(command.page, command.line, text, command.inline).words:
        if word.startswith("..."):
            cut = True
            if found[-1].startswith("--"):  # such as --data ...
                found.pop()
        elif not cut or word.startswith("--"):
            cut = False
            found.append("DIGEST" if A_DIGEST.fullmatch(word) else PLACEHOLDERS.get(word, word))
    if "..." in command.text and found[0] in ("train", "advise") and "--net" not in found:
        found += NETWORK[:2] if found[-2:] == ["--method", "ce"] else NETWORK
    return found


def furnish(folder: Path) -> None:
    """Write what the commands name: files of Python code, as the documents print them, images, arrays and weights."""
    for page in documents():
        for snippet in page.snippets:
            if snippet.file is not None:
                with (folder / snippet.file).open("a", encoding="utf-8") as file:
                    file.write(snippet.code)
    draw_shapes(folder)
    for name in ("flowers/train", "flowers/test"):
        pictures.classes(folder / name, {"daisy": 6, "rose": 6}, height=40, width=40)
    pictures.classes(folder / "labelled" / "test", {"daisy": 6, "rose": 6}, height=40, width=40)
    torch.save(create("resnet32x4", num_classes=2).state_dict(), folder / "flowers.pth")
    own: dict[str, Any] = {}
    exec((folder / "mynets.py").read_text(encoding="utf-8"), own)
    torch.save(own["large"](num_classes=2, in_channels=3).state_dict(), folder / "large.pth")
    pictures.classes(folder, {"photographs": 6}, height=40, width=40)
    for name in ("cat.jpg", "dog.png"):
        pictures.picture(folder / name, 32, 32)
    draw = np.random.default_rng(0)
    images, labels = draw.integers(0, 255, (60, 3, 16, 16), dtype=np.uint8), np.arange(60) % 3
    arrays = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    np.savez(folder / "flowers.npz", allow_pickle=False, **arrays)
    for name, net in (("start.pth", "resnet8x4"), *((name, "resnet32x4") for name in CHECKPOINTS)):
        torch.save(create(net, num_classes=100 if net == "resnet32x4" else 10).state_dict(), folder / name)


def draw_shapes(folder: Path) -> None:
    """Run the tutorial's script in the folder, for few images."""
    path = folder / "make_shapes.py"
    few, count = re.subn(r'"train": \d+, "test": \d+', '"train": 6, "test": 4', path.read_text(encoding="utf-8"))
    assert count == 1
    with contextlib.chdir(folder):
        exec(compile(few, str(path), "exec"), {"__name__": "make_shapes"})


CHECKPOINTS = ("checkpoint.pth", "ckpt.pth", "ckpt_epoch_240.pth")
