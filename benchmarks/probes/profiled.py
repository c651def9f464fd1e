"""`brimline` under the profiler. Usage: `profiled.py DUMP ARGUMENTS...`."""

import cProfile
import sys

from brimline.cli.main import main

if __name__ == "__main__":
    dump, *arguments = sys.argv[1:]
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        main(arguments)
    finally:
        profiler.disable()
        profiler.dump_stats(dump)
