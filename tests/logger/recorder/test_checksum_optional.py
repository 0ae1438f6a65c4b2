"""`[gps] checksum = "optional"`: from the configuration to the rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError
from logger.config import configuration as configs
from logger.recorder.setup import prepare

LINE = b"$GPRMC,1235%02d.00,A,4807.03811,N,01131.00012,E,022.4,084.4,150126,,,A\r\n"


@pytest.mark.parametrize(("setting", "sentences"), [("", 0), ('checksum = "optional"', 5)])
def test_the_setting_reaches_the_decoder_and_gives_fixes(
    setting: str, sentences: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("car")
    text = f'[log]\ndirectory = "{folder}"\n[gps]\nport = "/dev/none"\n{setting}\n'
    setup = prepare(configs.loads(text, "stagelog.toml", folder))
    for second in range(5):
        setup.pipeline.feed("gps", 1_000_000 * (second + 1), LINE % second)
    setup.pipeline.finish(10_000_000)
    rows = setup.pipeline.take()
    assert len(rows.sentence) == sentences
    assert len(rows.fix) == sentences
    assert len(rows.rejected) == 5 - sentences


def test_another_value_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="checksum"):
        configs.loads('[gps]\nport = "/dev/none"\nchecksum = "none"\n', "stagelog.toml", Path("/"))
