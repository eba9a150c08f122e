"""The databases of `within=`, one per file or some."""
