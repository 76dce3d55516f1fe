"""What one training is: a Run, its group of peers, its networks built from real shapes."""
