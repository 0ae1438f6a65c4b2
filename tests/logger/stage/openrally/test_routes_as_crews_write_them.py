"""Kinds of waypoints as crews and programs write them, in several languages; laps."""

from __future__ import annotations

import math
from io import BytesIO

import pytest

from logger.stage.openrally import waypoint_words
from logger.stage.openrally.read import Imported, read
from tests.logger.stage.openrally.route_files import warned
from tests.logger.stage.openrally.test_routes_of_other_programs import plain, timed

KM = (1, 5, 10, 12, 29)


def kinds(result: Imported) -> list[tuple[str, float, float | None]]:
    """(kind, kilometre, limit) of the timed section's waypoints."""
    return [(w.kind, round(w.km), w.speed_kmh) for w in timed(result).waypoints]


EXPECTED = [("dss", 0, None), ("wpm", 4, None), ("dz", 9, 50), ("fz", 11, None), ("ass", 28, None)]


@pytest.mark.parametrize(
    "names",
    [
        ["01 DSS", "02 WPM", "03 DZ 50", "04 FZ", "05 ASS"],
        ["1-DSS", "2-WPM", "3-DZ50", "4-FZ", "5-ASS"],
        ["001_DSS", "002_WPM", "003_DZ_50", "004_FZ", "005_ASS"],
        ["#1 DSS", "#2 WPM", "#3 DZ 50", "#4 FZ", "#5 ASS"],
        ["SS1 DSS", "WPM 3", "SS1 DZ 50", "SS1 FZ", "SS1 ASS"],
        ["KM 1.00 DSS", "KM 5,00 WPM", "KM 10.00 DZ 50", "KM 12.00 FZ", "29.00 ASS"],
        ["[DSS]", "(WPM)", "[DZ] 50", "[FZ]", "[ASS]"],
        [
            "Départ spéciale (DSS)",
            "WPM - pont",
            "Début zone 50 km/h (DZ)",
            "Fin de zone (FZ)",
            "Arrivée (ASS)",
        ],
        [
            "Start of selective section",
            "Masked waypoint",
            "Start of speed zone, max 50",
            "End of zone",
            "Finish SS",
        ],
        [
            "Départ secteur sélectif",
            "Waypoint masqué",
            "Début de zone 50 km/h",
            "Fin de zone",
            "Arrivée spéciale",
        ],
        ["Salida sector selectivo", "Waypoint oculto", "Inicio zona 50 km/h", "Fin zona", "Llegada especial"],
        ["1|Kind: DSS", "2|Type=WPM", "3|(DZ) 50", "4|fz", "5|ass"],
        [
            "1|Salida especial",
            "2|Waypoint oculto",
            "3|Inicio de zona: V50",
            "4|Fin de zona",
            "5|Llegada de la especial",
        ],
    ],
)
def test_kinds_after_numbers_and_spelled_out(names: list[str]) -> None:
    names = [
        name.replace("zone 50", "zone, max 50") if "|" not in name and "km/h" not in name else name
        for name in names
    ]
    assert kinds(plain(list(zip(KM, names, strict=True)))) == EXPECTED


@pytest.mark.parametrize(
    "names",
    [
        ["Départ SS", "WP masqué", "Début zone 50", "Fin zone", "Arrivée SS"],
        ["Départ spéciale 1", "Waypoint masqué 5", "Zone 50 km/h début", "Zone 50 km/h fin", "Arrivée spéciale 1"],
        ["DEPART DE SPECIALE", "WPM", "ENTREE ZONE DE VITESSE 50", "SORTIE ZONE DE VITESSE", "ARRIVEE DE SPECIALE"],
        ["Inicio especial", "WP oculto", "Entrada zona 50", "Salida zona", "Meta especial"],
        ["Salida Tramo", "Waypoint enmascarado", "Inicio zona de velocidad 50", "Fin zona", "Llegada Tramo"],
        ["Salida de la etapa especial", "WPM", "Zona de velocidad 50", "Salida de la zona", "Llegada especial"],
        ["Start SS1", "Masked WP", "Speed zone start 50", "Speed zone end", "Finish SS1"],
        ["Special Start", "WPM", "Speed control 50 km/h start", "Speed control end", "Special Finish"],
        ["SS START", "WPM", "SZ 50", "SZ END", "SS FINISH"],
        ["DSS", "WPM", "50 km/h zone", "exit of the zone", "ASS"],
        ["DSS", "WPM1", "DZ1 50", "FZ1", "ASS"],
        ["1|<b>DSS</b>", "2|<b>WPM</b><br/>300 m", "3|<p>DZ</p> max 50", "4|<b>FZ</b>", "5|<i>ASS</i>"],
        ["Início especial", "WPM", "Início zona 50", "Fim zona", "Fim especial"],
    ],
)  # fmt: skip
def test_zones_that_are_entered_and_left(names: list[str]) -> None:
    names = [name.replace("<", "&lt;").replace(">", "&gt;") if "|<" in name else name for name in names]
    assert kinds(plain(list(zip(KM, names, strict=True)))) == EXPECTED


def test_waypoints_without_a_kind_are_listed() -> None:
    names = ["DSS", "Oued", "Geschwindigkeitszone 30", "007", "ASS"]
    result = plain(list(zip(KM, names, strict=True)))
    assert '2 waypoints name no kind, left out: "Oued", "Geschwindigkeitszone 30"' in warned(result)


def test_tracks_that_do_not_follow_each_other() -> None:
    """Some programs write tracks in alphabetical order."""
    parts = ""
    for first, last in ((10, 290), (0, 10), (290, 300)):
        points = "".join(f'<trkpt lat="{45 + n / 1112:.6f}" lon="5"/>' for n in range(first, last + 1))
        parts += f"<trk><trkseg>{points}</trkseg></trk>"
    result = read(BytesIO(f"<gpx>{parts}</gpx>".encode()), "parts.gpx")
    assert "the trkpt points have a gap of 29.0 km: check the order of the tracks" in warned(result)


@pytest.mark.parametrize(
    ("text", "speed_kmh"),
    [
        ("DZ1", None),  # the first zone, not 1 km/h
        ("DZ1 V50", 50),
        ("DZ2|Velocidad maxima: 50", 50),
        ("DZ3|Vitesse limitée à 50 km/h", 50),
        ("DZ 30mph", 48.28032),
        ("DZ12", None),
        ("DZ1|V2 of the roadbook", None),
        ("DZ|12", None),  # the number of the note
        ("DZ/70", 70),
        ("DZ1 90", 90),
        ("DZ (50)", 50),
        ("DZ=50", 50),
        ("DZ @ 50", 50),
        ("DZ|Límite 50", 50),
        ("DZ1 90 m", None),  # a radius
        ("DZ2|zone 3 of 4", None),
    ],
)
def test_the_limit_and_the_number_of_a_zone(text: str, speed_kmh: float | None) -> None:
    zone = timed(plain([(0, "DSS"), (5, text), (8, "FZ"), (29, "ASS")])).waypoints[1]
    assert zone.speed_kmh == (None if speed_kmh is None else pytest.approx(speed_kmh))


@pytest.mark.parametrize(
    "text",
    [
        "dune after the end of the zone", "Depart", "Fin", "Zone industrielle", "Control", "Final", "Meta volante",
        "WP12", "Waypoint 3", "Start", "SS2", "Point 4", "la zona verde", "", "End of asphalt",
        "Zone 3", "Salida del pueblo", "Exit 12", "Meta",
    ],
)  # fmt: skip
def test_words_that_are_not_a_kind(text: str) -> None:
    assert waypoint_words.kind(text) == ""


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Passage control", "cp"), ("Contrôle de passage", "cp"), ("Control de paso 2", "cp"), ("Checkpoint 3", "cp"),
        ("Time control", "tc"), ("Contrôle horaire", "tc"), ("Control horario 4", "tc"),
        ("Safety waypoint", "wps"), ("Waypoint de sécurité", "wps"), ("WP eclipse", "wpe"),
        ("Début neutralisation 15 min", "dn"), ("Fin de la neutralización", "fn"), ("Inicio transferencia", "dt"),
    ],
)  # fmt: skip
def test_words_that_are_a_kind(text: str, kind: str) -> None:
    assert waypoint_words.kind(text) == kind


def loop(km: float) -> tuple[float, float]:
    """A position on a loop of 10 km."""
    turn, radius_deg = math.tau * km / 10, 10 / math.tau / 111.2
    return 45 + radius_deg * math.sin(turn), 5 + radius_deg * (1 - math.cos(turn)) / math.cos(
        math.radians(45)
    )


def driven_twice(*waypoints: tuple[float, str]) -> Imported:
    points = [(*loop(km), name) for km, name in waypoints]
    body = "".join(
        f'<wpt lat="{lat:.6f}" lon="{lon:.6f}"><name>{name}</name></wpt>' for lat, lon, name in points
    )
    track = "".join('<trkpt lat="{:.6f}" lon="{:.6f}"/>'.format(*loop(n / 20)) for n in range(401))
    file = f'<gpx version="1.0" xmlns="http://www.topografix.com/GPX/1/0">{body}<trk><trkseg>{track}</trkseg></trk></gpx>'
    return read(BytesIO(file.encode()), "loop.gpx")


def test_a_road_driven_out_and_back() -> None:
    """Both passes are equally near; rounding errors must not choose."""

    def there(km: float) -> str:
        return f'lat="{45 + min(km, 30 - km) / 111.195:.7f}" lon="5"'

    names = ["DSS", "WPM", "DZ 50", "FZ", "ASS"]
    body = "".join(f"<wpt {there(km)}><name>{name}</name></wpt>" for km, name in zip(KM, names, strict=True))
    track = "".join(f"<trkpt {there(n / 10)}/>" for n in range(301))
    file = f"<gpx>{body}<trk><trkseg>{track}</trkseg></trk></gpx>"
    assert kinds(read(BytesIO(file.encode()), "back.gpx")) == EXPECTED


LAPS = [("dss", 0, None), ("cp", 4, None), ("cp", 14, None), ("ass", 18, None)]


def test_a_loop_that_is_driven_twice() -> None:
    assert kinds(driven_twice((1, "DSS"), (5, "CP1"), (15, "CP2"), (19, "ASS"))) == LAPS


def test_kilometres_in_names_select_the_lap_in_any_order() -> None:
    named = [(1, "DSS:90:1.00"), (5, "CP1:90:5.00"), (15, "CP2:90:15.00"), (19, "ASS:90:19.00")]
    assert kinds(driven_twice(*named)) == LAPS
    shuffled = driven_twice(*named[2:], *named[:2])
    assert kinds(shuffled) == LAPS
    assert "the waypoints are not in the order of their kilometres: sorted by kilometre" in warned(shuffled)


def test_a_blank_line_before_the_file() -> None:
    points = b'<trkpt lat="1" lon="1"/><trkpt lat="1.1" lon="1"/>'
    file = b'\r\n<?xml version="1.0"?><gpx><trk><trkseg>' + points + b"</trkseg></trk></gpx>"
    assert read(BytesIO(file), "r.gpx").itinerary.sections


def test_a_route_of_garmins_follows_the_road_between_its_points() -> None:
    """BaseCamp keeps the road in each route point's extension: here a kilometre east, north, and back west."""
    stops = [(0, "Bivouac"), (1, "DSS"), (5, "CP1"), (12, "ASS"), (20, "Bivouac")]
    points = ""
    for (km, name), (km_after, _) in zip(stops, [*stops[1:], stops[-1]], strict=True):
        lats = [45 + each / 111.195 for each in (km, km_after)]
        road = (
            "".join(f'<gpxx:rpt lat="{lat:.6f}" lon="5.0127182"/>' for lat in lats) if km != km_after else ""
        )
        extension = f"<extensions><gpxx:RoutePointExtension>{road}</gpxx:RoutePointExtension></extensions>"
        points += f'<rtept lat="{lats[0]:.6f}" lon="5"><name>{name}</name>{extension}</rtept>'
    garmin = 'xmlns:gpxx="http://www.garmin.com/xmlschemas/GpxExtensions/v3"'
    file = f'<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1" {garmin}><rte>{points}</rte></gpx>'
    result = read(BytesIO(file.encode()), "basecamp.gpx")
    assert [round(section.length_km) for section in result.itinerary.sections] == [3, 15, 10]
    assert [(w.kind, round(w.km)) for w in timed(result).waypoints] == [("dss", 0), ("cp", 6), ("ass", 15)]
