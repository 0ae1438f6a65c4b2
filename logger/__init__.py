"""The logger: records a drive, shows it to the crew and judges it afterwards."""
