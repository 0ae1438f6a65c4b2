"""`python -m logger` is `stagelog`."""

import sys


def start() -> None:
    """The program's entry point. Ctrl-C is quiet also while the command line itself is imported."""
    try:
        from logger.cli.main import main  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(130)
    main()


if __name__ == "__main__":
    start()
