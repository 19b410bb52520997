"""`python -m corral`: the command line, where the `corral` script is not on PATH."""

from corral.cli import main

if __name__ == "__main__":
    main()
