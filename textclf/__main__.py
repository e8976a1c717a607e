"""Lets ``python -m textclf`` do what ``textclf`` does."""

from textclf.cli import main

if __name__ == "__main__":  # a worker process imports this module anew
    main()
