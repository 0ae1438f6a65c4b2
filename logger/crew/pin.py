"""Who is let in: the pin, the patience with those who guess it, and the token of those who knew it.

Knows no HTTP and reads no clock. A pin is short, because it is typed with gloves, so guessing is made slow, and
without letting those who guess keep the crew out. Every place has a few guesses and then earns one at a time. A place
that once knew the pin answers for nothing else. All others share a second budget, and when that is spent each still
has its first guesses, which nobody but itself can spend. A refused guess is not even looked at.

    somebody with every address of the car's /24        15 + 253 x 2 guesses at once: 5 % of all four-digit pins
    the same with host = "::"                           256 x 2 more, from IPv6 addresses
    from then on                                        240 an hour: half of all four-digit pins take 19 hours
    who takes over the address of one who knew it       5 at once and 120 an hour more

Who knew the pin gets a token that a key derived from the pin has signed: it survives a restart of the server in the
middle of a stage, and ends when the pin is changed. There is no date in it, because a Pi without a clock has none.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable

from logger.crew.client_key import place

log = logging.getLogger(__name__)

PLACE_GUESSES, PLACE_EVERY_S = 5, 30.0
"""Somebody with gloves mistypes twice; a machine at this rate needs days for four digits."""
SHARED_GUESSES, SHARED_EVERY_S = 15, 15.0
"""The same for a guesser with many addresses."""
FIRST_GUESSES = 2
"""Once in the life of the server: the right pin mistyped once. Each more is another 2.5 % for who has all addresses."""
MAX_PLACES = 256
"""A whole /24. Further places have no first guesses, and of those forgotten the shared budget still holds."""
TOLD_EVERY_S = 60.0
"""The journal hears of guesses so often at most."""
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


class Strangers:
    """The guesses of all places that never knew the pin."""

    def __init__(self) -> None:
        self._shared = Budget(SHARED_GUESSES, SHARED_EVERY_S)
        self._firsts: Counter[str] = Counter()

    def wait_s(self, where: str, now_s: float) -> float:
        """How long until a place may make a guess; 0 for now."""
        shared_s = self._shared.wait_s(now_s)
        return 0.0 if shared_s > 0 and self._has_first(where) else shared_s

    def spend(self, where: str, now_s: float) -> None:
        """A guess was wrong."""
        if self._shared.wait_s(now_s) > 0:
            self._firsts[where] += 1
        else:
            self._shared.spend()

    def _has_first(self, where: str) -> bool:
        if where in self._firsts:
            return self._firsts[where] < FIRST_GUESSES
        # IPv6 addresses cost nothing: they must not use up the places of those who come with IPv4.
        return sum((":" in other) == (":" in where) for other in self._firsts) < MAX_PLACES


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
        self._strangers = Strangers()
        self._unknown: OrderedDict[str, Budget] = OrderedDict()
        self._known: OrderedDict[str, Budget] = OrderedDict()
        self._wrong, self._refused, self._told_s = 0, 0, -math.inf

    def knows(self, guess: str, address: str) -> bool:
        """Whether the guess is the pin. Raises TooManyGuessesError before looking at it."""
        now_s, where = self._clock_s(), place(address)
        is_known = where in self._known
        budget = self._known[where] if is_known else self._budget(where)
        wait_s = budget.wait_s(now_s)
        if not is_known:
            wait_s = max(wait_s, self._strangers.wait_s(where, now_s))
        if wait_s > 0:
            self._refused += 1
            self._tell(address, now_s)
            raise TooManyGuessesError(wait_s)
        # Digests of one length are compared, so that not even the pin's length can be timed.
        right = hmac.compare_digest(hmac.digest(self._key, guess.encode(), "sha256"), self._pin)
        if right:
            _remember(self._known, where, budget)
        else:
            budget.spend()
            if not is_known:
                self._strangers.spend(where, now_s)
            self._wrong += 1
            self._tell(address, now_s)
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

    def _budget(self, where: str) -> Budget:
        budget = self._unknown.get(where) or Budget(PLACE_GUESSES, PLACE_EVERY_S)
        _remember(self._unknown, where, budget)
        return budget

    def _tell(self, address: str, now_s: float) -> None:
        if now_s < self._told_s + TOLD_EVERY_S:
            return
        log.warning(
            "guesses at the pin: %d wrong, %d refused; the last from %s", self._wrong, self._refused, address
        )
        self._wrong, self._refused, self._told_s = 0, 0, now_s


def _remember(budgets: OrderedDict[str, Budget], where: str, budget: Budget) -> None:
    budgets[where] = budget
    budgets.move_to_end(where)
    if len(budgets) > MAX_PLACES:
        budgets.popitem(last=False)
