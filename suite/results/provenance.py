"""Under what circumstances the runs came about: the one part of a report that may differ between
two sets of equal runs."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from suite.results.formats.markdown import escape, grid
from suite.results.rows import number
from suite.runs.session import git_state, versions
from workload.errors import UserError
from workload.exhibits.record import Record
from workload.files import read_json

UNKNOWN = "unknown"


def provenance(records: Sequence[Record], left_out: Sequence[str]) -> str:
    """Markdown: what wrote the report, what computed the runs, their hours, what failed."""
    records = [record for record in records if record.status != "missing"]
    sessions = {record.path: _sessions(record) for record in records}
    every = [session for own in sessions.values() for session in own]
    parts = [
        "# Provenance",
        "Circumstances of the runs of this report, from their meta.json. They stand apart because "
        "equal runs give equal tables and figures, whenever and wherever they were computed.",
        f"Report written by {_revision(git_state())}, {_versions(versions())}.",
        "## Revisions",
        _counted(every, lambda session: _revision(session.get("git"))),
        "## Hardware",
        _counted(every, lambda session: _hardware(session.get("hardware"))),
        "## Versions",
        _counted(every, lambda session: _versions(session.get("versions"))),
        "## Runs",
        _hours_note(every),
        _runs(records, sessions),
        "## Failures",
        _failures(records, sessions),
        "## Left out",
        "\n".join(f"* {escape(reason)}" for reason in left_out) or "Nothing.",
    ]
    return "\n\n".join(parts) + "\n"


def stamp(records: Sequence[Record]) -> str:
    """A line for the head of a page: which version wrote it, and when its newest run ended."""
    sessions = [session for record in records for session in _sessions(record)]
    ends = sorted(str(end) for session in sessions if (end := session.get("end")))
    newest = f"; the newest run ended {ends[-1][:16].replace('T', ' ')} UTC" if ends else ""
    return f"wdbench {versions()['wdbench']}, {_revision(git_state())}{newest}."


def clock_hours(records: Sequence[Record]) -> float:
    """Hours by the clock of the sessions of these runs: of one that several runs share, as members
    of a population, once; of one without an end, none."""
    shared = {
        (session.get("start"), session.get("end")): hours
        for record in records
        for session in _sessions(record)
        if (hours := _hours(session)) is not None
    }
    return sum(shared.values())


def _sessions(record: Record) -> list[dict[str, Any]]:
    """What meta.json says; a damaged one is one unknown session."""
    try:
        meta = read_json(record.path / "meta.json") or {}
    except UserError:
        return [{}]
    sessions = meta.get("sessions")
    known = sessions if isinstance(sessions, list) else []
    return [session for session in known if isinstance(session, dict)]


def _counted(sessions: Sequence[dict[str, Any]], text: Any) -> str:
    """Each text with the number of its sessions."""
    counts = Counter(text(session) for session in sessions)
    lines = [f"* {escape(key)}: {count} sessions" for key, count in sorted(counts.items())]
    return "\n".join(lines) or "No session is recorded."


def _revision(git: Any) -> str:
    if not isinstance(git, dict):
        return "no repository"
    changed = " with changes" if git.get("dirty") else ""
    return f"revision {git.get('revision', UNKNOWN)}{changed}"


def _versions(found: Any) -> str:
    if not isinstance(found, dict):
        return UNKNOWN
    return ", ".join(f"{name} {version}" for name, version in found.items() if version is not None)


def _hardware(found: Any) -> str:
    if not isinstance(found, dict):
        return UNKNOWN
    memory = number(found.get("memory_bytes"))
    size = UNKNOWN if math.isnan(memory) else f"{memory / 1e9:.0f} GB"
    gpus = found.get("gpus")
    cards = ", ".join(map(str, gpus)) if isinstance(gpus, list) and gpus else "no GPU"
    names = (str(found.get(key, UNKNOWN)) for key in ("host", "cpu", "system"))
    host, cpu, system = names
    return f"{host}: {cpu}, {found.get('cores', UNKNOWN)} cores, {size}, {cards}, {system}"


def _hours(session: dict[str, Any]) -> float | None:
    """None for a session that was killed and so has no end."""
    try:
        start, end = (datetime.fromisoformat(session[key]) for key in ("start", "end"))
        return (end - start).total_seconds() / 3600
    except (KeyError, TypeError, ValueError):
        return None


def _hours_note(sessions: Sequence[dict[str, Any]]) -> str:
    hours = [_hours(session) for session in sessions]
    known = [value for value in hours if value is not None]
    text = (
        f"{len(sessions)} sessions, {sum(known):.2f} hours. Members of one population share their "
        "hours, and each counts them in full."
    )
    if len(known) < len(hours):
        text += f" {len(hours) - len(known)} sessions have no end (killed, or still running)."
    return text


def _runs(records: Sequence[Record], sessions: dict[Any, list[dict[str, Any]]]) -> str:
    rows = []
    for record in records:
        own = sessions[record.path]
        hours = sum(value for session in own if (value := _hours(session)) is not None)
        texts = (str(record.path), record.status, str(len(own)), f"{hours:.2f}")
        rows.append([escape(text) for text in texts])
    return grid(("run", "status", "sessions", "hours"), rows)


def _failures(records: Sequence[Record], sessions: dict[Any, list[dict[str, Any]]]) -> str:
    """Errors that ended a session, those of runs that were finished later included."""
    lines = []
    for record in records:
        errors = [str(s["error"]) for s in sessions[record.path] if s.get("error")]
        if record.error and record.error not in errors:
            errors.append(record.error)
        lines += [f"* {escape(str(record.path))}: {escape(error)}" for error in errors]
        if record.status == "diverged":
            lines.append(f"* {escape(str(record.path))}: diverged")
    return "\n".join(lines) or "None."
