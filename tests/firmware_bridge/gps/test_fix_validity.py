"""Fix builder: denied fixes, jumps, unreadable fields."""

import pytest

from firmware_bridge.gps.fix_builder import FixBuilder
from tests.firmware_bridge.nmea_lines import GNS, LAT, PLACE, fixes_of, gga, line, north_of, rmc, utc

# No fix is never a position ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "texts",
    [
        [rmc("120000.00", status="V")],
        [rmc("120000.00", status="V"), gga("120000.00")],
        [gga("120000.00"), rmc("120000.00", status="V")],
        [rmc("120000.00", mode="N")],
        [gga("120000.00", quality="0")],
        [rmc("120000.00"), gga("120000.00", quality="0")],
        [gga("120000.00", place=",,,")],
        [gga("120000.00", place="0000.00000,N,00000.00000,E")],
        [GNS.replace("AAN", "NNN")],
        [line(f"GNGLL,{PLACE},120000.00,V,N")],
        [line(f"GNGLL,{PLACE},120000.00,N,V")],
        [rmc("120000.00", place="36000.0000,N,72000.0000,E", status="V")],
    ],
)
def test_a_denied_fix_has_no_position_speed_or_course(texts: list[str]) -> None:
    (fix,) = fixes_of(texts)
    assert fix.quality == 0
    assert fix[2:7] == (None, None, None, None, None)


def test_navigational_status_v_of_nmea_41_is_no_denial() -> None:
    (fix,) = fixes_of([rmc("120000.00").replace("*", ",V*")])
    assert fix.lat == pytest.approx(LAT)


def test_dead_reckoning_and_rtk_keep_their_quality() -> None:
    for quality in (2, 4, 5, 6):
        (fix,) = fixes_of([rmc("120000.00"), gga("120000.00", quality=str(quality))])
        assert fix.quality == quality


# The gate ------------------------------------------------------------------------------------------------


def drive(*north_m: float) -> list[str]:
    return [rmc(f"1200{second:02}.00", place=north_of(metres)) for second, metres in enumerate(north_m)]


def test_a_jump_of_kilometres_is_rejected_counted_and_reported() -> None:
    builder = FixBuilder()
    fixes = fixes_of(drive(0, 40, 5_000, 120, 160), builder)
    assert [fix.lat is not None for fix in fixes] == [True, True, False, True, True]
    assert (fixes[2].quality, utc(fixes[2])) == (0, "2026-01-15T12:00:02.000Z")
    assert builder.rejected == {"jump": 1}
    (notice,) = builder.take_notices()
    assert notice.kind == "gps_jump"
    assert notice.detail["distance_m"] == pytest.approx(4_960, rel=0.01)
    assert builder.take_notices() == []


def test_a_car_moved_without_power_is_accepted_after_a_few_epochs() -> None:
    builder = FixBuilder()
    fixes = fixes_of(drive(0, 40, *range(50_000, 50_400, 40)), builder)
    assert [fix.lat is not None for fix in fixes] == [True] * 2 + [False] * 5 + [True] * 5
    assert builder.rejected == {"jump": 5}


def test_scattered_false_positions_are_never_accepted() -> None:
    fixes = fixes_of(drive(0, *(3_000 * step for step in range(1, 30)), 900))
    assert [fix.lat is not None for fix in fixes] == [True] + [False] * 29 + [True]


def test_notices_of_one_kind_are_rate_limited() -> None:
    builder = FixBuilder()
    fixes_of(drive(0, *(1_900 * step for step in range(1, 50))), builder, every_us=1_000_000)
    notices = builder.take_notices()
    assert [notice.t_us for notice in notices] == [3_000_000 + 10_000_000 * step for step in range(5)]
    assert [notice.detail["rejected"] for notice in notices] == [1, 13, 23, 33, 43]


# Fields --------------------------------------------------------------------------------------------------


def test_an_unreadable_field_is_none_counted_and_reported_and_the_others_stay() -> None:
    builder = FixBuilder()
    bad = rmc("120000.00").replace("010.0", "1_0.0").replace("090.0", "nan")
    (fix,) = fixes_of([bad, line(f"GPGGA,120000.00,{PLACE},1,0x8,inf,1e3,M,,M,,")], builder)
    assert fix.lat == pytest.approx(LAT)
    assert (fix.speed_mps, fix.course_deg, fix.satellites, fix.hdop, fix.alt_m) == (None,) * 5
    assert builder.unreadable == {"RMC speed": 1, "RMC course": 1, "satellites": 1, "hdop": 1, "altitude": 1}
    (notice,) = builder.take_notices()
    assert (notice.kind, notice.detail) == ("gps_field", dict(builder.unreadable))
    assert builder.take_notices() == []


@pytest.mark.parametrize(
    "text", ["", "$", "$GPRMC", "$GPRMC,", "$GPRMC*", "$GPGGA,²,²,N,²,E,²", "!", "GPRMC,1,2"]
)
def test_malformed_sentences_do_not_raise(text: str) -> None:
    fixes = fixes_of([text, rmc("120000.00"), text])
    assert [fix.lat for fix in fixes if fix.lat is not None] == [pytest.approx(LAT)]
