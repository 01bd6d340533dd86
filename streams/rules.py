"""The thresholds that hold, from the settings: the two by default, then the user's."""

from __future__ import annotations

from schemas.settings import Settings
from streams.core.thresholds import Rule


def threshold_rules(settings: Settings) -> tuple[Rule, ...]:
    """Rules in the order in which a later one of a name takes the place of an earlier."""
    default = (Rule("cpu", "cpu", settings.cpu_threshold), Rule("memory", "memory", settings.memory_threshold))
    own = (
        Rule(rule.name, rule.metric, rule.above, rule.points, rule.in_a_row, rule.in_all, rule.workspaces) for rule in settings.alert_rules
    )
    return (*default, *own)
