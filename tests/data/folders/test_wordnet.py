"""Some classes of a folder, by a list: ImageNet-200 out of ImageNet, in every layout in which it is published."""

from pathlib import Path

import pytest

from didact.data import Data, load
from didact.data.folders.contents import contents
from didact.data.folders.wordnet import TINY, TINY_IMAGENET, divided, listed
from didact.request.command import alone
from didact.request.plan import plan
from didact.spec import SpecError, from_json
from support.pictures import classes, picture

WNIDS = ("n01440764", "n01443537", "n01629819", "n02002724")
"""The middle two are among Tiny ImageNet's."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr("didact.data.folders.wordnet.TINY_IMAGENET", WNIDS[1:3])


def imagenet(root: Path) -> Path:
    classes(root / "train", dict.fromkeys(WNIDS, 3))
    for number in range(8):
        picture(root / "val" / f"ILSVRC2012_val_0000000{number + 1}.JPEG", shade=number)
    return root


def test_the_classes_of_tiny_imagenet() -> None:
    assert len(TINY_IMAGENET) == len(set(TINY_IMAGENET)) == 200
    assert {"n01443537", "n12267677"} <= set(TINY_IMAGENET)
    assert all(len(wnid) == 9 and wnid[0] == "n" for wnid in TINY_IMAGENET)


def test_val_by_its_list(tmp_path: Path) -> None:
    root = imagenet(tmp_path / "imagenet")
    rows = [f"ILSVRC2012_val_0000000{number + 1},{WNIDS[number % 4]} 1 2 3 4" for number in range(8)]
    (root / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + "\n".join(rows))
    whole, some = contents(f"folder:{root}"), contents(f"folder:{root}#{TINY}")
    assert (len(whole.tree.test.paths), len(some.tree.test.paths), len(some.tree.train.paths)) == (8, 4, 6)
    assert some.tree.names == WNIDS[1:3]
    assert some.tree.test.labels.tolist() == [0, 0, 1, 1]
    assert some.tree.test.paths[0] == "val/ILSVRC2012_val_00000002.JPEG"
    assert some.checksum != whole.checksum
    assert "2 of 4 classes, which tiny-imagenet names" in some.tree.notes
    (root / "LOC_val_solution.csv").unlink()
    (root / "val.txt").write_text("\n".join(f"ILSVRC2012_val_0000000{n + 1}.JPEG {n % 4}" for n in range(8)))
    assert contents(f"folder:{root}#{TINY}").tree.test.labels.tolist() == [0, 0, 1, 1]


def test_val_sorted_into_folders(tmp_path: Path) -> None:
    classes(tmp_path / "imagenet" / "train", dict.fromkeys(WNIDS, 3))
    classes(tmp_path / "imagenet" / "val", dict.fromkeys(WNIDS, 2))
    some = contents(f"folder:{tmp_path / 'imagenet'}#{TINY}").tree
    assert (some.names, len(some.train.paths), len(some.test.paths)) == (WNIDS[1:3], 6, 4)


def test_a_list_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classes(tmp_path / "all", dict.fromkeys(WNIDS, 5))
    chosen = tmp_path / "some.txt"
    chosen.write_text("n02002724 black stork\n\nn01440764\ttench\n")
    monkeypatch.chdir(tmp_path)
    data = from_json(Data, {"name": "folder:all#some.txt", "size": 6})
    assert load(data).names == ("n01440764", "n02002724")
    assert data.spelling == f"folder:{tmp_path / 'all'}#{chosen}"
    assert from_json(Data, {"name": data.spelling, "size": 6}) == data
    (run,) = plan({"net": "resnet8", "data": {"name": "folder:all#some.txt", "size": 6}}, "cpu")
    assert f"#{chosen}" in str(alone(run, tmp_path))
    chosen.write_text("n02002724\nn01443537\nn01440764\n")
    assert len(contents("folder:all#some.txt").tree.names) == 3
    (tmp_path / "odd#name").mkdir()
    assert divided(str(tmp_path / "odd#name")) == (str(tmp_path / "odd#name"), None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n01440764\nn01440764\n", "some.txt names 'n01440764' twice"),
        ("\n \n", "some.txt names no class"),
        ("n01440764\nn00000000\n", "has no class n00000000, which the list of classes names; it has n01440764"),
        ("n01440764\n", "holds one class, n01440764"),
        (None, r"some.txt cannot be read: No such file or directory; write tiny-imagenet, or a file"),
    ],
)
def test_lists_that_are_wrong(tmp_path: Path, text: str | None, message: str) -> None:
    classes(tmp_path / "all", dict.fromkeys(WNIDS, 2))
    if text is not None:
        (tmp_path / "some.txt").write_text(text)
    with pytest.raises(SpecError, match=message):
        contents(f"folder:{tmp_path / 'all'}#{tmp_path / 'some.txt'}")


def test_a_csv_file_has_no_list(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("path,label\n")
    with pytest.raises(SpecError, match="is a CSV file; leave out of it what is not wanted"):
        contents(f"folder:{tmp_path / 'a.csv'}#{TINY}")
    assert listed(TINY)
