"""Data comes in: files become rows, rows become requests, and every problem is found before anything is sent."""
