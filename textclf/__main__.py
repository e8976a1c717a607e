"""Lets ``python -m textclf`` do what ``textclf`` does."""

from textclf.cli import main

main()
