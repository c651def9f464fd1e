"""How fast, how close to the limits and how small: measured, never asserted in a test."""
