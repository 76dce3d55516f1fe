"""A trainable distribution over the students of a pool, and the mean cost of its students.

Each decision has a categorical distribution, p = softmax(theta). A draw adds Gumbel noise to theta
and takes the largest entry (Jang, Gu, Poole: Categorical Reparameterization with Gumbel-Softmax
(ICLR 2017), https://arxiv.org/abs/1611.01144). Its straight-through value is 1 in the forward pass
and has the gradient of the softened draw in the backward pass.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.nets.architecture import Stage, stage_parameters
from didact.nets.supernet.pool import Pool, size_of
from didact.nets.supernet.space import Decision, Space


def uniform(pool: Space | Pool, random: torch.Generator) -> tuple[int, ...]:
    """An option's index for each decision, all equally likely. ``random`` is on the CPU."""
    return tuple(int(torch.randint(len(d.options), (), generator=random)) for d in pool.decisions)


class Distribution(nn.Module):
    """A categorical distribution for each decision of a pool, initially uniform.

    Decisions with one option have no parameter.
    """

    def __init__(self, pool: Space | Pool) -> None:
        super().__init__()
        self.pool = pool
        open_ = [d for d in pool.decisions if len(d.options) > 1]
        self.theta = nn.ParameterDict({_key(d): nn.Parameter(torch.zeros(len(d.options))) for d in open_})

    def draw(self, random: torch.Generator, temperature: float = 1.0) -> tuple[tuple[int, ...], dict[str, Tensor]]:
        """Indices of the drawn options, and the straight-through value of each open decision.

        The values are 1 and have a gradient. The indices are read from the device, once for all
        decisions.

        Args:
            random: on the CPU.
            temperature: of the softened draw.
        """
        soft: dict[str, Tensor] = {}
        for d in self.pool.decisions:
            if _key(d) in self.theta:
                theta = self.theta[_key(d)]
                noise = -torch.empty(theta.shape).exponential_(generator=random).log()
                soft[d.name] = F.softmax((F.log_softmax(theta, 0) + noise.to(theta.device)) / temperature, 0)
        indices = torch.stack([s.argmax() for s in soft.values()]).tolist() if soft else []
        picked = dict(zip(soft, indices, strict=True))
        values = {name: soft[name][i] - soft[name][i].detach() + 1 for name, i in picked.items()}
        return tuple(picked.get(d.name, 0) for d in self.pool.decisions), values

    def probabilities(self) -> dict[str, Tensor]:
        """The probability of each option, by the decision's name."""
        ones = {d.name: torch.ones(1) for d in self.pool.decisions if _key(d) not in self.theta}
        return {d.name: F.softmax(self.theta[_key(d)], 0) for d in self.pool.decisions if d.name not in ones} | ones

    def entropy(self) -> Tensor:
        """Sum of the decisions' entropies in nats.

        It is the logarithm of the pool's size for a uniform distribution, and 0 for a single
        student.
        """
        return sum((torch.special.entr(p).sum() for p in self.probabilities().values()), torch.zeros(()))

    def likeliest(self) -> str:
        """The student with each decision's likeliest option."""
        probabilities = self.probabilities()
        return self.pool.name([int(probabilities[d.name].argmax()) for d in self.pool.decisions])


class Capacity(nn.Module):
    """Mean number of parameters of a pool's students, exact and differentiable.

    The decisions are independent, so the mean is a sum over stages of a table (parameters by the
    input width and the stage's own choices), weighted by the probabilities.
    """

    def __init__(self, pool: Space | Pool, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.names: list[tuple[str, ...]] = []
        self.sizes: list[torch.Size] = []
        for names, table in _tables(pool, num_classes, in_channels):
            # flat: a memory format set on a whole module does not fit five dimensions
            self.register_buffer(f"table{len(self.names)}", table.flatten(), persistent=False)
            self.names.append(names)
            self.sizes.append(table.shape)

    def forward(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """The mean under these probabilities (by decision's name), a scalar."""
        parts = []
        for i, names in enumerate(self.names):
            mean = getattr(self, f"table{i}").reshape(self.sizes[i])
            for name in reversed(names):
                mean = (mean * probabilities[name].to(mean.device)).sum(-1)  # not @, which autocast would round to bfloat16
            parts.append(mean)
        return torch.stack(parts).sum()

    def uniform(self) -> Tensor:
        """The mean over the pool."""
        return torch.stack([getattr(self, f"table{i}").mean() for i in range(len(self.names))]).sum()


def _tables(pool: Space | Pool, num_classes: int, in_channels: int) -> list[tuple[tuple[str, ...], Tensor]]:
    """Names of decisions, and the parameters for each combination of their options."""
    if isinstance(pool, Pool):
        sizes = [size_of(name, num_classes, in_channels) for name in pool.members]
        return [(("network",), torch.tensor(sizes, dtype=torch.float32, device="cpu"))]
    options = {d.name: d.options for d in pool.decisions}
    tables: list[tuple[tuple[str, ...], Tensor]] = [
        (("stem",), _table([9.0 * in_channels * w + 2 * w for w in pool.stem], (len(pool.stem),)))
    ]
    before = "stem"
    for i, choices in enumerate(pool.stages, 1):
        names = (before, *(f"stage{i}.{choice}" for choice in ("depth", "width", "kernel", "expansion")))
        counts = [
            float(stage_parameters(pool.kind, int(source), Stage(int(d), int(w), int(k), float(e), choices.stride or 1)))
            for source, d, w, k, e in itertools.product(*(options[n] for n in names))
        ]
        tables.append((names, _table(counts, tuple(len(options[n]) for n in names))))
        before = f"stage{i}.width"
    heads = [
        float(h and w * h + 2 * h) + (h or w) * num_classes + num_classes
        for w, h in ((int(w), int(h)) for w, h in itertools.product(options[before], pool.head))
    ]
    return [*tables, ((before, "head"), _table(heads, (len(options[before]), len(pool.head))))]


def _table(values: list[float], shape: tuple[int, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device="cpu").reshape(shape)


def _key(decision: Decision) -> str:
    return decision.name.replace(".", "_")
