"""Pictures from Records."""
