"""The program ``textclf``, also as ``python -m textclf``."""

import signal


def main() -> None:
    """Run the command line; Ctrl-C while its modules are imported ends the process without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the command line sets its own
    from textclf.cli import main as run

    run()


if __name__ == "__main__":  # a worker process imports this module anew
    main()
