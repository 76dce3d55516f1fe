"""Looking at networks: how similar their outputs and representations are."""
