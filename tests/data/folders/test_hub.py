"""Data sets of Hugging Face datasets: every local form becomes a folder of images with the same bytes."""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from didact.data import Data, available, describe, load
from didact.data.folders.hub import exported
from didact.spec import SpecError, from_json

datasets = pytest.importorskip("datasets", reason="needs the library datasets")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    datasets.disable_progress_bars()


def encoded(shade: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((6, 6, 3), shade, np.uint8)).save(file, "PNG")
    return file.getvalue()


def rows(count: int, **more: Any) -> Any:
    names = ["rose", "../ox"]
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)} | dict.fromkeys(
        more, datasets.Value("int64")
    )
    images = [{"bytes": encoded(10 * at), "path": None} for at in range(count)]
    columns = {"image": images, "label": [at % 2 for at in range(count)], **more}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))


def test_saved_to_disk(tmp_path: Path) -> None:
    datasets.DatasetDict(train=rows(6), test=rows(4)).save_to_disk(str(tmp_path / "saved"))
    data = from_json(Data, {"name": f"hf:{tmp_path / 'saved'}"})
    dataset = load(data)
    assert (data.name, data.holds) == ("folder", (2, 6, 4, 6, 6))
    assert dataset.names == ("%2E.%2Fox", "rose")
    assert dataset.train.take(torch.arange(6)).images[:, 0, 0, 0].tolist() == [10, 30, 50, 0, 20, 40]
    place = exported(f"hf:{tmp_path / 'saved'}")
    assert data.spelling == f"folder:{place}"
    assert (place / "test" / "rose" / "00000000.png").read_bytes() == encoded(0)
    assert describe(f"hf:{tmp_path / 'saved'}").train == 6
    assert [path for path in place.parent.iterdir() if path.name.startswith(".")] == []


def test_parquet_files_and_single_sets(tmp_path: Path) -> None:
    rows(10).to_parquet(str(tmp_path / "one.parquet"))
    data = from_json(Data, {"name": f"hf:{tmp_path / 'one.parquet'}"})
    assert data.holds == (2, 8, 2, 6, 6)  # one in five for the test
    (tmp_path / "several").mkdir()
    rows(6).to_parquet(str(tmp_path / "several" / "train-00000-of-00001.parquet"))
    rows(4).to_parquet(str(tmp_path / "several" / "test-00000-of-00001.parquet"))
    assert from_json(Data, {"name": f"hf:{tmp_path / 'several'}"}).holds == (2, 6, 4, 6, 6)


def test_which_column_has_the_labels(tmp_path: Path) -> None:
    rows(10, kind=[at % 5 for at in range(10)]).save_to_disk(str(tmp_path / "saved"))
    assert load(from_json(Data, {"name": f"hf:{tmp_path / 'saved'}#kind"})).names == ("0", "1", "2", "3", "4")
    with pytest.raises(SpecError, match=r"expected a column of labels, found \['other'\].*hf:PATH#COLUMN"):
        from_json(Data, {"name": f"hf:{tmp_path / 'saved'}#other"})


def test_a_test_set_without_labels_is_none(tmp_path: Path) -> None:
    hidden = rows(4).cast_column("label", datasets.Value("int64")).map(lambda row: {"label": -1})
    datasets.DatasetDict(train=rows(10), test=hidden, validation=rows(4)).save_to_disk(str(tmp_path / "saved"))
    data = from_json(Data, {"name": f"hf:{tmp_path / 'saved'}"})
    assert data.holds == (2, 10, 4, 6, 6)
    told: list[str] = []
    available([data], told.append)
    assert [line.partition(": ")[2] for line in told if "split" in line or "hidden" in line] == [
        "left out: the split test, which has no labels"
    ]


def test_a_data_set_without_any_test_label_is_refused(tmp_path: Path) -> None:
    saved = f"hf:{tmp_path / 'saved'}"
    hidden = rows(4).cast_column("label", datasets.Value("int64")).map(lambda row: {"label": -1})
    bare = rows(2).remove_columns("label")
    datasets.DatasetDict(train=rows(10), test=hidden, val=bare, dev=rows(4)).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(SpecError, match=r"the split test has no labels .*#test=SPLIT; with labels are \['train', 'dev'\]"):
        from_json(Data, {"name": saved})
    assert from_json(Data, {"name": f"{saved}#test=dev"}).holds == (2, 10, 4, 6, 6)
    assert from_json(Data, {"name": f"{saved}#label#test=train"}).holds == (2, 8, 2, 6, 6)


def test_what_is_no_such_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"no table")
    (tmp_path / "empty").mkdir()
    for name in ("bad.parquet", "empty", "nowhere/at/all"):
        with pytest.raises(SpecError, match=r"cannot be read .*nothing is downloaded"):
            from_json(Data, {"name": f"hf:{tmp_path / name}"})
    with pytest.raises(SpecError, match=r"cannot be read .*no path is given"):
        from_json(Data, {"name": "hf:"})
    datasets.Dataset.from_dict({"label": [0, 1]}).save_to_disk(str(tmp_path / "numbers"))
    with pytest.raises(SpecError, match="expected one column of images"):
        from_json(Data, {"name": f"hf:{tmp_path / 'numbers'}"})
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(SpecError, match=r"need the library datasets; install it: pip install 'didact-distill\[hf\]'"):
        from_json(Data, {"name": "hf:anything"})
