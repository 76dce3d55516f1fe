"""What methods, networks and settings say of themselves."""
