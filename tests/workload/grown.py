"""A recipe with one more key, as a later version of its workload would have it."""

import dataclasses


def grown(workload, monkeypatch):
    """Give a workload's recipe a key that is added later; its new type."""
    added = [("added_later", float, dataclasses.field(default=0.25))]
    told = {"__doc__": "More.\n\nArgs:\n    added_later: whatever."}
    kind = dataclasses.make_dataclass(
        *("Recipe", added), bases=(workload.Recipe,), frozen=True, namespace=told
    )
    monkeypatch.setattr(type(workload), "Recipe", kind)
    return kind
