"""Tasks: what is asked of a model, each an lm-eval task in a folder of its own.

list_tasks()                                       every task of ours: its `Card`, without opening any data
load_tasks(names, data_dirs=, limit=, seed=)       (Task, its items) for ours, a user's items.jsonl, or an lm-eval task
limited(items, n, seed)                            n of the items, by type; a larger n keeps them
data_state(card, data_dirs)                        where a task's data are, or what is missing; data_states: of all
default_tasks(model)                               what a model is asked where nobody says
describe(name, data_dirs)                          all of that, and what the data hold where they are here
hub_sources(names)                                 what `cpbench data fetch` has to bring

To add a task: a folder with a `task.yaml`, and a `read.py` where its data lie in a layout that no other task has.
"""

from __future__ import annotations

from cpbench.tasks.catalog import (
    Card,
    DataState,
    HubSource,
    data_state,
    data_states,
    default_tasks,
    expanded,
    hub_sources,
    include_path,
    list_tasks,
)
from cpbench.tasks.describe import Contents, Description, describe
from cpbench.tasks.items import limited, load_tasks
from cpbench.tasks.rights import check_rights

__all__ = [
    "Card",
    "Contents",
    "DataState",
    "Description",
    "HubSource",
    "check_rights",
    "data_state",
    "data_states",
    "default_tasks",
    "describe",
    "expanded",
    "hub_sources",
    "include_path",
    "limited",
    "list_tasks",
    "load_tasks",
]
