"""NMEA framing: decoder against its construct layout, chunking, damage and noise."""

from functools import reduce
from operator import xor

import pytest
from construct import ConstructError
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_bridge.errors import WireError
from firmware_bridge.protocols.nmea import (
    MAX_BODY,
    MAX_NOISE,
    Decoder,
    LenientDecoder,
    checksum,
    encode,
    layout,
)
from firmware_bridge.records import Rejected

GGA = b"$GPGGA,123519.00,4807.03811,N,01131.00012,E,1,08,0.9,545.4,M,46.9,M,,*6A\r\n"
RMC = b"$GNRMC,123519.00,A,4807.03811,N,01131.00012,E,022.4,084.4,150126,,,A*41\r\n"
AIS = b"!AIVDM,1,1,,B,13aDp<PP000IwSlN?Wm@0?wN2<1T,0*29\r\n"
GARMIN = b"$PGRME,19.2,M,28.7,M,34.6,M*18\r\n"

BODY = st.text(
    st.sampled_from([chr(c) for c in range(0x20, 0x7F) if chr(c) not in "$!*"]), min_size=4, max_size=90
)
NOISE = st.binary(max_size=60).map(lambda noise: noise.translate(None, b"$!"))


def texts(data: bytes) -> list[str]:
    return [sentence.text for sentence in Decoder().feed(data, 0).sentences]


def outcome(chunks: list[bytes]) -> tuple[list[str], list[tuple[str, bytes]]]:
    decoder, sentences, rejected = Decoder(), [], []
    for chunk in chunks:
        batch = decoder.feed(chunk, 0)
        sentences += [sentence.text for sentence in batch.sentences]
        rejected += [(reason, data) for _, reason, data in batch.rejected]
    assert (decoder.good, decoder.bad) == (len(sentences), len(rejected))
    return sentences, rejected


def bare(line: bytes) -> str:
    return line.decode().rstrip("\r\n")


@pytest.mark.parametrize("line", [GGA, RMC, AIS, GARMIN, b"$GPTXT,01,01,02,a #1 <b>*%02X\r\n"])
def test_a_sentence_whole_byte_by_byte_and_with_bytes_after_it(line: bytes) -> None:
    if b"%02X" in line:
        line %= reduce(xor, line[1 : line.index(b"*")])
    assert outcome([line]) == ([bare(line)], [])
    assert outcome([line[i : i + 1] for i in range(len(line))]) == ([bare(line)], [])
    assert outcome([line + b"$GP"]) == ([bare(line)], [])


def test_the_stamp_is_the_arrival_of_the_bytes_that_complete_it() -> None:
    decoder = Decoder()
    assert decoder.feed(GGA[:40], 1_000).sentences == []
    (sentence,) = decoder.feed(GGA[40:], 2_000).sentences
    assert sentence.t_us == 2_000


@pytest.mark.parametrize(
    ("before", "reasons"),
    [
        (b"", []),
        (b"\r\n\r\n", []),
        (b"\x00\xff\xb5\x62\x01\x07", ["noise"]),
        (b"# GPS of car 500\r\n", ["noise"]),
        (b"# it said " + RMC, ["noise"]),
        (b"#\r\n#\tx\n", ["noise", "noise"]),
        (b"$", ["no checksum"]),
        (b"$GPGGA,123519.00,48", ["no checksum"]),
        (b"$GPGGA,123519.00,48\r\n", ["no checksum"]),
        (b"$GPGGA,1235\x0719.00*11\r\n", ["noise"]),
        (b"!AIVDM,1,1,,B,13aD", ["no checksum"]),
        (b"$SkyTraq,Venus6\r\n", ["no checksum"]),
        (b"$GPBOD,,T,,M,,*\r\n", ["no checksum"]),
        (b"$GPGLL,5*4", ["no checksum"]),
        (b"$GPGGA,damaged*00\r\n", ["checksum"]),
        (GGA.replace(b"545.4", b"545.5"), ["checksum"]),
        (b"$AB*03", ["length"]),
        (b"$*00", ["length"]),
        (b"$" + b"A" * (MAX_BODY + 30) + b"*00\r\n", ["length", "noise"]),
        (b"\x00" * (2 * MAX_NOISE + 1), ["noise"] * 3),
        (b"\xb5\x62!\x03$\x10\x00$$", ["noise", "noise", "noise", "no checksum", "no checksum"]),
    ],
)
def test_garbage_before_a_sentence_is_classified_and_the_sentence_decoded_once(
    before: bytes, reasons: list[str]
) -> None:
    sentences, rejected = outcome([before + GGA])
    assert sentences == [bare(GGA)]
    assert [reason for reason, _ in rejected] == reasons
    assert outcome([before + GGA[:5], GGA[5:] + before + GGA])[0] == [bare(GGA)] * 2


def test_nothing_rejected_is_lost_or_altered() -> None:
    _, rejected = outcome([b"\xffxy" + GGA + b"$GPGLL,1*zz\r\n" + RMC + b"tail\n"])
    assert rejected == [
        ("noise", b"\xffxy"),
        ("no checksum", b"$GPGLL,1*"),
        ("noise", b"zz"),
        ("noise", b"tail"),
    ]


def test_missing_line_ends_lose_no_sentence() -> None:
    assert texts(GGA.strip() + RMC.strip() + AIS.strip()) == [bare(GGA), bare(RMC), bare(AIS)]
    assert texts(GGA[:30] + RMC) == [bare(RMC)]


def test_sentences_longer_than_the_standard_are_accepted_up_to_the_bound() -> None:
    longest = encode("PUBX" + "," * (MAX_BODY - 4))
    assert texts(longest) == [bare(longest)]
    with pytest.raises(WireError):
        encode("PUBX" + "," * (MAX_BODY - 3))


def test_checksum_digits_in_lower_case_are_read() -> None:
    line = encode("GPGLL,4916.45,N,12311.12,W,225444,A")
    assert texts(line[:-4] + line[-4:].lower()) != []


@pytest.mark.parametrize("body", ["GPGGA,1$2", "GPGGA,1*2", "GPGGA,!", "GPGGA,é", "GPGGA,\n", "GP", ""])
def test_invalid_body_is_refused(body: str) -> None:
    with pytest.raises(WireError):
        encode(body)
    with pytest.raises(WireError):
        encode("GPGGA,1", start="#")


@given(st.binary(max_size=1100))
def test_the_folded_checksum_is_the_xor_of_the_bytes(body: bytes) -> None:
    assert checksum(body) == reduce(xor, body, 0)


@given(BODY, st.sampled_from("$!"))
def test_encoded_sentence_decodes_and_parses_by_the_layout(body: str, start: str) -> None:
    wire = encode(body, start)
    assert outcome([wire]) == ([bare(wire)], [])
    parsed = layout().parse(wire)
    assert (parsed.start, parsed.body) == (start.encode(), body.encode())


@given(st.data())
def test_decoder_and_layout_agree_on_damaged_sentences(data: st.DataObject) -> None:
    wire = bytearray(encode(data.draw(BODY)))
    for _ in range(data.draw(st.integers(0, 2))):
        wire[data.draw(st.integers(0, len(wire) - 3))] = data.draw(
            st.integers(0, 255) | st.sampled_from(b"*$!")
        )
    try:
        expected = [bytes(wire[:-2])] if layout().parse(bytes(wire)) else []
    except ConstructError:
        expected = []
    sentences, _ = outcome([bytes(wire)])
    assert [text.encode() for text in sentences if len(text) == len(wire) - 2] == expected


@given(NOISE, NOISE)
@example(b"#", b"#x")
def test_a_sentence_between_noise_comes_out_exactly_once(before: bytes, after: bytes) -> None:
    if not before.split(b"\n")[-1].startswith((b"# ", b"#\t")):
        assert outcome([before + GGA + after])[0] == [bare(GGA)]


@given(
    st.lists(st.sampled_from([GGA, AIS, GGA[:20], b"# " + RMC, b"#", b"\n"]) | st.binary(max_size=40)),
    st.data(),
)
def test_any_chunking_gives_the_same(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert outcome(chunks) == outcome([stream])
    assert outcome([stream[i : i + 1] for i in range(len(stream))]) == outcome([stream])


@given(st.lists(st.binary(max_size=2000), max_size=4))
def test_arbitrary_bytes_never_raise_and_the_buffer_is_bounded(chunks: list[bytes]) -> None:
    decoder = Decoder()
    for chunk in chunks:
        batch = decoder.feed(chunk, 7)
        assert all(
            isinstance(piece, Rejected) and len(piece.data) <= MAX_BODY + 4 for piece in batch.rejected
        )
        flushed = decoder.feed(b"\r\n" * 2, 8)
        assert len(flushed.rejected) + len(flushed.sentences) <= 2


BARE = b"$GPRMC,123519.00,A,4807.03811,N,01131.00012,E,022.4,084.4,150126,,,A\r\n"


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_optional_checksum_accepts_sentences_without_one(chunk: int) -> None:
    decoder, texts = LenientDecoder(), []
    stream = BARE * 3 + GGA + b"$\xff\r\n" + BARE[:30] + BARE
    for at in range(0, len(stream), chunk):
        texts += [sentence.text for sentence in decoder.feed(stream[at : at + chunk], 0).sentences]
    assert texts == [bare(BARE)] * 3 + [bare(GGA), bare(BARE)]
    assert Decoder().feed(stream, 0).sentences[0].text == bare(GGA)


def test_a_sentence_that_had_a_checksum_needs_one() -> None:
    decoder = LenientDecoder()
    damaged = GGA[:40] + b"\r\n"
    assert len(decoder.feed(GGA + damaged, 0).sentences) == 1
    assert decoder.bad == 1
