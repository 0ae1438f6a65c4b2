"""Titles and units of channels for people, beside the keys that files and alarms use.

One table for every export and page. A channel that it does not list, such as any signal of a car's own DBC file, keeps
its key as its title: that is the name its engineer knows. `motec` is the name by which MoTeC i2 recognises a channel
in its workbooks and maths, and `short` i2's name of at most seven characters for narrow displays.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Title(NamedTuple):
    """A channel's title for people, and its names in MoTeC i2."""

    title: str
    motec: str
    short: str


ENGINE: Final = {
    "rpm": Title("Engine speed", "Engine RPM", "RPM"),
    "throttle_pct": Title("Throttle", "Throttle Pos", "Thr Pos"),
    "load_pct": Title("Engine load", "Engine Load", "Eng Ld"),
    "coolant_c": Title("Coolant temperature", "Engine Temp", "Eng Tmp"),
    "oil_c": Title("Oil temperature", "Eng Oil Temp", "Oil Tmp"),
    "oil_bar": Title("Oil pressure", "Eng Oil Pres", "Oil Prs"),
    "gear": Title("Gear", "Gear", "Gear"),
    "battery_v": Title("Battery voltage", "Battery Voltage", "Bat V"),
    "fuel_pct": Title("Fuel level", "Fuel Level", "Fuel"),
    "ambient_c": Title("Ambient temperature", "Air Temp Ambient", "Air Tmp"),
    "intake_c": Title("Intake temperature", "Air Temp Inlet", "Inl Tmp"),
    "map_kpa": Title("Manifold pressure", "Manifold Pres", "MAP"),
    "maf_gps": Title("Air flow", "Air Flow Mass", "MAF"),
    "speed_kmh": Title("Vehicle speed", "Vehicle Speed", "Veh Spd"),
    "wheel_kmh": Title("Wheel speed", "Wheel Speed", "Whl Spd"),
    "steer_deg": Title("Steering angle", "Steered Angle", "Str Ang"),
    "brake_bar": Title("Brake pressure", "Brake Pres", "Brk Prs"),
}
"""Engine channels by key: those of the presets, and the names that alarms and pages use."""

DRIVE: Final = {
    "lat_deg": Title("Latitude", "GPS Latitude", "GPS Lat"),
    "lon_deg": Title("Longitude", "GPS Longitude", "GPS Lon"),
    "alt_m": Title("Altitude", "GPS Altitude", "GPS Alt"),
    "speed_kmh": Title("Speed", "Ground Speed", "Gnd Spd"),
    "course_deg": Title("Course", "GPS Heading", "GPS Hdg"),
    "quality": Title("Fix quality", "GPS Quality", "GPS Qly"),
    "satellites": Title("Satellites", "GPS Sats Used", "GPS Sat"),
    "hdop": Title("HDOP", "GPS HDOP", "GPS DOP"),
    "section": Title("Section", "Section", "Section"),
    "distance_km": Title("Section distance", "Section Distance", "Sec Dst"),
    "limit_kmh": Title("Speed limit", "Speed Limit", "Limit"),
}
"""Columns of position and stage by their keys in the exports."""

_FOR_PEOPLE: Final = {"1/min": "rpm", "degC": "°C", "degF": "°F"}
_ASCII: Final = {
    "°C": "C",
    "°F": "F",
    "°": "deg",
    "°/s": "deg/s",
    "µs": "us",
    "μs": "us",
    "Ω": "ohm",
    "m/s²": "m/s/s",
}


def engine_title(key: str) -> str:
    """The title of an engine channel; its key if the table does not list it."""
    return ENGINE[key].title if key in ENGINE else key


def unit_title(unit: str) -> str:
    """A channel's unit as people write it: rpm for 1/min, °C for degC."""
    return _FOR_PEOPLE.get(unit, unit)


def ascii_unit(unit: str) -> str:
    """The unit in the ASCII spelling that MoTeC and Racelogic use: C for °C, deg for °."""
    shown = unit_title(unit.strip())
    return _ASCII.get(shown, shown)
