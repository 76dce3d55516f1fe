"""``didact fit`` and ``didact list devices``, and the page that shows what they print."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from didact.cli.main import main
from didact.deploy.catalogue import DEVICES
from didact.tables.fit import megabytes, memory

Said = pytest.CaptureFixture[str]
PAGE = Path(__file__).parents[2] / "docs" / "devices.md"


def test_the_table(capsys: Said) -> None:
    asked = ["fit", "--pool", "resnet8,ResNet-8x4", "--bits", "8,32", "--target", "edge-tpu,raspberry-pi,stm32h743"]
    assert main(asked) == 0
    shown = capsys.readouterr().out
    rows = [re.split("  +", line) for line in shown.splitlines()]
    lines = {name: cells for name, *cells in rows}
    assert lines["weights (MB)"] == ["0.0839", "0.336", "1.23", "4.93"]
    assert lines["activations (MB)"] == ["0.0492", "0.197", "0.197", "0.786"]
    assert lines["edge-tpu"] == ["✓", "✗ not in 32 bit", "✓", "✗ not in 32 bit"]
    assert lines["raspberry-pi"] == ["✓"] * 4
    assert lines["stm32h743"][:3] == ["✓"] * 3 and lines["stm32h743"][3].startswith("✗ lacks 2.84 MB for")
    assert "1 MB = 1,000,000 bytes" in shown


def test_json_gives_bytes(capsys: Said) -> None:
    assert main(["fit", "--pool", "resnet8x4", "--bits", "8", "--target", "pico-2,nrf5340", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["network"], row["bits"], row["parameters"]) == ("resnet8x4", 8, 1_233_540)
    assert (row["weights"], row["activations"]) == (1_233_540, 196_608)
    lacking = {"device": "nrf5340", "fits": False, "limit": "weights", "missing": {"weights": 1_233_540 - 2**20}}
    assert row["devices"] == [{"device": "pico-2", "fits": True, "limit": "", "missing": {}}, lacking]


def test_images_of_a_data_set_or_one_s_own(capsys: Said) -> None:
    def weights(*more: str) -> tuple[int, int]:
        assert main(["fit", "--pool", "resnet8", "--bits", "8", "--target", "pico-2", "--json", *more]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        return row["weights"], row["activations"]

    assert weights() == weights("--data", "CIFAR-100") == weights("--image", "3x32x32", "--classes", "100")
    # one channel less by two: 9 x 2 x 16 weights of the stem; 90 classes less: 65 each; a quarter of the pixels
    assert weights("--data", "digits") == (83_892 - 288 - 65 * 90, 49_152 // 4)
    assert weights("--image", "3x64x64", "--classes", "200") == (83_892 + 65 * 100, 4 * 49_152)


def test_several_tables_for_many_networks(capsys: Said) -> None:
    pool = "resnet8,resnet14,resnet20,vgg8"
    assert main(["fit", "--pool", pool, "--bits", "8", "--target", "pico-2", "--format", "markdown"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("| weights (MB) |") == 2
    for name in pool.split(","):
        assert shown.count(f"{name}, 8 bit") == 1


def test_devices_of_one_s_own(tmp_path: Path, capsys: Said) -> None:
    path = tmp_path / "my.json"
    path.write_text(
        json.dumps([{"name": "my-board", "what": "ours", "memory": "100 kB", "weight_memory": "80 kB", "bits": [4, 8]}])
    )
    asked = ["fit", "--pool", "resnet8", "--devices", str(path), "--json"]
    assert main([*asked, "--bits", "8"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert [one["device"] for one in row["devices"]] == [*(device.name for device in DEVICES), "my-board"]
    assert row["devices"][-1]["missing"] == {"weights": 3_892}
    assert main([*asked, "--bits", "4", "--target", "my-board"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert [one["fits"] for one in row["devices"]] == [True]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--pool", "resnet88"], "'resnet88' is neither a pool nor a network; did you mean"),
        (["--pool", ","], "name at least one network"),
        (["--bits", "8,x"], "bits: whole numbers from 1 to 32, separated by commas, found 'x'"),
        (["--bits", "33"], "found '33'"),
        (["--bits", "0"], "found '0'"),
        (["--bits", ""], "bits: whole numbers from 1 to 32"),
        (["--target", "edge-tup"], "unknown device 'edge-tup'; did you mean 'edge-tpu'"),
        (["--target", ""], "name at least one device"),
        (["--devices", "none.json"], "cannot read devices from 'none.json'"),
        (["--data", "cifar101"], "did you mean 'cifar10' or 'cifar100'"),
        (["--data", "digits", "--image", "3x32x32"], "write either --data, or --image and --classes"),
        (["--image", "3x32x32"], "--image and --classes belong together"),
        (["--classes", "10"], "--image and --classes belong together"),
        (
            ["--image", "32x32", "--classes", "10"],
            "channels x height x width, such as 3x32x32, each from 1 to 4096; found '32x32'",
        ),
        (["--image", "3x32x0", "--classes", "10"], "channels x height x width"),
        (["--image", "3x32x32", "--classes", "0"], "--classes: expected 1 or more (found 0)"),
        (["--pool", "vgg8", "--image", "3x2x2", "--classes", "10"], "vgg8: images of 2x2 do not survive"),
    ],
)
def test_misuse(more: list[str], said: str, capsys: Said) -> None:
    pool = [] if "--pool" in more else ["--pool", "resnet8"]
    assert main(["fit", *pool, *more]) == 2
    shown = capsys.readouterr()
    assert said in shown.err and not shown.out


def test_list_devices(capsys: Said) -> None:
    assert main(["list", "devices", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == [device.name for device in DEVICES]
    assert main(["list", "devices"]) == 0
    assert "raspberry-pi" in capsys.readouterr().out


def test_sizes_as_text() -> None:
    assert [memory(n) for n in (2**30, 520 * 1024, 4_200_000, 8_000_000)] == ["1 GiB", "520 KiB", "4.2 MB", "8 MB"]
    assert [megabytes(n) for n in (1, 83_892, 7_150_000, 999_499_999, 999_600_000, 8 * 2**30)] == [
        "1e-06",
        "0.0839",
        "7.15",
        "999",
        "1000",
        "8590",
    ]


def test_the_page_shows_what_the_commands_print(capsys: Said) -> None:
    page = PAGE.read_text(encoding="utf-8")
    asked = next(line for line in page.splitlines() if line.startswith("    didact fit "))
    for command in ([*asked.split()[1:], "--format", "markdown"], ["list", "devices", "--format", "markdown"]):
        assert main(command) == 0
        shown = capsys.readouterr().out.strip()
        assert shown in page, f"docs/devices.md differs from what didact {' '.join(command)} prints"
