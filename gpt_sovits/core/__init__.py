"""The floor everybody stands on: configuration, errors, checkpoint files, devices, the prepared dataset's layout."""
