"""A pool of students as one weight-sharing network.

Space, Choices   a pool that is a product of choices
Pool             a pool that is a list of networks
as_pool          a Space or a Pool from its name or a list
Supernet         the weights that the pool's students share
Distribution     a trainable distribution over students
Capacity         the mean cost of drawn students
"""

from didact.nets.supernet.distribution import Capacity, Distribution, uniform
from didact.nets.supernet.pool import Pool, Students, as_pool
from didact.nets.supernet.shared import Supernet, owner, recalibrated, run_as, weight_slice
from didact.nets.supernet.space import SPACES, Choices, Decision, Space

__all__ = [
    "SPACES",
    "Capacity",
    "Choices",
    "Decision",
    "Distribution",
    "Pool",
    "Space",
    "Students",
    "Supernet",
    "as_pool",
    "owner",
    "recalibrated",
    "run_as",
    "uniform",
    "weight_slice",
]
