"""How to open an SLCAN adapter whose dialect is not known.

Lawicel and USBtin answer CR or BEL, stock canable2 answers nothing, CANable 2.5 nothing or `#`; a command
that a dialect does not have is refused or ignored. So every dialect is sent the same commands, and none is
waited for longer than it takes an adapter that answers at all.
"""

from __future__ import annotations

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocols import Step

# S7 is 800 kbit/s to Lawicel, Linux, USBtin, ESP32RET and CANable 2.5, and 750 kbit/s to stock canable2: 800
# is what the protocol's own manual says, and no car's bus is known to run at 750.
BITRATE_CODES = {
    10_000: b"0",
    20_000: b"1",
    50_000: b"2",
    100_000: b"3",
    125_000: b"4",
    250_000: b"5",
    500_000: b"6",
    800_000: b"7",
    1_000_000: b"8",
}
# USB adapters take any rate; ESP32RET's UART runs at 1 Mbaud, converters with an FTDI at up to 2 or 3.
BAUDS = (115_200, 1_000_000, 2_000_000, 921_600, 500_000, 460_800, 230_400, 57_600, 3_000_000)
CLOSING = b"C\r"
# An answer takes a USB frame or two; a slow UART and a controller that starts take longer.
SHORT_S = 0.05
START_S = 0.2


def opening(bitrate: int | None, listen_only: bool) -> tuple[Step, ...]:
    """Close, set the bit rate (bit/s; None keeps the adapter's), ask for millisecond stamps, open.

    Listening only is `L` to most, but `M1` and then `O` to CANables, where `L` is unknown or the bus load. An
    `O` after a good `L` would be refused by Lawicel but would let ESP32RET transmit: it is left out where `L`
    was answered by CR, and another `L` behind it closes the gap should that answer have come late.
    Never a bare CR: stock canable2 sends its last frame again. `C` comes twice because the first may only end
    a line left unfinished. ConfigurationError if SLCAN has no code for the bit rate.
    """
    steps = [Step(b"C\r", SHORT_S), Step(b"C\r", SHORT_S)]
    if bitrate is not None:
        if bitrate not in BITRATE_CODES:
            known = ", ".join(str(rate) for rate in BITRATE_CODES)
            raise ConfigurationError(f"SLCAN has no bit rate {bitrate}", mend=f"it has {known}")
        steps.append(Step(b"S" + BITRATE_CODES[bitrate] + b"\r", SHORT_S))
    steps.append(Step(b"Z1\r", SHORT_S))
    if listen_only:
        steps += [
            Step(b"M1\r", SHORT_S),
            Step(b"L\r", START_S),
            Step(b"O\r", START_S, unless=b"\r"),
            Step(b"L\r", SHORT_S),
        ]
    else:
        steps += [Step(b"M0\r", SHORT_S), Step(b"O\r", START_S)]
    return tuple(steps)
