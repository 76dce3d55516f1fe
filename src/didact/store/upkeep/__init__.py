"""Who uses which run (locks, claims), and what can go: runs and leftovers."""
