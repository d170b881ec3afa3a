"""
CRUD functions over queries that the project has written.

    repo.create(User, {...}) ──namespaces──▶ queries.users ──verbs──▶ users.create
                 │                                                        │
             Changeset ──────────────planner──────────────▶ RepoCall: a BoundQuery, and how to
                                                            read its result and its errors
                                                              │
                                             blocking / aio: the database runs it

`namespaces` finds the queries of a record, `verbs` maps each function to the name and the kinds of
its query, `starter` suggests a query that is missing, `planner` decides everything else without
any I/O, and `steps` puts calls into a `Multi`. No SQL is generated here.
"""

from raxol_sql.repo.aio import AsyncRepo
from raxol_sql.repo.blocking import Repo
from raxol_sql.repo.steps import RepoMulti

__all__ = ["AsyncRepo", "Repo", "RepoMulti"]
