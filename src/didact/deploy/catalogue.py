"""The devices that didact knows: the three of the GTN poster's table, microcontrollers, phones, a
small computer.

Figures are those of the sources named beside them. A source that writes KB or MB of a chip's memory
means the binary units; where it is only about right ("roughly 8 MB", "4.2 Mbytes"), the decimal
unit is taken, which is the smaller.
"""

from __future__ import annotations

from didact.deploy.device import Device
from didact.spec import UNITS

KIB, MIB, GIB, MB = UNITS["KiB"], UNITS["MiB"], UNITS["GiB"], UNITS["MB"]
READ = "2026-11-21"

_ETHOS = "WikiChip: Ethos, table of the N series, https://en.wikichip.org/w/index.php?title=arm_holdings/ethos&oldid=95852"
_PHONE = "The source does not say how much of it one app may take."

DEVICES = (
    Device(
        name="ethos-n77-1mb",
        what="neural accelerator for phones, its smallest memory",
        memory=1 * MIB,
        bits=(8, 16),
        source=_ETHOS,
        date=READ,
        note="Memory on the chip; the system's own is not counted.",
    ),
    Device(
        name="ethos-n77",
        what="neural accelerator for phones, its largest memory",
        memory=4 * MIB,
        bits=(8, 16),
        source=_ETHOS,
        date=READ,
        note="Memory on the chip; the system's own is not counted.",
    ),
    Device(
        name="edge-tpu",
        what="Coral neural accelerator",
        memory=8 * MB,
        bits=(8,),
        source="Google Coral: Edge TPU Compiler, https://coral.ai/docs/edgetpu/compiler/, and Google Coral Edge TPU, "
        "https://applied-ee.github.io/embedded/docs/edge-ai/hardware-accelerators/coral-edge-tpu/",
        date=READ,
        note="Memory on the chip; weights that do not fit are sent by the host for every image, which is slow.",
    ),
    Device(
        name="raspberry-pi",
        what="single-board computer, Raspberry Pi 3 Model B+",
        memory=1 * GIB,
        source="Raspberry Pi Documentation: Raspberry Pi hardware, "
        "https://www.raspberrypi.com/documentation/computers/raspberry-pi.html",
        date=READ,
        note="All of its memory; the operating system takes a part.",
    ),
    Device(
        name="stm32h743",
        what="microcontroller, Arm Cortex-M7",
        memory=1 * MIB,
        weight_memory=2 * MIB,
        source="The Linux Kernel: STM32H743 Overview, https://docs.kernel.org/arch/arm/stm32/stm32h743-overview.html",
        date=READ,
        note="Its RAM is several regions; that one tensor must fit into one of them is not looked at.",
    ),
    Device(
        name="stm32n6570-dk",
        what="board with a microcontroller, Arm Cortex-M55 and Neural-ART accelerator",
        memory=42 * MB // 10,
        weight_memory=128 * MIB,
        bits=(8,),
        source="STM32N6 NPU Deployment, Politecnico di Milano: hardware, "
        "https://giacomocolosio02.github.io/stm32n6-docs/hardware_page.html",
        date=READ,
        note="Weights lie in the board's external flash. The accelerator runs quantised networks.",
    ),
    Device(
        name="esp32-s3fn8",
        what="microcontroller with Wi-Fi, Xtensa LX7",
        memory=512 * KIB,
        weight_memory=8 * MIB,
        source="Espressif: products, ESP32-S3 Series, https://www.espressif.com/en/products/socs/esp32-c4; flash of the FN8: "
        "https://github.com/sivar2311/ESP32-PlatformIO-Flash-and-PSRAM-configurations",
        date=READ,
    ),
    Device(
        name="pico-2",
        what="board with a microcontroller, Raspberry Pi RP2350",
        memory=520 * KIB,
        weight_memory=4 * MIB,
        source="Raspberry Pi Documentation: Pico-series microcontrollers, "
        "https://www.raspberrypi.com/documentation/microcontrollers/pico-series.html",
        date=READ,
    ),
    Device(
        name="nrf5340",
        what="microcontroller with Bluetooth, Arm Cortex-M33 (application core)",
        memory=512 * KIB,
        weight_memory=1 * MIB,
        source="Zephyr 2.4.0: nrf5340_cpuapp_qkaa.dtsi, "
        "https://elixir.bootlin.com/zephyr/v2.4.0/source/dts/arm/nordic/nrf5340_cpuapp_qkaa.dtsi",
        date=READ,
    ),
    Device(
        name="max78000",
        what="microcontroller with a neural accelerator",
        memory=512 * KIB,
        weight_memory=432 * KIB,
        bits=(8,),
        source="Analog Devices: MAX78000/MAX78002 Model Training and Synthesis, "
        "https://github.com/analogdevicesinc/ai8x-synthesis",
        date=READ,
        note="The accelerator's own memories. Weights of 1, 2 or 4 bits are possible too, activations stay at 8. Its limits "
        "on layers, channels and sizes are not looked at.",
    ),
    Device(
        name="pixel-6a",
        what="phone",
        memory=6 * GIB,
        source="LineageOS Wiki: Google Pixel 6a, https://wiki.lineageos.org/devices/bluejay/",
        date=READ,
        note=_PHONE,
    ),
    Device(
        name="pixel-9a",
        what="phone",
        memory=8 * GIB,
        source="LineageOS Wiki: Google Pixel 9a, https://wiki.lineageos.org/devices/tegu/",
        date=READ,
        note=_PHONE,
    ),
    Device(
        name="jetson-orin-nano",
        what="module with a GPU, Jetson Orin Nano 8GB",
        memory=8 * GIB,
        source="NVIDIA: Jetson Orin Nano Series data sheet (a copy), "
        "https://www.scribd.com/document/673174036/Orin-nano-datasheet",
        date=READ,
        note="Shared by processor, GPU and operating system.",
    ),
)
"""The poster's three first; the Ethos-N77 in its smallest and its largest form."""
