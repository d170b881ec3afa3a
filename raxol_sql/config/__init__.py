"""
Where the database is and how it is used, and where each of these values comes from.

    defaults ◂ [common] ◂ [dev|test|prod] ◂ libpq's PG* and service file ◂ DATABASE_URL
             ◂ RAXOL_DB_* ◂ arguments                          (the later, the stronger)
"""

from raxol_sql.config.config import Config
from raxol_sql.config.conflict import Conflict
from raxol_sql.config.conninfo import Conninfo, Given
from raxol_sql.config.project import Project
from raxol_sql.config.secret import Hidden, Secret

__all__ = ["Config", "Conflict", "Conninfo", "Given", "Hidden", "Project", "Secret"]
