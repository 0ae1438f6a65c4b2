"""Replay: run a log or another program's capture through the recorder's computation again."""
