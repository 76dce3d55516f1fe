"""What networks answered, kept on disk so that nobody computes it twice.

Beside a Record: results computed from it (:mod:`.results`). For later students: a teacher's outputs
(:mod:`.series`), read or computed batch by batch (:mod:`.epoch`).
"""

from didact.store.answers.series import Answers, Keep

__all__ = ["Answers", "Keep"]
