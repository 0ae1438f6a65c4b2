"""Logs of real receivers, compared with gpsd's own results (its regression corpus).

How the two are compared. gpsd answers with TPV objects; an epoch of gpsd's is a time for which it reports a
2D or 3D position, or the position itself where it has no date yet. Times are compared to the millisecond as
gpsd writes them: the logs are of 1996 to 2024 and replay with the dates that they have. Where gpsd is silent
about a time (it ends an epoch only when it knows the receiver's last sentence), pynmea2 must find
our position and time of day in one of the log's own sentences.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pynmea2
import pytest

from firmware_bridge.gps.dating import OLDEST_LOG, Dates
from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.protocols.nmea import Decoder
from firmware_bridge.records import Fix
from tests.firmware_bridge.nmea_lines import fixes_of, fixes_of_bytes, utc

CORPUS = Path(__file__).parents[3] / "../shared/corpus/nmea"
LOGS = sorted(CORPUS.glob("*.log"))
pytestmark = pytest.mark.skipif(not LOGS, reason="the corpus of gpsd's logs is not beside this checkout")
each_log = pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)

AS_DATED = Dates(written_day=0)
"""A recording written before any date that could be a corrected one: the dates in it are true."""
TOLERANCE_DEG = 1e-5
EXCEPTIONS = {
    # A Garmin in its simulator: GGA says quality 8, RMC and GLL of the same epoch say V. gpsd reports the
    # position until that GLL arrives and mode 1 ever after; we never do.
    "GPSmap-76S": 1,
    "garmin-geko201": 1,
}
"""How many of gpsd's epochs make no fix here, by log; all other logs yield every one."""

Epochs = dict[str, list[tuple[float, float]]]


def gpsd_answers(log: Path) -> Iterator[dict[str, object]]:
    for line in log.with_name(log.name + ".chk").read_bytes().splitlines():
        if line.startswith(b'{"class":"TPV"'):
            yield json.loads(line)


def gpsd_epochs(log: Path) -> tuple[Epochs, set[tuple[float, float]]]:
    """Positions by time, and those without a time."""
    dated: Epochs = {}
    undated = set()
    for answer in gpsd_answers(log):
        if answer["mode"] in (2, 3) and "lat" in answer:
            place = (float(str(answer["lat"])), float(str(answer["lon"])))
            if "time" in answer:
                dated.setdefault(str(answer["time"]), []).append(place)
            else:
                undated.add(place)
    return dated, undated


def near(fix: Fix, place: tuple[float, float]) -> bool:
    assert fix.lat is not None
    assert fix.lon is not None
    return abs(fix.lat - place[0]) <= TOLERANCE_DEG and abs(fix.lon - place[1]) <= TOLERANCE_DEG


def positions(fixes: list[Fix]) -> list[Fix]:
    return [fix for fix in fixes if fix.lat is not None]


def words_of(log: Path) -> dict[str, list[tuple[float, float]]]:
    """Positions by time of day (HH:MM:SS.mmm) in the log's sentences, as pynmea2 reads them."""
    words: dict[str, list[tuple[float, float]]] = {}
    for sentence in Decoder().feed(log.read_bytes(), 0).sentences:
        if sentence.text[3:6] in ("RMC", "GGA", "GLL", "GNS") and sentence.text[1] != "P":
            parsed = pynmea2.parse(sentence.text, check=True)
            if parsed.timestamp and parsed.lat:
                time = parsed.timestamp.strftime("%H:%M:%S") + f".{parsed.timestamp.microsecond // 1000:03}"
                words.setdefault(time, []).append((parsed.latitude, parsed.longitude))
    return words


@each_log
def test_every_position_and_time_agrees_with_gpsd(log: Path) -> None:
    dated, undated = gpsd_epochs(log)
    known = [place for places in dated.values() for place in places] + sorted(undated)
    words = words_of(log)
    for fix in positions(fixes_of_bytes(log.read_bytes(), AS_DATED)):
        if fix.utc_us is None:
            assert any(near(fix, place) for place in known), fix
        elif utc(fix) in dated:
            assert all(near(fix, place) for place in dated[utc(fix)]), fix
        else:
            assert any(near(fix, place) for place in words[utc(fix)[11:23]]), fix


@each_log
def test_height_speed_and_course_agree_with_gpsds_last_answer(log: Path) -> None:
    answers = {str(answer.get("time")): answer for answer in gpsd_answers(log) if "lat" in answer}
    for fix in positions(fixes_of_bytes(log.read_bytes(), AS_DATED)):
        answer = answers.get(utc(fix), {}) if fix.utc_us is not None else {}
        for ours, key, tolerance in (
            (fix.alt_m, "altMSL", 0.5),  # Garmin's own sentence, which gpsd reads, rounds to feet
            (fix.speed_mps, "speed", 0.002),
            (fix.course_deg, "track", 0.01),
        ):
            if ours is not None and key in answer:
                assert ours == pytest.approx(float(str(answer[key])), abs=tolerance), (key, fix)


@each_log
def test_gpsds_epochs_yield_fixes(log: Path) -> None:
    dated, undated = gpsd_epochs(log)
    fixes = positions(fixes_of_bytes(log.read_bytes(), AS_DATED))
    times = {utc(fix) for fix in fixes if fix.utc_us is not None}
    missing = [time for time in dated if time not in times]
    missing += [str(place) for place in sorted(undated) if not any(near(fix, place) for fix in fixes)]
    assert len(missing) == EXCEPTIONS.get(log.stem, 0), missing


def test_the_whole_corpus_yields_at_least_98_percent() -> None:
    epochs = sum(len(dated) + len(undated) for dated, undated in map(gpsd_epochs, LOGS))
    assert epochs > 1_000
    assert sum(EXCEPTIONS.values()) <= 0.02 * epochs
    assert set(EXCEPTIONS) <= {log.stem for log in LOGS}


@each_log
def test_logs_without_a_position_in_gpsd_have_none_here(log: Path) -> None:
    fixes = fixes_of_bytes(log.read_bytes(), AS_DATED)
    assert fixes
    assert all((fix.quality > 0) == (fix.lat is not None) for fix in fixes)
    if not any(answer["mode"] != 1 for answer in gpsd_answers(log)):
        assert positions(fixes) == []


@each_log
def test_one_fix_per_epoch_and_rolled_over_dates_flagged(log: Path) -> None:
    fixes = fixes_of_bytes(log.read_bytes(), AS_DATED)
    times = [utc(fix) for fix in fixes if fix.utc_us is not None]
    assert len(set(times)) == len(times)
    for fix in fixes:
        assert fix.date_ok is (fix.utc_us is None or utc(fix) >= OLDEST_LOG.isoformat())


@each_log
def test_neither_the_cut_of_the_bytes_nor_the_speed_of_replay_changes_a_fix(log: Path) -> None:
    data = log.read_bytes()
    decoder, texts = Decoder(), []
    for start in range(0, len(data), 37):
        texts += [sentence.text for sentence in decoder.feed(data[start : start + 37], 0).sentences]
    whole = fixes_of_bytes(data, AS_DATED)
    assert fixes_of(texts, FixBuilder(AS_DATED)) == whole
    slowly = fixes_of(texts, FixBuilder(AS_DATED), every_us=20_000)
    assert [fix[1:] for fix in positions(slowly)] == [fix[1:] for fix in positions(whole)]


@each_log
def test_the_jump_filter_rejects_no_real_receiver_and_its_fields_are_readable(log: Path) -> None:
    builder = FixBuilder()
    fixes_of((sentence.text for sentence in Decoder().feed(log.read_bytes(), 0).sentences), builder)
    assert builder.rejected["jump"] == builder.rejected["null island"] == 0
    assert not builder.unreadable
