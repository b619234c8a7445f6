"""From a command line to one request that is valid in itself. Imports no torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace

from suite.errors import UserError
from suite.flags import make_parser, parse
from suite.layers import LISTS
from suite.workloads import Member, Workload


@dataclass(frozen=True)
class Request:
    """What a `run` command asks for, resolved."""

    recipe: Any
    members: tuple[Member, ...]
    machine: Any
    runs: Path
    print_config: bool
    from_previous_checkpoint: bool

    def as_yaml(self) -> str:
        """Every key with its value, ready to be given back with --config."""
        members = {
            "scheme": list(dict.fromkeys(member.scheme for member in self.members)),
            "weight_decay": sorted({m.weight_decay for m in self.members if m.weight_decay}),
            "seed": list(dict.fromkeys(member.seed for member in self.members)),
        }
        keys = {
            **asdict(self.recipe),
            **members,
            **asdict(self.machine),
            "runs": str(self.runs),
        }
        text: str = yaml.safe_dump(keys, sort_keys=False, default_flow_style=None)
        return text


def read_request(workload: Workload, argv: Sequence[str], prog: str) -> Request:
    """Read the command line behind `run <workload>`.

    Raises:
        UserError: an unknown option, key, preset or value, or a file that cannot be read.
        SystemExit: after printing `--help`.
    """
    values = parse(make_parser(workload, prog), argv, workload)
    try:
        return Request(
            recipe=_build(workload.Recipe, values),
            members=_members(workload, values),
            machine=_build(workload.Machine, values),
            runs=Path(values.runs),
            print_config=values.print_config,
            from_previous_checkpoint=values.from_previous_checkpoint,
        )
    except ValueError as error:  # a workload's ConfigError
        raise UserError(str(error)) from error


def _build(kind: type[Any], values: Namespace) -> Any:
    return kind(**{field.name: values[field.name] for field in fields(kind)})


def _members(workload: Workload, values: Namespace) -> tuple[Member, ...]:
    """All combinations; scheme none has lambda 0 and takes part once per seed."""
    for key in LISTS:
        given = values[key]
        if len(set(given)) < len(given):
            raise UserError(f"{key}: {' '.join(map(str, given))} names a value twice")
        if not given and key != "weight_decay":
            raise UserError(f"{key} needs at least one value")
    if values.weight_decay and values.scheme == ["none"]:
        given = " ".join(f"{weight_decay:g}" for weight_decay in values.weight_decay)
        raise UserError(
            f"weight_decay: {given} has no meaning for scheme none; "
            "leave it out or choose l2, decoupled or separated"
        )
    return tuple(
        workload.Member(scheme=scheme, weight_decay=weight_decay, seed=seed)
        for scheme in values.scheme
        for weight_decay in ([0.0] if scheme == "none" else values.weight_decay or [0.0])
        for seed in values.seed
    )
