"""Types of tensors, batches, the outputs of networks, and the outputs that a method reads.

Shapes are written with jaxtyping and enforced in the tests only. ``b`` batch, ``c`` channels, ``h
w`` height and width, ``k`` classes, ``d`` width of a vector.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from didact.spec import SpecError, nearest, shown

Images = Float[Tensor, "b c h w"]
Pixels = UInt8[Tensor, "b c h w"]
Labels = Int[Tensor, "b"]
Logits = Float[Tensor, "b k"]
Targets = Int[Tensor, "b"] | Float[Tensor, "b k"]
"""Classes, or a probability for every class."""
Feature = Float[Tensor, "b c h w"]
TeacherFeature = Float[Tensor, "b ct ht wt"]
Vector = Float[Tensor, "b d"]
Scalar = Float[Tensor, ""]

PARTS = frozenset({"logits", "pooled", "features", "preacts", "stem"})
"""Outputs of a network that a method can read; the names of the fields of :class:`Outputs`."""


def answered(logits: Logits) -> Bool[Tensor, " b"]:
    """Which rows hold an answer: their highest logit is finite. Classes may be masked with -inf."""
    return logits.amax(1).isfinite()


def same_shape(one: Tensor, other: Tensor) -> None:
    """Refuse tensors that would be broadcast to one another, which gives a number that means
    nothing.

    Raises:
        ValueError: their shapes differ.
    """
    if one.shape != other.shape:
        raise ValueError(f"{_both(one, other)}: both must have the same shape")


def same_images(one: Tensor, other: Tensor) -> None:
    """Refuse tensors of batches of two lengths; what follows the first dimension may differ.

    Raises:
        ValueError: their first dimensions differ.
    """
    if one.shape[:1] != other.shape[:1]:  # torch.export would take len for a constant
        raise ValueError(f"{_both(one, other)}: both must be of the same images")


def rows(*tensors: Tensor) -> None:
    """Refuse tensors that are no row for each image, (b, k): a softmax over the second dimension of others gives a
    number that means nothing.

    Raises:
        ValueError: one has another number of dimensions.
    """
    for one in tensors:
        if one.ndim != 2:
            raise ValueError(f"a row for each image is needed, (images, values), found a tensor of shape {tuple(one.shape)}")


def maps(*tensors: Tensor) -> None:
    """Refuse tensors that are no maps, (b, c, h, w).

    Raises:
        ValueError: one has another number of dimensions.
    """
    for one in tensors:
        if one.ndim != 4:
            hint = "; vectors become maps by v[:, :, None, None]" if one.ndim == 2 else ""
            raise ValueError(
                f"a map is needed, (images, channels, height, width), found a tensor of shape {tuple(one.shape)}{hint}"
            )


def _both(one: Tensor, other: Tensor) -> str:
    return f"tensors of shapes {tuple(one.shape)} and {tuple(other.shape)} are to be compared"


@dataclass(frozen=True)
class Batch:
    """Images as the networks receive them (augmented, normalised). All tensors are on one device.

    Attributes:
        images: (b, c, h, w).
        labels: classes, (b,); for mixed images the class with the larger share.
        index: position of each image in the training set, (b,); CRD's memory uses it.
        views: other versions of the same images, by the names in :class:`Needs` (SSKD's rotations:
            four rows for each image).
        soft: probability of every class, (b, k), for mixed images or smoothed labels; else None.
        labelled: how many images have a label, and stand before those that have none (labels of
            -1); None where all have one.
    """

    images: Tensor
    labels: Tensor
    index: Tensor
    views: dict[str, Tensor] = field(default_factory=dict)
    soft: Tensor | None = None
    labelled: int | None = None

    @property
    def targets(self) -> Tensor:
        """Targets of a cross entropy: probabilities (b, k) if there are any, otherwise classes
        (b,)."""
        return self.labels if self.soft is None else self.soft

    def __len__(self) -> int:
        return self.images.shape[0]


@dataclass(frozen=True)
class Outputs:
    """The outputs of a network for a batch. A part that no method reads, or that a slice lacks, is
    None or empty.

    Attributes:
        logits: class scores, (b, k).
        pooled: the input of the classifier, (b, d).
        features: the feature after each block, (b, c, h, w) each; the stem is not a block.
        preacts: the same features before their last activation; equal to the features without one.
        stem: the input of the first block, (b, c, h, w).
    """

    logits: Tensor | None = None
    pooled: Tensor | None = None
    features: tuple[Tensor, ...] = ()
    preacts: tuple[Tensor, ...] = ()
    stem: Tensor | None = None

    def only(self, parts: frozenset[str]) -> Outputs:
        """Only ``parts`` of these outputs, so that memory of the others can be freed.

        Raises:
            SpecError: a part that networks do not have.
        """
        _check_parts("parts", parts)
        return Outputs(**{f.name: getattr(self, f.name) for f in fields(self) if f.name in parts})

    def detached(self) -> Outputs:
        """The same values, detached from the graph."""
        return Outputs(
            logits=None if self.logits is None else self.logits.detach(),
            pooled=None if self.pooled is None else self.pooled.detach(),
            features=tuple(f.detach() for f in self.features),
            preacts=tuple(f.detach() for f in self.preacts),
            stem=None if self.stem is None else self.stem.detach(),
        )


@dataclass(frozen=True)
class Needs:
    """The parts of :class:`Outputs` that a method reads, and the further views of the images.

    Attributes:
        own, teacher, peers: parts of the network's own outputs, of the teacher's and of the peers'.
        views: names of further views; the networks then also run on each, for the same parts.
        main: whether the networks run on the batch's own images. A view can contain them already.
        own_images: whether the network gets its own augmentation of the images instead of the one
            that the cohort shares. A teacher gets the shared one.
        held: whether the method receives, before every epoch, the outputs of its network and the
            peers for held-out images.

    Raises:
        SpecError: a part that networks do not have.
    """

    own: frozenset[str] = frozenset({"logits"})
    teacher: frozenset[str] = frozenset()
    peers: frozenset[str] = frozenset()
    views: frozenset[str] = frozenset()
    main: bool = True
    own_images: bool = False
    held: bool = False

    def __post_init__(self) -> None:
        _check_parts("needs", self.own | self.teacher | self.peers)


def _check_parts(setting: str, parts: frozenset[str]) -> None:
    if not parts <= PARTS:
        name = min(parts - PARTS)
        raise SpecError(f"{setting}: a network has no output {shown(name)}{nearest(name, PARTS)}")


def reads(
    own: str = "logits",
    teacher: str = "",
    peers: str = "",
    views: str = "",
    main: bool = True,
    *,
    own_images: bool = False,
    held: bool = False,
) -> Needs:
    """:class:`Needs` from words: ``reads("logits features", teacher="features")``."""
    own_parts, teacher_parts, peer_parts, names = (frozenset(words.split()) for words in (own, teacher, peers, views))
    return Needs(own_parts, teacher_parts, peer_parts, names, main, own_images, held)
