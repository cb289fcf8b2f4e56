"""What ``supcon validate --data`` prints of a recipe's data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_tools.samples import SampleSet
    from supcon_ext.experiment.build import ReadData


def data_report(read: ReadData) -> dict[str, Any]:
    """What was found, as plain values.

    Where images are no files, each is read, for its size and to find equal ones.
    """
    from collections import Counter

    from data_tools.duplicates import find_duplicates

    made, report = read.made, read.report
    told = made.describe()
    found = {
        "images": {name: told[name] for name in ("train", "validation", "test")},
        "classes": list(made.train.classes),
        "class_counts": told["counts"],
        "noise_rate": told["noise_rate"],
        "shot_groups": told["shot_groups"],
        "flips": made.train.spec.flips,
        "fingerprint": told["fingerprint"],
        "files": report.files,
        "formats": report.formats,
        "pixels": report.pixels,
        "sides": report.sides,
        "turned": report.turned,
        "bad": [{"path": path, "reason": reason} for path, reason in report.bad],
        "bad_list": report.bad_list,
        "duplicates": report.duplicates,
        "notes": report.notes,
        "synthetic": [each.as_dict() for each in read.synthetic],
    }
    if not report.files:
        source = read.source
        parts = {"train": source.train, "validation": source.validation, "test": source.test}
        arrays = {split: part for split, part in parts.items() if part is not None}
        entries, shapes = _read_arrays(arrays)
        dtype = source.train.spec.dtype
        found["duplicates"] = find_duplicates(entries)
        if source.train.spec.kind == "vector":
            found["made_by"] = dict(source.made_by)
            found["vectors"] = {
                f"{shape[-1]} coordinates" + (f", {shape[0]} views" if len(shape) > 1 else ""): n
                for shape, n in Counter(shapes).items()
            }
            return found
        widths, heights = [shape[1] for shape in shapes], [shape[0] for shape in shapes]
        found["sides"] = (min(widths), max(widths)), (min(heights), max(heights))
        found["pixels"] = {
            f"{dtype}, " + ("1 channel" if c == 1 else f"{c} channels"): n
            for c, n in sorted(Counter(shape[2] for shape in shapes).items())
        }
    return found


def report_lines(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The report as rows of a table: what, and how it is."""
    from data_tools.printable import printable

    images, counts = found["images"], found["class_counts"]
    vectors = found.get("vectors")
    classes = [printable(name) for name in found["classes"]]
    named = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
    rows = [
        (
            "vectors" if vectors else "images",
            ", ".join(f"{number:,} {split}" for split, number in images.items() if number),
        ),
        ("classes", f"{len(classes):,}: {named}"),
        ("per class", f"{min(counts):,} to {max(counts):,} training images"),
    ]
    groups = found["shot_groups"]
    rows.append(("shot groups", ", ".join(f"{n:,} {name}" for name, n in groups.items())))
    if found["noise_rate"]:
        rows.append(("noise", f"{found['noise_rate']:.1%} of the training labels are wrong"))
    if found["files"]:
        rows.append(("files", f"{found['files']:,}: {_listed(found['formats'])}"))
    if found["sides"]:
        (left, right), (low, high) = found["sides"]
        wide = f"{left}" if left == right else f"{left} to {right}"
        tall = f"{low}" if low == high else f"{low} to {high}"
        rows.append(("size", f"{wide} wide, {tall} high"))
    notes = [("note", line) for line in found["notes"]]
    for made in found["synthetic"]:
        notes.append(("synthetic", f"{made['source']}: {made['summary']}"))
        notes += [("synthetic", f"  {line}") for line in made["lines"]]
    if "synthetic_report" in found:
        notes.append(("synthetic", f"all of it is in {found['synthetic_report']}"))
    equal = [("equal", line) for line in found["duplicates"]] or [("equal", "no two pictures")]
    if vectors:
        rows.append(("width", _listed(vectors)))
        rows += [("made by", f"{name}: {value}") for name, value in found["made_by"].items()]
        return rows + equal + notes
    rows.append(("pixels", _listed(found["pixels"])))
    bad = found["bad"]
    rows.append(("bad files", f"{len(bad):,}, listed in {found['bad_list']}" if bad else "none"))
    rows += equal
    rows.append(("flips", "views may mirror images" if found["flips"] else "never mirrored"))
    return rows + notes


def _read_arrays(parts: Mapping[str, SampleSet]) -> tuple[list[Any], list[tuple[int, ...]]]:
    import hashlib

    from data_tools.duplicates import Listed

    entries, shapes = [], []
    for split, part in parts.items():
        for place, label in enumerate(part.label.tolist()):
            image = part[place]
            shapes.append(image.shape)
            digest = hashlib.blake2b(f"{image.shape}".encode() + image.tobytes()).hexdigest()
            entries.append(Listed(split, f"{split}/{place}", part.classes[label], digest))
    return entries, shapes


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items())
