"""The interface that a distillation method implements, and the inputs that it receives.

A :class:`Method` is a frozen, keyword-only dataclass of hyper-parameters. The training loop asks
five things and never which method answers: what it reads (``needs``), in which ``stages`` it
trains, which parts it adds (``build``), what the loss is (``terms``), and which network to hand on
(``deployed``). Everything else has a default:

- facts about the class, for the rooms above the loop: ``teaches``, ``learns_alone`` and so on;
- ``idle``, before anything is trained: what of the method cannot teach a pair;
- ``metrics``, figures that go into the metrics with the loss;
- for peers, ``sequential``, how they move in a step, and ``refresh``, before every epoch.
"""

from didact.method.context import HeldOut as HeldOut
from didact.method.context import MetricsContext as MetricsContext
from didact.method.context import StepContext as StepContext
from didact.method.context import View as View
from didact.method.contract import Method as Method
from didact.method.contract import Parallel as Parallel
from didact.method.contract import SoftLabels as SoftLabels
from didact.method.contract import Teacher as Teacher
from didact.method.joint import Joint as Joint
from didact.method.pair import Idle as Idle
from didact.method.pair import Pair as Pair
from didact.method.pair import idle_points as idle_points
from didact.method.stage import Clock as Clock
from didact.method.stage import Stage as Stage
from didact.method.stage import initialising as initialising
from didact.method.teaching import ForPool as ForPool
from didact.method.teaching import ForStudent as ForStudent
