"""
The CRUD functions, over queries that the project has written.

    repo.create(User, {...}) ──namespaces──▶ queries.users ──verbs──▶ users.create
                 │                                                        │
             Changeset ──────────────planner──────────────▶ Plan: a Bound, what to make of
                                                            its result, and of its errors
                                                              │
                                             blocking / aio: the database runs it

`namespaces` finds the queries of a record, `verbs` says which query a function runs and of which
kind that is, `starter` what to write where there is none, `planner` decides everything else
without any I/O, and `steps` puts plans into a `Multi`. No SQL is made here.
"""

from raxol_sql.repo.aio import AsyncRepo
from raxol_sql.repo.blocking import Repo
from raxol_sql.repo.steps import RepoMulti

__all__ = ["AsyncRepo", "Repo", "RepoMulti"]
