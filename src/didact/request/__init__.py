"""From settings to Runs, and from a Run back to the command that trains it."""
