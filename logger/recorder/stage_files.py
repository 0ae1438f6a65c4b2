"""The stage to record: itinerary and rules, from the files that a configuration names or from a log's texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from logger.config.configuration import Config
from logger.config.input_files import read_text
from logger.logfile.naming import slug
from logger.recorder.dbc_files import named_at
from logger.stage import itinerary as itineraries
from logger.stage.alarms import merged
from logger.stage.declared import Alarm
from logger.stage.live_stage import LiveStage
from logger.stage.rules import Rules, default_rules
from logger.stage.rules import load as load_rules


@dataclass(frozen=True, slots=True)
class Stage:
    """The stage and its rules. The texts are the contents of their files, "" without a file."""

    key: str | None = None
    text: str = ""
    itinerary: itineraries.Itinerary | None = None
    rules: Rules = field(default_factory=default_rules)
    rules_text: str = ""
    reset_odometer: bool = True

    def live(self, class_name: str, alarms: Iterable[Alarm] = ()) -> LiveStage:
        """A live computation at the start of this stage; `alarms` are the user's own, added to those of the rules."""
        return LiveStage(
            self.itinerary,
            self.rules,
            merged(self.rules.alarms, [alarm.rule() for alarm in alarms]),
            class_name=class_name or None,
            reset_at_marks=self.reset_odometer,
        )


def load_stage(config: Config) -> Stage:
    """The stage that a configuration names, or an empty Stage. Raises ConfigurationError."""
    named = config.stage
    if named is None:
        return Stage()
    with named_at(config, "stage", "rules"):
        rules_text = read_text(named.rules) if named.rules else ""
    with named_at(config, "stage", "itinerary"):
        text = read_text(named.itinerary)
    reset = named.reset_odometer
    return stage_of(text, str(named.itinerary), rules_text, str(named.rules), reset_odometer=reset)


def stage_of(
    text: str, name: str, rules_text: str = "", rules_name: str = "", *, reset_odometer: bool = True
) -> Stage:
    """Build a stage from its texts; the names are for error messages. Raises ConfigurationError."""
    itinerary = itineraries.load(text, name) if text else None
    rules = load_rules(rules_text, rules_name) if rules_text else default_rules()
    key = None if itinerary is None else stage_key(itinerary)
    return Stage(key, text, itinerary, rules, rules_text, reset_odometer)


def stage_key(itinerary: itineraries.Itinerary) -> str:
    """Unique key of a stage for file names: event and number."""
    return slug(f"{itinerary.stage.event} {itinerary.stage.number}")
