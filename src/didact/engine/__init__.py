"""The training loop: recipes, learners, the step, evaluation, and what is written to disk. It knows
no method by name.
"""
