"""The core decides: no asyncio, no clock, no files, no third party. Time comes in as an argument."""
