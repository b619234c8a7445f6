"""Other runs that a recipe names, which have to be trained before its own. Imports no torch."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from workload.contract import MachineT, RecipeT, Workload
from workload.errors import ConfigError, UserError
from workload.identity import completed, config_of, identity, read_config, same_run
from workload.member import Member
from workload.network_recipe import NetworkRecipe
from workload.wording import unknown

NetworkRecipeT = TypeVar("NetworkRecipeT", bound=NetworkRecipe)


def is_run(text: str) -> bool:
    """Whether it is a run's folder. What is named by its decay may have a folder beside it that is
    called so, which holds runs and is none."""
    return bool(text) and (Path(text) / "config.json").is_file()


def run_name(text: str) -> str:
    """The last two parts of a run's folder, which tell it from others wherever they lie; what names
    a run by its decay stays as it is."""
    if not text or not (is_run(text) or "/" in text.partition(",")[0]):
        return text
    return "/".join(Path(os.path.abspath(text)).parts[-2:])


def branch_reference(
    recipe: NetworkRecipeT, member: Member
) -> tuple[NetworkRecipeT, Member] | None:
    """The run that a branch goes on from: `SCHEME-LAMBDA,KEY=VALUE,...` has this decay, these keys,
    the same seed and all else of the recipe. None where there is no branch, or it names a folder.

    Raises:
        ConfigError: it is neither.
    """
    text = recipe.branch_run
    if not text or is_run(text):
        return None
    name, *given = re.split(r",(?=[a-z_0-9]+=)", text)
    changes = dict(_value(recipe, each) for each in given)
    if changes.get("branch"):
        raise ConfigError(
            f"branch: {text!r} is a branch itself; name the folder of such a run instead"
        )
    theirs = replace(recipe, **{"branch": "", **changes})
    return theirs, member_of("branch", text, name, member.seed)


def find_run(
    workload: Workload[RecipeT, MachineT], recipe: RecipeT, member: Member, own: Path
) -> Path | None:
    """The folder of a run beside another one, as long as it may be; None where there is none.

    Args:
        workload: of both.
        recipe, member: of the one that is looked for.
        own: folder of the other.
    """
    config = config_of(workload, recipe, member)
    for folder, theirs in _beside(member, own):
        with suppress(UserError):
            if same_run(workload, config, theirs):
                return folder
    return None


def nearest_run(
    workload: Workload[RecipeT, MachineT], recipe: RecipeT, member: Member, own: Path
) -> tuple[Path, dict[str, Any]] | None:
    """Where `find_run` finds none: of the runs of this member beside another one that which has
    most of the recipe, and its values of the keys in which it is unlike; None where there is none.
    Neither that other one nor branches, which are no trunks, are among them.
    """
    wanted = identity(workload, config_of(workload, recipe, member))["recipe"]
    found = []
    for folder, config in _beside(member, own):
        values, theirs = (of(workload, config)["recipe"] for of in (completed, identity))
        if folder.resolve() == own.resolve() or values.get("branch"):
            continue
        unlike = {k: values.get(k) for k in values if wanted.get(k) != theirs.get(k)}
        found.append((folder, unlike))
    return min(found, key=lambda each: len(each[1]), default=None)


def _beside(member: Member, own: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The runs of a member in the folder where another one lies, with their configurations."""
    for folder in sorted((own.parent.parent / member.name).glob(f"seed{member.seed}-*")):
        with suppress(UserError):
            yield folder, read_config(folder)


def require_alike(
    workload: Workload[RecipeT, MachineT],
    key: str,
    run: Path,
    recipe: RecipeT,
    member: Member,
    keys: Sequence[str],
) -> None:
    """Raise ConfigError where a run that is read is unlike its reader.

    Args:
        workload: of both.
        key: of the recipe, which names the run.
        run: its folder.
        recipe, member: of the reader.
        keys: in which their recipes are to be equal; their seeds are as well.
    """
    config = completed(workload, read_config(run))
    theirs, mine = config["recipe"], workload.resolved(recipe)
    for each in keys:
        if theirs.get(each) != mine[each]:
            raise ConfigError(
                f"{key}: {run} has {each} {theirs.get(each)}, this run {mine[each]}; both must "
                f"have the same {', '.join(keys)}"
            )
    if config["member"]["seed"] != member.seed:
        raise ConfigError(
            f"{key}: {run} has seed {config['member']['seed']}, this run {member.seed}; choose "
            "the same"
        )


def member_of(key: str, text: str, name: str, seed: int) -> Member:
    """The member that a name such as `l2-5e-4` or `none` means.

    Args:
        key: of the recipe, for a sentence.
        text: its value, likewise.
        name: scheme and lambda.
        seed: the member's.

    Raises:
        ConfigError: it means none.
    """
    scheme, _, weight_decay = name.partition("-")
    try:
        return Member(scheme, float(weight_decay or 0), seed)
    except ValueError as error:
        raise ConfigError(
            f"{key}: {text!r} is no run's folder, and {name!r} is no decay of a run beside this "
            f"one, such as l2-5e-4 or none: {error}"
        ) from error


def _value(recipe: NetworkRecipe, text: str) -> tuple[str, Any]:
    """The key and the typed value of `KEY=VALUE`."""
    key, _, value = text.partition("=")
    values = recipe.values()
    if key not in values:
        raise ConfigError(f"branch: {unknown('key', key, values)}")
    kind = type(values[key])
    try:
        return key, {"true": True, "false": False}[value] if kind is bool else kind(value)
    except (KeyError, ValueError):
        raise ConfigError(f"branch: {text} is no {kind.__name__}") from None
