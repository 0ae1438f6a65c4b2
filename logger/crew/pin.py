"""Who is let in: the pin, the patience with those who guess it, and the token of those who knew it.

Knows no HTTP and reads no clock. A pin is short, because it is typed with gloves, so guessing is made slow:
each address has a few guesses and then earns one at a time, and all addresses together have not many more. A
refused guess is not even looked at. Who knew the pin gets a token that a key derived from the pin has signed:
it survives a restart of the server in the middle of a stage, and ends when the pin is changed. There is no
date in it, because a Pi without a clock has none.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable

from logger.crew.places import place

ADDRESS_GUESSES, ADDRESS_EVERY_S = 5, 30.0
"""Somebody with gloves mistypes twice; a machine at this rate needs days for four digits."""
ALL_GUESSES, ALL_EVERY_S = 15, 15.0
"""The same for a guesser with many addresses: half of all four-digit pins take a day."""
MAX_ADDRESSES = 256
"""Addresses remembered; the budget of all together still holds for those that are forgotten."""
_KEY_COST = 2**14
"""scrypt: 16 MB and about a tenth of a second on a Pi, once at the start."""


class Budget:
    """Guesses that may be wrong: `most` at once, then one more every `every_s`."""

    def __init__(self, most: int, every_s: float) -> None:
        self._most, self._every_s = float(most), every_s
        self._left, self._at_s = self._most, 0.0

    def wait_s(self, now_s: float) -> float:
        """How long until a guess may be made; 0 for now."""
        self._left = min(self._most, self._left + (now_s - self._at_s) / self._every_s)
        self._at_s = now_s
        return max(0.0, (1.0 - self._left) * self._every_s)

    def spend(self) -> None:
        """A guess was wrong."""
        self._left -= 1.0


class TooManyGuessesError(Exception):
    """No guess is taken now; `wait_s` says for how long."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many wrong pins; wait {wait_s:.0f} s")
        self.wait_s = wait_s


class Gate:
    """Lets in those who know the pin; without a pin (None) everybody. `clock_s` is monotonic."""

    def __init__(self, pin: str | None, salt: bytes, clock_s: Callable[[], float]) -> None:
        self.open = pin is None
        self._clock_s = clock_s
        self._key = b"" if pin is None else hashlib.scrypt(pin.encode(), salt=salt, n=_KEY_COST, r=8, p=1)
        self._pin = b"" if pin is None else hmac.digest(self._key, pin.encode(), "sha256")
        self._all = Budget(ALL_GUESSES, ALL_EVERY_S)
        self._addresses: OrderedDict[str, Budget] = OrderedDict()

    def knows(self, guess: str, address: str) -> bool:
        """Whether the guess is the pin. Raises TooManyGuessesError before looking at it."""
        now_s, budget = self._clock_s(), self._budget(address)
        wait_s = max(budget.wait_s(now_s), self._all.wait_s(now_s))
        if wait_s > 0:
            raise TooManyGuessesError(wait_s)
        # Digests of one length are compared, so that not even the pin's length can be timed.
        right = hmac.compare_digest(hmac.digest(self._key, guess.encode(), "sha256"), self._pin)
        if not right:
            budget.spend()
            self._all.spend()
        return right

    def token(self) -> str:
        """A new token for somebody who knew the pin."""
        name = secrets.token_hex(16)
        return f"{name}.{self._sign(name)}"

    def admits(self, token: str) -> bool:
        """Whether a token is one of ours."""
        name, _, signature = token.partition(".")
        return hmac.compare_digest(signature.encode(), self._sign(name).encode())

    def _sign(self, name: str) -> str:
        return hmac.new(self._key, b"session " + name.encode(), "sha256").hexdigest()

    def _budget(self, address: str) -> Budget:
        where = place(address)
        budget = self._addresses.pop(where, None) or Budget(ADDRESS_GUESSES, ADDRESS_EVERY_S)
        self._addresses[where] = budget
        if len(self._addresses) > MAX_ADDRESSES:
            self._addresses.popitem(last=False)
        return budget
