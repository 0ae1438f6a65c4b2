"""Run stagelog with `python -m logger`."""

import sys


def start() -> None:
    """The program's entry point. Ctrl-C exits quietly even while the command line is being imported."""
    try:
        from logger.cli.main import main  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(130)
    main()


if __name__ == "__main__":
    start()
