"""The USB stick: plugged in, it gets the logs that nobody has yet; pulled out, it harms nothing."""
