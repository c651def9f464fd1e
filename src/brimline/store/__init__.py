"""The store keeps what is known on disk: results, attempts, turns, and whose they are."""
