"""Figures as Prometheus reads them. What stands in labels is untrusted: it is cut, and signs that are no text are replaced."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from schemas.metrics.declared import DECLARED, Figure

#: What an answer says it is.
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_LONGEST_LABEL: Final = 200
_NO_TEXT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def label_text(value: str) -> str:
    """A label's value as it is shown: at most 200 signs, none of them a control character."""
    return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", value[:_LONGEST_LABEL])


def exposition(told: Iterable[tuple[str, Iterable[Figure]]]) -> bytes:
    """The text of all figures, in the order of the declarations.

    Args:
        told: the figures of each part, by its name; those of one name may come more than once.
    """
    from prometheus_client.exposition import generate_latest

    return generate_latest(_Told(told))  # it asks for no more than `collect`


class _Told:
    """What `generate_latest` wants of a registry."""

    def __init__(self, told: Iterable[tuple[str, Iterable[Figure]]]) -> None:
        self._told = told

    def collect(self) -> Iterator[Any]:
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for part, figures in self._told:
            for metric, labels, value in figures:
                family = families.get(metric.name)
                if family is None:
                    made = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                    names = (*metric.labels, "part") if metric.of_parts else metric.labels
                    family = families[metric.name] = made(metric.name, metric.help, labels=names)
                given = (*labels, part) if metric.of_parts else labels
                family.add_metric([label_text(each) for each in given], value)
        return (families[name] for name in DECLARED if name in families)
