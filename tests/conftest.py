"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# A shared machine may stall any example; what is slow is for tests/bench to say.
settings.register_profile("stagelog", deadline=None)
settings.load_profile("stagelog")
