"""`python -m logger` is `stagelog`."""

from logger.cli import main

main()
