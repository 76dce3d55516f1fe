"""Records for Runs: what a store has is read; what it lacks becomes jobs, which an executor has
trained.
"""

from didact.execution.dispatch import execute as execute
from didact.execution.jobs import Outcome as Outcome
from didact.execution.progress import Show as Show
from didact.execution.settings import Execution as Execution
