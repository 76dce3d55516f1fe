"""What computes a frozen teacher, where that is not torch: a part of what its student's Run is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from didact.spec import MOST, Seed, spec


@spec
class Engine:
    """An inference engine for the teacher, and the precision in which it computes there."""

    name: Literal["onnx"] = "onnx"
    """ONNX Runtime, on the CPU."""
    precision: Literal["fp32", "int8"] = "fp32"
    """int8 is static: activations of 8 bits without sign, weights of 7 bits with a scale for each
    output channel.
    """
    calibration: Annotated[int, Field(ge=16, le=MOST)] = 512
    """int8: how many training images the ranges of the activations are taken from."""
    seed: Seed = 0
    """int8: which training images these are, and how they are augmented."""

    @model_validator(mode="after")
    def _said(self) -> Engine:
        if self.precision != "int8" and (self.calibration, self.seed) != (Engine.calibration, Engine.seed):
            raise ValueError("calibration and seed are for precision=int8; fp32 is not calibrated")
        return self

    @property
    def label(self) -> str:
        """In a few words: "onnx int8"."""
        return f"{self.name} {self.precision}"
