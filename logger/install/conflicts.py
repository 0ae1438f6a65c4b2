"""What a configuration needs and its installation does not have."""

from __future__ import annotations

from collections.abc import Mapping

from logger.config.configuration import Config
from logger.install.plan import CONFIGURATION
from logger.install.reach import out_of_reach


def conflicts(config: Config, bound: Mapping[str, str], options: tuple[str, ...]) -> list[str]:
    """The conflicts between a configuration and the installed ports and options."""
    ports = {
        "gps_port": [config.gps.port] if config.gps else [],
        "can_port": [can.port for can in config.can],
    }
    found = [
        f'{CONFIGURATION} does not name {port}: write port = "{port}" there'
        for option, port in bound.items()
        if port and port not in ports[option]
    ]
    found += [f"{path}: {what}; {hint}" for path, what, hint in out_of_reach(config)]
    if config.shutdown is not None and "power-off" not in options:
        found.append(
            "[shutdown] is set, but no service executes it; `sudo stagelog install --with power-off`"
        )
    if config.clock.chrony is not None and "chrony" not in options:
        found.append("[clock] chrony is set, but chrony is not set up; `sudo stagelog install --with chrony`")
    if "socketcan" not in options:
        found += [
            f"the recorder may not read {can.port}; `sudo stagelog install --with socketcan`"
            for can in config.can
            if can.is_interface
        ]
    if config.gps is not None and config.gps.is_gpsd and "gpsd" not in options:
        found.append("[gps] names gpsd, but the recorder has no network; `sudo stagelog install --with gpsd`")
    return found
