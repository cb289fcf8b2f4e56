"""A file of decisions, as the page exports it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_tools.printable import printable
from supcon_ext.audit.decisions import FORMAT, VERSION, sample_keys, samples_fingerprint
from supcon_ext.audit.samples import AuditedSamples


def content(samples: AuditedSamples, decided: Mapping[int, str]) -> dict[str, Any]:
    """Decisions by the sample's number: ``keep``, ``unusable``, or the name of another class."""
    keys, paths, label = sample_keys(samples), samples.paths, samples.label
    entries = []
    for number, said in decided.items():
        entry = {"set": keys[number][0], "index": keys[number][1]}
        if paths is not None:
            entry["path"] = printable(paths[number])
        entry["given"] = printable(samples.classes[label[number]])
        if said in ("keep", "unusable"):
            entry["decision"] = said
        else:
            entry |= {"decision": "relabel", "label": said}
        entries.append(entry)
    return {
        "format": FORMAT,
        "version": VERSION,
        "fingerprint": samples_fingerprint(samples),
        "decisions": entries,
    }


def write(path: Path, samples: AuditedSamples, decided: Mapping[int, str]) -> Path:
    path.write_text(json.dumps(content(samples, decided)), encoding="utf-8")
    return path
