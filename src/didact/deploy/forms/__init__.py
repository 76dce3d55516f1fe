"""Forms of exported files, one file each: what a network becomes, and which runtime runs it."""
