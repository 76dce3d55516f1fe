"""Which teacher to train for a request, before anything is trained: what earlier trials say, and
what each teacher costs.
"""
