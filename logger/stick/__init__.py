"""Copy logs not yet downloaded to a USB stick as soon as it is plugged in; pulling it at any time does no harm."""
