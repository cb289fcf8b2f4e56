"""What the journal says, in MLflow's own terms and within its limits."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from supcon_ext.tracking import names
from supcon_ext.tracking.events import DatasetInput, Event, Metric, Param, Tag

if TYPE_CHECKING:
    from mlflow import entities

logger = logging.getLogger(__name__)


def settings(events: Sequence[Event]) -> dict[str, str]:
    """Values of the params among some events, by key."""
    return {event.key: event.value for event in events if isinstance(event, Param)}


def labels(events: Sequence[Event]) -> dict[str, str]:
    """Values of the tags, by key, with those that stand for metrics which are not finite."""
    found = {event.key: event.value for event in events if isinstance(event, Tag)}
    return found | _not_finite([event for event in events if isinstance(event, Metric)])


def params(values: Mapping[str, str]) -> list[entities.Param]:
    """Params, cut where they are too long."""
    from mlflow.entities import Param as Made

    return [
        Made(names.mlflow_key(key), names.shortened(value, names.MAX_PARAM))
        for key, value in values.items()
    ]


def tags(values: Mapping[str, str]) -> list[entities.RunTag]:
    """Tags, cut where they are too long."""
    from mlflow.entities import RunTag

    return [
        RunTag(names.mlflow_key(key), names.shortened(value, names.MAX_TAG))
        for key, value in values.items()
    ]


def not_whole(params: Mapping[str, str], tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Keys and full values of what MLflow gets only a part of, or in other characters."""
    for values, limit in ((params, names.MAX_PARAM), (tags, names.MAX_TAG)):
        for key, value in values.items():
            if names.shortened(value, limit) != value:
                yield key, value.encode("utf-8", "backslashreplace").decode()


def metric(event: Metric) -> entities.Metric:
    """A point."""
    from mlflow.entities import Metric as Made

    return Made(names.mlflow_key(event.key), event.value, event.time, event.step)


def dataset(event: DatasetInput) -> entities.DatasetInput:
    """An input; MLflow takes those of one name and digest for one, so the digest has the split."""
    from mlflow import entities
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    told = {
        key[: names.MAX_INPUT_KEY]: names.shortened(value, names.MAX_INPUT_TAG)
        for key, value in {
            "mlflow.data.context": event.context,
            "digest": event.digest,
            **event.tags,
        }.items()
    }
    described = MetaDataset(
        CodeDatasetSource({key: told[key] for key in told.keys() & event.tags.keys()}),
        name=names.shortened(event.name, names.MAX_DATASET_NAME),
        digest=f"{event.context}-{event.digest}"[: names.MAX_DIGEST],
    )
    return entities.DatasetInput(
        entities.Dataset(**described.to_dict()),
        [entities.InputTag(key, value) for key, value in told.items()],
    )


def _not_finite(metrics: Sequence[Metric]) -> dict[str, str]:
    """MLflow keeps infinity as 1.8e308: such values become tags that say where they were."""
    odd = {}
    for event in metrics:
        if not math.isfinite(event.value):
            odd[f"not_finite/{event.key}"] = f"{event.value} at step {event.step}"
            logger.warning(
                "Metric `%s` is %s at step %d: MLflow gets a tag instead of a point",
                event.key,
                event.value,
                event.step,
            )
    return odd
