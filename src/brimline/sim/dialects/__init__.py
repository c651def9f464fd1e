"""The APIs that the simulator speaks, a file for each."""
