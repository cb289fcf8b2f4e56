"""A file of decisions, as the page exports it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from supcon_ext.audit.decisions import FORMAT, VERSION, decision_entry, samples_fingerprint
from supcon_ext.audit.samples import AuditedSamples


def content(samples: AuditedSamples, decided: Mapping[int, str]) -> dict[str, Any]:
    """Decisions by the sample's number: ``keep``, ``unusable``, or the name of another class."""
    entry = decision_entry(samples)
    entries = [
        entry(number, said, -1)
        if said in ("keep", "unusable")
        else entry(number, "relabel", samples.classes.index(said))
        for number, said in decided.items()
    ]
    return {
        "format": FORMAT,
        "version": VERSION,
        "fingerprint": samples_fingerprint(samples),
        "decisions": entries,
    }


def write(path: Path, samples: AuditedSamples, decided: Mapping[int, str]) -> Path:
    path.write_text(json.dumps(content(samples, decided)), encoding="utf-8")
    return path
