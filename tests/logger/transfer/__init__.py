"""Tests of logger.transfer."""
