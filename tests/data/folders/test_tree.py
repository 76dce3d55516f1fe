"""Layouts of folders: what is for training, what is for the test, and what is refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from didact.data.folders.tree import Tree, look
from didact.spec import SpecError
from support.pictures import classes, picture


def shown(tree: Tree) -> tuple[dict[str, int], dict[str, int]]:
    """Training and test images by path, with their labels."""
    train, test = (dict(zip(part.paths, part.labels.tolist(), strict=True)) for part in (tree.train, tree.test))
    return train, test


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@pytest.mark.parametrize("test", ["test", "val", "validation"])
def test_two_parts_with_class_folders(tmp_path: Path, test: str) -> None:
    touch(
        tmp_path / "train/b/2.png", tmp_path / "train/b/1.JPG", tmp_path / "train/a/deep/er.png", tmp_path / test / "b/7.png"
    )
    tree = look(str(tmp_path))
    assert tree.names == ("a", "b")
    assert shown(tree) == ({"train/a/deep/er.png": 0, "train/b/1.JPG": 1, "train/b/2.png": 1}, {f"{test}/b/7.png": 1})
    assert tree.notes[0] == "2 classes, 3 training and 1 test images; 1 (a) to 2 (b) training images a class"
    assert "no test image of a" in tree.notes


def test_labelled_test_images_go_before_those_for_validation(tmp_path: Path) -> None:
    touch(*(tmp_path / part / name / "1.png" for part in ("train", "val", "test") for name in "ab"))
    tree = look(str(tmp_path))
    assert [*shown(tree)[1]] == ["test/a/1.png", "test/b/1.png"]
    assert "left out: val/, as other images are for the test" in tree.notes


def test_one_folder_of_classes_is_cut_alike_wherever_it_lies(tmp_path: Path) -> None:
    trees = []
    for where in ("here", "there"):
        touch(*(tmp_path / where / name / f"{at}.png" for name, count in (("a", 10), ("b", 2)) for at in range(count)))
        trees.append(look(str(tmp_path / where)))
    assert shown(trees[0]) == shown(trees[1])
    train, test = shown(trees[0])
    assert [[*part.values()].count(label) for part in (train, test) for label in (0, 1)] == [8, 1, 2, 1]
    assert not train.keys() & test.keys()
    assert "one image in 5 of each class, drawn by a fixed seed, is for the test" in trees[0].notes


@pytest.mark.parametrize(
    "line", ["val_0.JPEG\tn2\t0\t0\t9\t9", "val_0.JPEG 1", "val_0,n2 3 4 5 6", "ImageId,Class\nval_0,n2 3"]
)
def test_published_lists_of_validation_images(tmp_path: Path, line: str) -> None:
    touch(*(tmp_path / f"train/{wnid}/images/{wnid}_0.JPEG" for wnid in ("n1", "n2")))
    touch(tmp_path / "train/n1/n1_boxes.txt", tmp_path / "val/images/val_0.JPEG", tmp_path / "test/images/test_0.JPEG")
    (tmp_path / "val" / ("LOC_val_solution.csv" if "," in line else "val_annotations.txt")).write_text(line + "\n")
    assert shown(look(str(tmp_path)))[1] == {"val/images/val_0.JPEG": 1}


def test_the_ground_truth_of_imagenet(tmp_path: Path) -> None:
    touch(*(tmp_path / f"train/{wnid}/x.JPEG" for wnid in ("n1", "n2")), *(tmp_path / f"val/v_{at}.JPEG" for at in range(3)))
    kit = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    kit.mkdir(parents=True)
    (kit / "ILSVRC2012_validation_ground_truth.txt").write_text("2\n1\n2\n")
    with pytest.raises(SpecError, match=r"an order that meta\.mat of the same development kit holds"):
        look(str(tmp_path))
    kind = np.dtype([("ILSVRC2012_ID", "u2"), ("WNID", "O")])
    savemat(kit / "meta.mat", {"synsets": np.array([(2, "n1"), (1, "n2")], kind)})
    assert [*shown(look(str(tmp_path)))[1].values()] == [0, 0, 1]


def test_a_csv_file(tmp_path: Path) -> None:
    touch(*(tmp_path / f"{at}.png" for at in range(5)))
    file = tmp_path / "labels.csv"
    file.write_text("path,label,split\n0.png,b,train\n1.png,a,train\n2.png,a,val\n")
    tree = look(str(file))
    assert (tree.names, shown(tree)) == (("a", "b"), ({"1.png": 0, "0.png": 1}, {"2.png": 0}))
    file.write_text("label,path\n" + "".join(f"{'ab'[at % 2]},{at}.png\n" for at in range(5)))
    assert (len(look(str(file)).train.paths), len(look(str(file)).test.paths)) == (3, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\n1.png,a\n", "expected the columns path, label and, if wanted, split, found ['file', 'label']"),
        ("path,label\n", "lists no image"),
        ("path,label\n1.png,\n", "line 2: expected a path and a label"),
        ("path,label\n/1.png,a\n", "line 2: paths are relative to the folder of the CSV file, found '/1.png'"),
        ("path,label\n1.png,a\n1.png,b\n", "lists 1.png twice"),
        ("path,label,split\n1.png,a,tset\n", "line 2: the split is one of train, val, validation, test, found 'tset'"),
        ("path,label\n1.png,a\n2.png,a\n", "holds one class, a; at least two are told apart"),
        ("path,label,split\n1.png,a,train\n2.png,b,test\n", "holds no training image of b"),
    ],
)
def test_faults_of_a_csv_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(SpecError) as error:
        look(str(tmp_path / "labels.csv"))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["readme.txt"], "holds no image; expected train/<class>/ and test/<class>/, or <class>/"),
        (["1.png"], "holds no class folder; put the images of each class into a folder of their own"),
        (["a/1.png", "a/2.png"], "holds one class, a; at least two are told apart"),
        (["a/1.png", "a/2.png", "b/1.png"], "the class b has one image; it needs one for the test, too"),
        (["a/1.png", "b/note.txt"], "the class folder b holds no image; remove it, or put images into it"),
        (["train/a/1.png", "train/b/1.png", "test/c/1.png", "test/a/1.png"], "test: training has no class c; it has a, b"),
        (["train/a/1.png", "train/b/1.png", "test/A/1.png"], "expected a folder of each class of train (a, b)"),
        (["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/x"], "test: the class folder b holds no image"),
    ],
)
def test_folders_that_are_refused(tmp_path: Path, files: list[str], message: str) -> None:
    touch(*(tmp_path / file for file in files))
    with pytest.raises(SpecError) as error:
        look(str(tmp_path))
    assert message in str(error.value)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"there is no folder .*nowhere; write the path of a folder of images"):
        look(str(tmp_path / "nowhere"))


def test_what_is_left_out_and_links_are_told(tmp_path: Path) -> None:
    root = classes(tmp_path / "pets", {"cat": 2, "dog": 2})
    picture(tmp_path / "elsewhere.png")
    touch(root / "cat/.hidden.png", root / ".cache/1.png", root / "cat/Thumbs.db", root / "loose.png")
    (root / "dog/linked.png").symlink_to(tmp_path / "elsewhere.png")
    (root / "dog/loop").symlink_to(root / "dog", target_is_directory=True)
    (root / "dog/same.png").symlink_to(root / "cat/000.png")
    tree = look(str(root))
    assert len(tree.train.paths) + len(tree.test.paths) == 6
    assert "left out: hidden files or folders (2)" in tree.notes
    assert "left out: files that are no images (1: .db)" in tree.notes
    assert "followed: links that lead out of the folder (1, such as dog/linked.png)" in tree.notes
    assert "left out: images that lie in no class folder (1)" in tree.notes


def test_a_change_is_noticed(tmp_path: Path) -> None:
    tree = look(str(classes(tmp_path / "pets", {"cat": 2, "dog": 2})))
    assert not tree.changed
    os.utime(tmp_path / "pets/cat", ns=(1, 1))
    assert tree.changed
