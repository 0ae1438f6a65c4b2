"""UBX messages among NMEA sentences: whole, in any chunks, damaged, and false headers."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import WireError
from firmware_bridge.protocols import ubx
from firmware_bridge.protocols.nmea import MAX_QUOTED, Decoder, encode

GGA = encode("GNGGA,090000.00,2442.00000,N,04600.00000,E,1,12,0.80,600.0,M,-10.0,M,,")
RMC = encode("GNRMC,090000.00,A,2442.00000,N,04600.00000,E,48.596,0.0,120126,,,A")
PVT = ubx.encode(ubx.NAV_PVT, bytes(range(92)))
RAWX = ubx.encode(b"\x02\x15", random.Random(1).randbytes(8176))
ACK = ubx.encode(b"\x05\x01", b"\x06\x01")
EMPTY = ubx.encode(b"\x0a\x04", b"")

kinds = st.binary(min_size=2, max_size=2)
payloads = st.binary(max_size=300) | st.lists(
    st.sampled_from([b"$", b"!", b"\xb5", b"\xb5\x62", b"\r\n", b"\n# ", b"$GPGGA,", b"*00"]), max_size=40
).map(b"".join)
messages = st.builds(ubx.encode, kinds, payloads)


def outcome(chunks: list[bytes]) -> tuple[list[str], list[tuple[str, bytes]], int]:
    """Sentence texts, rejected pieces with reasons, and the count of foreign messages."""
    decoder, texts, rejected = Decoder(), [], []
    for chunk in chunks:
        batch = decoder.feed(chunk, 0)
        texts += [sentence.text for sentence in batch.sentences]
        rejected += [(reason, data) for _, reason, data in batch.rejected]
    assert (decoder.good - decoder.foreign, decoder.bad) == (len(texts), len(rejected))
    return texts, rejected, decoder.foreign


def single_bytes(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def text_of(line: bytes) -> str:
    return ubx.as_text(line) if line.startswith(ubx.SYNC) else line.decode().strip()


@pytest.mark.parametrize(
    ("message", "foreign"),
    [(PVT, False), (RAWX, True), (ACK, True), (EMPTY, True)],
    ids=["pvt", "rawx", "ack", "poll"],
)
def test_a_message_whole_byte_by_byte_and_between_sentences(message: bytes, foreign: bool) -> None:
    decoded = [] if foreign else [text_of(message)]
    assert outcome([message]) == (decoded, [], int(foreign))
    assert outcome([message + b"\xb5"]) == (decoded, [], int(foreign))
    assert outcome([GGA + message + RMC]) == ([text_of(GGA), *decoded, text_of(RMC)], [], int(foreign))
    assert outcome(single_bytes(GGA + message[:1500]))[1] == []
    if len(message) < 200:
        assert outcome(single_bytes(message + GGA)) == ([*decoded, text_of(GGA)], [], int(foreign))


@given(kinds, payloads)
def test_encoded_message_parses_by_the_layout_and_is_found(kind: bytes, payload: bytes) -> None:
    wire = ubx.encode(kind, payload)
    parsed = ubx.layout().parse(wire).body.value
    assert (parsed.kind, parsed.payload) == (kind, payload)
    assert ubx.message_at(b"\xb5\x62" + wire, 2, 2 + len(wire)) == len(wire)
    assert ubx.from_text(ubx.as_text(wire)) == (kind, payload)


@given(st.lists(messages | st.sampled_from([GGA, RMC, PVT]) | payloads, max_size=8).map(b"".join), st.data())
def test_any_chunking_gives_the_same(stream: bytes, data: st.DataObject) -> None:
    stream += b"\r\n" + GGA
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert outcome(chunks) == outcome([stream]) == outcome(single_bytes(stream))


@given(payloads, st.lists(st.sampled_from([GGA, RMC, PVT, ACK]), min_size=1, max_size=6), st.data())
def test_damaged_message_loses_at_most_itself(
    payload: bytes, after: list[bytes], data: st.DataObject
) -> None:
    payload = payload.replace(b"\n#", b"\n")  # without its header, a comment up to the next line end
    message = bytearray(ubx.encode(b"\x01\x35", payload))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] ^= data.draw(st.integers(1, 255))
    more = [GGA, PVT, RMC, *after]  # enough to expose a damaged length
    texts, rejected, foreign = outcome([RMC, bytes(message), b"".join(more * 3)])
    expected = [text_of(line) for line in more * 3 if line != ACK]
    assert texts[0] == text_of(RMC)
    assert texts[-len(expected) :] == expected
    assert foreign >= 3 * after.count(ACK)
    assert rejected


@pytest.mark.parametrize("line", [PVT, RAWX, ACK], ids=["pvt", "rawx", "ack"])
def test_a_bad_checksum_is_one_piece_of_damage(line: bytes) -> None:
    damaged = line[:-1] + bytes([line[-1] ^ 1])
    texts, rejected, foreign = outcome([damaged + GGA])
    assert (texts, foreign) == ([text_of(GGA)], 0)
    assert rejected[0][0] == "checksum"
    assert b"".join(data for _, data in rejected) == damaged
    if line is not RAWX:  # which contains starts of sentences
        assert len(rejected) == 1


def test_sentence_inside_a_payload_is_ignored() -> None:
    quoting = ubx.encode(b"\x04\x04", GGA * MAX_QUOTED)
    assert outcome([quoting + RMC]) == ([text_of(RMC)], [], 1)
    assert outcome(single_bytes(quoting + RMC)) == ([text_of(RMC)], [], 1)


@pytest.mark.parametrize("length", [1, 50, 92, 700, 1024, 1025, 4000, 8192, 8193, 30_000, 65_535])
@pytest.mark.parametrize("kind", [ubx.NAV_PVT, b"\x02\x15", b"\x77\x77"], ids=["pvt", "rawx", "unknown"])
def test_false_header_swallows_no_sentence(kind: bytes, length: int) -> None:
    head = ubx.SYNC + kind + length.to_bytes(2, "little")
    stream = [head, *[GGA, RMC] * 3]
    texts, _, _ = outcome(stream)
    assert texts == [text_of(GGA), text_of(RMC)] * 3
    assert outcome(single_bytes(b"".join(stream)))[0] == texts
    assert outcome([GGA[:20] + b"".join(stream)])[0] == texts


@pytest.mark.slow
def test_endless_headers_take_bounded_time_and_lose_no_sentence() -> None:
    rng = random.Random(2)
    storm = b"".join(ubx.SYNC + b"\x02\x15" + rng.randrange(8192).to_bytes(2, "little") for _ in range(4000))
    texts, _, _ = outcome([storm[i : i + 100] for i in range(0, len(storm), 100)] + [GGA, RMC] * 60)
    assert texts[-8:] == [text_of(GGA), text_of(RMC)] * 4


def test_only_a_complete_message_is_valid_text() -> None:
    for text in ("", ubx.TEXT_START, text_of(PVT)[:-2], text_of(PVT) + "00", ubx.TEXT_START + "zz", "$GPGGA"):
        with pytest.raises(WireError):
            ubx.from_text(text)
    with pytest.raises(WireError):
        ubx.encode(ubx.NAV_PVT, bytes(1025))


def test_skipped_messages_are_reported_once_per_minute_by_kind() -> None:
    decoder, notices = Decoder(), []
    for second in range(130):
        notices += decoder.feed(RAWX + GGA + ACK * 2, second * 1_000_000).notices
    assert [(notice.t_us, notice.kind) for notice in notices] == [
        (60_000_000, "ubx_skipped"),
        (121_000_000, "ubx_skipped"),
    ]
    assert notices[0].detail == {"messages": 183, "most": {"0501": 122, "0215": 61}}
    assert decoder.foreign == 390
