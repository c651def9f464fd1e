"""Watching a folder: files are run as they arrive."""
