"""Pin check with rate limits on guesses, and signed tokens for clients that entered the pin.

Knows no HTTP and reads no clock. A pin is short, because it is typed with gloves, so guesses are rate-limited, in a
way that an attacker cannot use to lock the crew out. Each client (client_key.py) has a few guesses and then earns one
at a time. A client that has entered the pin is limited by its own guesses alone. All others share a second budget;
when that is spent, each client still has its first guesses, which no other client can use up. A refused guess is not
compared with the pin.

    a client with every address of the car's /24        15 + 253 x 2 guesses at once: 5 % of all four-digit pins
    the same with host = "::"                           256 x 2 more, from IPv6 addresses
    afterwards                                          240 per hour: half of all four-digit pins take 19 hours
    a client that takes over a known client's address   5 at once and 120 per hour more

A client that enters the pin gets a token, signed with a key derived from the pin. It survives a restart of the server
in the middle of a stage, and is void when the pin changes. It has no date, because a Pi may have no clock.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable

from logger.crew.client_key import client_key

log = logging.getLogger(__name__)

CLIENT_GUESSES, CLIENT_EVERY_S = 5, 30.0
"""A person with gloves mistypes twice; a program at this rate needs days for four digits."""
SHARED_GUESSES, SHARED_EVERY_S = 15, 15.0
"""The same for an attacker with many addresses."""
FIRST_GUESSES = 2
"""Once in a run of the server: one mistyped pin and the right one. One more gives an attacker with all addresses 2.5 %
more."""
MAX_CLIENTS = 256
"""A whole /24. Further clients have no first guesses; the shared budget also limits clients that were forgotten."""
LOG_EVERY_S = 60.0
"""Guesses are logged at most this often."""
_KEY_COST = 2**14
"""scrypt: 16 MB and about a tenth of a second on a Pi, once at the start."""


class Budget:
    """Token bucket of wrong guesses: `burst` at once, then one more every `every_s`."""

    def __init__(self, burst: int, every_s: float) -> None:
        self._burst, self._every_s = float(burst), every_s
        self._left, self._at_s = self._burst, 0.0

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next guess is allowed; 0 if it is allowed now."""
        self._left = min(self._burst, self._left + (now_s - self._at_s) / self._every_s)
        self._at_s = now_s
        return max(0.0, (1.0 - self._left) * self._every_s)

    def spend(self) -> None:
        """Count a wrong guess."""
        self._left -= 1.0


class UnknownClients:
    """The shared budget of all clients that have not entered the pin."""

    def __init__(self) -> None:
        self._shared = Budget(SHARED_GUESSES, SHARED_EVERY_S)
        self._firsts: Counter[str] = Counter()

    def wait_s(self, client: str, now_s: float) -> float:
        """Seconds until a client's next guess is allowed; 0 if it is allowed now."""
        shared_s = self._shared.wait_s(now_s)
        return 0.0 if shared_s > 0 and self._has_first(client) else shared_s

    def spend(self, client: str, now_s: float) -> None:
        """Count a wrong guess."""
        if self._shared.wait_s(now_s) > 0:
            self._firsts[client] += 1
        else:
            self._shared.spend()

    def _has_first(self, client: str) -> bool:
        if client in self._firsts:
            return self._firsts[client] < FIRST_GUESSES
        # An attacker has unlimited IPv6 addresses: they must not use up the entries of IPv4 clients.
        return sum((":" in other) == (":" in client) for other in self._firsts) < MAX_CLIENTS


class TooManyGuessesError(Exception):
    """The guess was refused; try again after `wait_s`."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many wrong pins; wait {wait_s:.0f} s")
        self.wait_s = wait_s


class Gate:
    """Accept clients that know the pin; without a pin (None) accept all. `clock_s` is monotonic."""

    def __init__(self, pin: str | None, salt: bytes, clock_s: Callable[[], float]) -> None:
        self.open = pin is None
        self._clock_s = clock_s
        self._key = b"" if pin is None else hashlib.scrypt(pin.encode(), salt=salt, n=_KEY_COST, r=8, p=1)
        self._pin = b"" if pin is None else hmac.digest(self._key, pin.encode(), "sha256")
        self._unknown_clients = UnknownClients()
        self._unknown: OrderedDict[str, Budget] = OrderedDict()
        self._known: OrderedDict[str, Budget] = OrderedDict()
        self._wrong, self._refused, self._logged_s = 0, 0, -math.inf

    def accepts_pin(self, guess: str, address: str) -> bool:
        """Whether the guess is the pin. Raises TooManyGuessesError, before comparing it, if no guess is left."""
        now_s, client = self._clock_s(), client_key(address)
        is_known = client in self._known
        budget = self._known[client] if is_known else self._budget(client)
        wait_s = budget.wait_s(now_s)
        if not is_known:
            wait_s = max(wait_s, self._unknown_clients.wait_s(client, now_s))
        if wait_s > 0:
            self._refused += 1
            self._log(address, now_s)
            raise TooManyGuessesError(wait_s)
        # Digests of equal length are compared, so that timing does not reveal the pin's length either.
        right = hmac.compare_digest(hmac.digest(self._key, guess.encode(), "sha256"), self._pin)
        if right:
            _remember(self._known, client, budget)
        else:
            budget.spend()
            if not is_known:
                self._unknown_clients.spend(client, now_s)
            self._wrong += 1
            self._log(address, now_s)
        return right

    def token(self) -> str:
        """A new token for a client that entered the pin."""
        name = secrets.token_hex(16)
        return f"{name}.{self._sign(name)}"

    def accepts_token(self, token: str) -> bool:
        """Whether a token has a valid signature."""
        name, _, signature = token.partition(".")
        return hmac.compare_digest(signature.encode(), self._sign(name).encode())

    def _sign(self, name: str) -> str:
        return hmac.new(self._key, b"session " + name.encode(), "sha256").hexdigest()

    def _budget(self, client: str) -> Budget:
        budget = self._unknown.get(client) or Budget(CLIENT_GUESSES, CLIENT_EVERY_S)
        _remember(self._unknown, client, budget)
        return budget

    def _log(self, address: str, now_s: float) -> None:
        if now_s < self._logged_s + LOG_EVERY_S:
            return
        log.warning(
            "pin guesses: %d wrong, %d refused; the last from %s", self._wrong, self._refused, address
        )
        self._wrong, self._refused, self._logged_s = 0, 0, now_s


def _remember(budgets: OrderedDict[str, Budget], client: str, budget: Budget) -> None:
    budgets[client] = budget
    budgets.move_to_end(client)
    if len(budgets) > MAX_CLIENTS:
        budgets.popitem(last=False)
