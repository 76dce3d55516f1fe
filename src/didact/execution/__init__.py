"""Trains the runs that are missing from a store."""
