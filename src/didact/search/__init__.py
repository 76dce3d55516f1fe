"""Searches a pool of students for those that meet a device's limits."""
