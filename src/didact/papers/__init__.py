"""The papers' studies: grids of Runs with the published numbers beside them, one file a paper."""
