"""From a command line to one request that is valid in itself. Imports no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from shared_optim.schemes import BASELINE, decaying
from suite.config.flags import LISTS
from suite.config.reader import Reader
from suite.registry import AnyWorkload
from suite.runs.job import Job
from workload.errors import UserError
from workload.member import Member
from workload.wording import either


@dataclass(frozen=True)
class Request:
    """What a `run` command asks for, resolved."""

    job: Job
    print_config: bool


def read_request(workload: AnyWorkload, argv: Sequence[str], prog: str) -> Request:
    """Read the command line behind `run <workload>`.

    Raises:
        UserError: an unknown option, key, preset or value, or a file that cannot be read.
        SystemExit: after printing `--help`.
    """
    values = Reader(workload, prog).values(argv)
    try:
        job = Job(
            workload=workload.NAME,
            recipe=build(workload.Recipe, values),
            machine=build(workload.Machine, values),
            members=members(workload, values),
            folder=Path(values["runs"]),
        )
    except ValueError as error:  # a workload's ConfigError
        raise UserError(str(error)) from error
    return Request(job, values["print_config"])


def as_yaml(job: Job) -> str:
    """Every key of a job with its value, ready to be given back with --config."""
    keys = {
        **job.recipe.values(),
        "scheme": list(dict.fromkeys(member.scheme for member in job.members)),
        "weight_decay": sorted({m.weight_decay for m in job.members if m.weight_decay}),
        "seed": list(dict.fromkeys(member.seed for member in job.members)),
        **asdict(job.machine),
        "runs": str(job.folder),
    }
    text: str = yaml.safe_dump(keys, sort_keys=False, default_flow_style=None)
    return text


def build(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """A Recipe or Machine of the values of its keys. ConfigError where it does not allow them."""
    return kind(**{field.name: values[field.name] for field in fields(kind)})


def members(workload: AnyWorkload, values: Mapping[str, Any]) -> tuple[Member, ...]:
    """All combinations; scheme none has lambda 0 and takes part once per seed.

    Args:
        workload: whose members.
        values: lists under `scheme`, `weight_decay` and `seed`.
    """
    for key in LISTS:
        given = values[key]
        if len(set(given)) < len(given):
            raise UserError(f"{key}: {' '.join(map(str, given))} names a value twice")
        if not given and key != "weight_decay":
            raise UserError(f"{key} needs at least one value")
    if values["weight_decay"] and values["scheme"] == [BASELINE]:
        given = " ".join(f"{weight_decay:g}" for weight_decay in values["weight_decay"])
        raise UserError(
            f"weight_decay: {given} has no meaning for scheme {BASELINE}; "
            f"leave it out or choose {either(decaying())}"
        )
    return tuple(
        Member(scheme=scheme, weight_decay=weight_decay, seed=seed)
        for scheme in values["scheme"]
        for weight_decay in ([0.0] if scheme == BASELINE else values["weight_decay"] or [0.0])
        for seed in values["seed"]
    )
