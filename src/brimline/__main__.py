"""`python -m brimline` is `brimline`."""

from brimline.cli.main import main

if __name__ == "__main__":
    main()
