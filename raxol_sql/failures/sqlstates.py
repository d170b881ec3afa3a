"""Every SQLSTATE that PostgreSQL ships: its category, and what may be retried."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import attrs

from raxol_sql.failures.failure import Category, Verdict


@attrs.frozen(eq=False, repr=False)
class SQLState:
    """
    The meaning of one SQLSTATE.

    ``verdict`` holds for an error that the server reported itself, after it rolled back; `classify`
    restricts it by the phase. NEVER where a retry would fail the same way, or where the caller has
    to choose (`RetryPolicy.extra_sqlstates`); ACQUIRE and TRANSACTION_NEW where no connection could
    be made or it was lost; RESOLVE where the code says that the outcome is unknown. ``reason`` is
    PostgreSQL's name of the condition, or a clause where more can be said. It holds no value of the
    caller's.
    """

    category: Category
    verdict: Verdict
    reason: str


NOTICE, DATA, CONSTRAINT = Category.NOTICE, Category.DATA, Category.CONSTRAINT
PROGRAMMING, PRIVILEGE, RAISED = Category.PROGRAMMING, Category.PRIVILEGE, Category.RAISED
CONNECTION, SHUTDOWN, STARTUP = Category.CONNECTION, Category.SHUTDOWN, Category.STARTUP
CONFIGURATION, AUTHENTICATION = Category.CONFIGURATION, Category.AUTHENTICATION
CONFLICT, LOCK, AMBIGUOUS = Category.CONFLICT, Category.LOCK, Category.AMBIGUOUS
TIMEOUT, CANCELLED, READ_ONLY = Category.TIMEOUT, Category.CANCELLED, Category.READ_ONLY
STALE, RESOURCE, LIMIT = Category.STALE, Category.RESOURCE, Category.LIMIT
SYSTEM, INTERNAL, CORRUPTION = Category.SYSTEM, Category.INTERNAL, Category.CORRUPTION
FOREIGN = Category.FOREIGN
NEVER, ACQUIRE, STATEMENT = Verdict.NEVER, Verdict.ACQUIRE, Verdict.STATEMENT
TRANSACTION, NEW, RESOLVE = Verdict.TRANSACTION, Verdict.TRANSACTION_NEW, Verdict.RESOLVE

# The codes of errcodes.txt up to PostgreSQL 18, and 72000, which ended with 16. Codes that
# extensions and functions define are not here, and are never retried.
# fmt: off
_ROWS = (
    # 00, 01, 02: no errors, but a function may raise one with such a code
    ("00000", NOTICE, NEVER, "successful completion"),
    ("01000", NOTICE, NEVER, "warning"),
    ("01003", NOTICE, NEVER, "null value eliminated in set function"),
    ("01004", NOTICE, NEVER, "string data right truncation"),
    ("01006", NOTICE, NEVER, "privilege not revoked"),
    ("01007", NOTICE, NEVER, "privilege not granted"),
    ("01008", NOTICE, NEVER, "implicit zero bit padding"),
    ("0100C", NOTICE, NEVER, "dynamic result sets returned"),
    ("01P01", NOTICE, NEVER, "deprecated feature"),
    ("02000", NOTICE, NEVER, "no data"),
    ("02001", NOTICE, NEVER, "no additional dynamic result sets returned"),
    # 03: a statement that is not complete
    ("03000", PROGRAMMING, NEVER, "SQL statement not yet complete"),
    # 08: connections; the server itself hardly sends these: poolers and foreign data wrappers do
    ("08000", CONNECTION, NEW, "connection exception"),
    ("08001", CONNECTION, NEW, "the client could not establish a connection"),
    ("08003", CONNECTION, NEW, "the connection does not exist"),
    ("08004", CONNECTION, NEW, "the server rejected the connection"),
    ("08006", CONNECTION, NEW, "connection failure: the connection was lost"),
    ("08007", AMBIGUOUS, RESOLVE, "transaction resolution unknown"),
    ("08P01", CONNECTION, NEW, "protocol violation between client, pooler and server"),
    # 09, 0A, 0B, 0F, 0L, 0P, 0Z, 10: wrong use
    ("09000", PROGRAMMING, NEVER, "triggered action exception"),
    ("0A000", PROGRAMMING, NEVER, "feature not supported"),
    ("0B000", PROGRAMMING, NEVER, "invalid transaction initiation"),
    ("0F000", PROGRAMMING, NEVER, "locator exception"),
    ("0F001", PROGRAMMING, NEVER, "invalid locator specification"),
    ("0L000", PROGRAMMING, NEVER, "invalid grantor"),
    ("0LP01", PROGRAMMING, NEVER, "invalid grant operation"),
    ("0P000", PROGRAMMING, NEVER, "invalid role specification"),
    ("0Z000", PROGRAMMING, NEVER, "diagnostics exception"),
    ("0Z002", PROGRAMMING, NEVER, "stacked diagnostics accessed without active handler"),
    ("10608", PROGRAMMING, NEVER, "invalid argument for XQuery"),
    # 20, 21: the shape of data that a statement did not expect
    ("20000", PROGRAMMING, NEVER, "case not found"),
    ("21000", DATA, NEVER, "cardinality violation"),
    # 22: values; the same value gives the same error
    ("22000", DATA, NEVER, "data exception"),
    ("22001", DATA, NEVER, "string data right truncation"),
    ("22002", DATA, NEVER, "null value no indicator parameter"),
    ("22003", DATA, NEVER, "numeric value out of range"),
    ("22004", DATA, NEVER, "null value not allowed"),
    ("22005", DATA, NEVER, "error in assignment"),
    ("22007", DATA, NEVER, "invalid datetime format"),
    ("22008", DATA, NEVER, "datetime field overflow"),
    ("22009", DATA, NEVER, "invalid time zone displacement value"),
    ("2200B", DATA, NEVER, "escape character conflict"),
    ("2200C", DATA, NEVER, "invalid use of escape character"),
    ("2200D", DATA, NEVER, "invalid escape octet"),
    ("2200F", DATA, NEVER, "zero length character string"),
    ("2200G", DATA, NEVER, "most specific type mismatch"),
    ("2200H", DATA, NEVER, "sequence generator LIMIT exceeded"),
    ("2200L", DATA, NEVER, "not an XML document"),
    ("2200M", DATA, NEVER, "invalid XML document"),
    ("2200N", DATA, NEVER, "invalid XML content"),
    ("2200S", DATA, NEVER, "invalid XML comment"),
    ("2200T", DATA, NEVER, "invalid XML processing instruction"),
    ("22010", DATA, NEVER, "invalid indicator parameter value"),
    ("22011", DATA, NEVER, "substring error"),
    ("22012", DATA, NEVER, "division by zero"),
    ("22013", DATA, NEVER, "invalid preceding or following size"),
    ("22014", DATA, NEVER, "invalid argument for ntile function"),
    ("22015", DATA, NEVER, "interval field overflow"),
    ("22016", DATA, NEVER, "invalid argument for nth value function"),
    ("22018", DATA, NEVER, "invalid character value for cast"),
    ("22019", DATA, NEVER, "invalid escape character"),
    ("2201B", DATA, NEVER, "invalid regular expression"),
    ("2201E", DATA, NEVER, "invalid argument for logarithm"),
    ("2201F", DATA, NEVER, "invalid argument for power function"),
    ("2201G", DATA, NEVER, "invalid argument for width bucket function"),
    ("2201W", DATA, NEVER, "invalid row count in LIMIT clause"),
    ("2201X", DATA, NEVER, "invalid row count in result OFFSET clause"),
    ("22021", DATA, NEVER, "character not in repertoire"),
    ("22022", DATA, NEVER, "indicator overflow"),
    ("22023", DATA, NEVER, "invalid parameter value"),
    ("22024", DATA, NEVER, "unterminated C string"),
    ("22025", DATA, NEVER, "invalid escape sequence"),
    ("22026", DATA, NEVER, "string data length mismatch"),
    ("22027", DATA, NEVER, "trim error"),
    ("2202E", DATA, NEVER, "array subscript error"),
    ("2202G", DATA, NEVER, "invalid tablesample repeat"),
    ("2202H", DATA, NEVER, "invalid tablesample argument"),
    ("22030", DATA, NEVER, "duplicate JSON object key value"),
    ("22031", DATA, NEVER, "invalid argument for SQL/JSON datetime function"),
    ("22032", DATA, NEVER, "invalid JSON text"),
    ("22033", DATA, NEVER, "invalid SQL/JSON subscript"),
    ("22034", DATA, NEVER, "more than one SQL/JSON item"),
    ("22035", DATA, NEVER, "no SQL/JSON item"),
    ("22036", DATA, NEVER, "non numeric SQL/JSON item"),
    ("22037", DATA, NEVER, "non unique keys in a JSON object"),
    ("22038", DATA, NEVER, "singleton SQL/JSON item required"),
    ("22039", DATA, NEVER, "SQL/JSON array not found"),
    ("2203A", DATA, NEVER, "SQL/JSON member not found"),
    ("2203B", DATA, NEVER, "SQL/JSON number not found"),
    ("2203C", DATA, NEVER, "SQL/JSON object not found"),
    ("2203D", DATA, NEVER, "too many JSON array elements"),
    ("2203E", DATA, NEVER, "too many JSON object members"),
    ("2203F", DATA, NEVER, "SQL/JSON scalar required"),
    ("2203G", DATA, NEVER, "SQL/JSON item cannot be cast to target type"),
    ("22P01", DATA, NEVER, "floating point exception"),
    ("22P02", DATA, NEVER, "invalid text representation"),
    ("22P03", DATA, NEVER, "invalid binary representation"),
    ("22P04", DATA, NEVER, "bad copy file format"),
    ("22P05", DATA, NEVER, "untranslatable character"),
    ("22P06", DATA, NEVER, "nonstandard use of escape character"),
    # 23: constraints; 23505 and 23P01 may be races, which the code does not tell: a choice
    ("23000", CONSTRAINT, NEVER, "integrity constraint violation"),
    ("23001", CONSTRAINT, NEVER, "restrict violation: other rows still refer to the row"),
    ("23502", CONSTRAINT, NEVER, "not-null constraint violated"),
    ("23503", CONSTRAINT, NEVER, "foreign key constraint violated"),
    ("23505", CONSTRAINT, NEVER, "unique constraint violated"),
    ("23514", CONSTRAINT, NEVER, "check constraint violated"),
    ("23P01", CONSTRAINT, NEVER, "exclusion constraint violated"),
    # 24, 25: states of cursors and transactions
    ("24000", PROGRAMMING, NEVER, "invalid cursor state"),
    ("25000", PROGRAMMING, NEVER, "invalid transaction state"),
    ("25001", PROGRAMMING, NEVER, "active SQL transaction"),
    ("25002", PROGRAMMING, NEVER, "branch transaction already active"),
    ("25003", PROGRAMMING, NEVER, "inappropriate access mode for branch transaction"),
    ("25004", PROGRAMMING, NEVER, "inappropriate isolation level for branch transaction"),
    ("25005", PROGRAMMING, NEVER, "no active SQL transaction for branch transaction"),
    # The statement was not executed; a standby, or a primary that is one now, is a wrong host.
    ("25006", READ_ONLY, NEW, "the transaction is read-only"),
    ("25007", PROGRAMMING, NEVER, "schema and data statement mixing not supported"),
    ("25008", PROGRAMMING, NEVER, "held cursor requires same isolation level"),
    ("25P01", PROGRAMMING, NEVER, "no transaction is open"),
    ("25P02", PROGRAMMING, NEVER, "in a failed transaction: an earlier statement failed"),
    # Rolled back because the client was slow; it would be as slow again.
    ("25P03", TIMEOUT, NEVER, "idle_in_transaction_session_timeout exceeded"),
    ("25P04", TIMEOUT, NEVER, "transaction_timeout exceeded"),
    # 26, 27, 28, 2B, 2D, 2F: statements, triggers, accounts, routines
    ("26000", STALE, STATEMENT, "the prepared statement does not exist on the server any more"),
    ("27000", PROGRAMMING, NEVER, "triggered data change violation"),
    ("28000", AUTHENTICATION, NEVER, "the server does not accept this role"),
    ("28P01", AUTHENTICATION, NEVER, "password authentication failed"),
    ("2B000", PROGRAMMING, NEVER, "dependent privilege descriptors still exist"),
    ("2BP01", PROGRAMMING, NEVER, "dependent objects still exist"),
    ("2D000", PROGRAMMING, NEVER, "invalid transaction termination"),
    ("2F000", RAISED, NEVER, "SQL routine exception"),
    ("2F002", RAISED, NEVER, "modifying SQL data not permitted"),
    ("2F003", RAISED, NEVER, "prohibited SQL statement attempted"),
    ("2F004", RAISED, NEVER, "reading SQL data not permitted"),
    ("2F005", RAISED, NEVER, "function executed no return statement"),
    # 34, 38, 39, 3B, 3D, 3F: names, routines of other languages
    ("34000", PROGRAMMING, NEVER, "invalid cursor name"),
    ("38000", PROGRAMMING, NEVER, "external routine exception"),
    ("38001", PROGRAMMING, NEVER, "containing SQL not permitted"),
    ("38002", PROGRAMMING, NEVER, "modifying SQL data not permitted ext"),
    ("38003", PROGRAMMING, NEVER, "prohibited SQL statement attempted by an external routine"),
    ("38004", PROGRAMMING, NEVER, "reading SQL data not permitted ext"),
    ("39000", PROGRAMMING, NEVER, "external routine invocation exception"),
    ("39001", PROGRAMMING, NEVER, "invalid sqlstate returned"),
    ("39004", PROGRAMMING, NEVER, "null value not allowed ext"),
    ("39P01", PROGRAMMING, NEVER, "trigger protocol violated"),
    ("39P02", PROGRAMMING, NEVER, "set-returning function protocol violated"),
    ("39P03", PROGRAMMING, NEVER, "event trigger protocol violated"),
    ("3B000", PROGRAMMING, NEVER, "savepoint exception"),
    ("3B001", PROGRAMMING, NEVER, "invalid savepoint specification"),
    ("3D000", CONFIGURATION, NEVER, "the database does not exist"),
    ("3F000", CONFIGURATION, NEVER, "the schema does not exist"),
    # 40: the transaction was rolled back, but the codes are no kin: to retry the class is wrong
    ("40000", CONFLICT, TRANSACTION, "transaction rollback"),
    ("40001", CONFLICT, TRANSACTION, "could not serialize access because of a concurrent update"),
    ("40002", CONSTRAINT, NEVER, "transaction integrity constraint violation"),
    ("40003", AMBIGUOUS, RESOLVE, "statement completion unknown: it may or may not have committed"),
    ("40P01", CONFLICT, TRANSACTION, "deadlock detected"),
    # 42: the text of the statement, or the schema that it was written for
    ("42000", PROGRAMMING, NEVER, "syntax error or access rule violation"),
    ("42501", PRIVILEGE, NEVER, "insufficient privilege"),
    ("42601", PROGRAMMING, NEVER, "syntax error"),
    ("42602", PROGRAMMING, NEVER, "invalid name"),
    ("42611", PROGRAMMING, NEVER, "invalid column definition"),
    ("42622", PROGRAMMING, NEVER, "name too long"),
    ("42701", PROGRAMMING, NEVER, "duplicate column"),
    ("42702", PROGRAMMING, NEVER, "ambiguous column"),
    ("42703", PROGRAMMING, NEVER, "the column does not exist"),
    ("42704", PROGRAMMING, NEVER, "the object does not exist"),
    ("42710", PROGRAMMING, NEVER, "duplicate object"),
    ("42712", PROGRAMMING, NEVER, "duplicate alias"),
    ("42723", PROGRAMMING, NEVER, "duplicate function"),
    ("42725", PROGRAMMING, NEVER, "ambiguous function"),
    ("42803", PROGRAMMING, NEVER, "grouping error"),
    ("42804", PROGRAMMING, NEVER, "datatype mismatch"),
    ("42809", PROGRAMMING, NEVER, "wrong object type"),
    ("42830", PROGRAMMING, NEVER, "invalid foreign key"),
    ("42846", PROGRAMMING, NEVER, "cannot coerce"),
    ("42883", PROGRAMMING, NEVER, "the function or operator does not exist"),
    ("428C9", PROGRAMMING, NEVER, "generated always"),
    ("42939", PROGRAMMING, NEVER, "reserved name"),
    ("42P01", PROGRAMMING, NEVER, "the table does not exist"),
    ("42P02", PROGRAMMING, NEVER, "undefined parameter"),
    ("42P03", PROGRAMMING, NEVER, "duplicate cursor"),
    ("42P04", PROGRAMMING, NEVER, "duplicate database"),
    ("42P05", STALE, STATEMENT, "the server already has a prepared statement with this name"),
    ("42P06", PROGRAMMING, NEVER, "duplicate schema"),
    ("42P07", PROGRAMMING, NEVER, "duplicate table"),
    ("42P08", PROGRAMMING, NEVER, "ambiguous parameter"),
    ("42P09", PROGRAMMING, NEVER, "ambiguous alias"),
    ("42P10", PROGRAMMING, NEVER, "invalid column reference"),
    ("42P11", PROGRAMMING, NEVER, "invalid cursor definition"),
    ("42P12", PROGRAMMING, NEVER, "invalid database definition"),
    ("42P13", PROGRAMMING, NEVER, "invalid function definition"),
    ("42P14", PROGRAMMING, NEVER, "invalid prepared statement definition"),
    ("42P15", PROGRAMMING, NEVER, "invalid schema definition"),
    ("42P16", PROGRAMMING, NEVER, "invalid table definition"),
    ("42P17", PROGRAMMING, NEVER, "invalid object definition"),
    ("42P18", PROGRAMMING, NEVER, "indeterminate datatype"),
    ("42P19", PROGRAMMING, NEVER, "invalid recursion"),
    ("42P20", PROGRAMMING, NEVER, "windowing error"),
    ("42P21", PROGRAMMING, NEVER, "collation mismatch"),
    ("42P22", PROGRAMMING, NEVER, "indeterminate collation"),
    ("44000", CONSTRAINT, NEVER, "with check option violation"),
    # 53, 54: too little of something; for what lasts, or comes of the query, a retry adds to it
    ("53000", RESOURCE, TRANSACTION, "insufficient resources"),
    ("53100", RESOURCE, NEVER, "the server's disk is full"),
    ("53200", RESOURCE, TRANSACTION, "the server is out of memory"),
    ("53300", RESOURCE, ACQUIRE, "the server has no connection slot left"),
    ("53400", LIMIT, NEVER, "configuration limit exceeded"),
    ("54000", LIMIT, NEVER, "program LIMIT exceeded"),
    ("54001", LIMIT, NEVER, "statement too complex"),
    ("54011", LIMIT, NEVER, "too many columns"),
    ("54023", LIMIT, NEVER, "too many arguments"),
    # 55: states of objects; to wait for a lock again is a choice: with NOWAIT one wants the error
    ("55000", PROGRAMMING, NEVER, "object not in prerequisite state"),
    ("55006", LOCK, NEVER, "the object is in use"),
    ("55P02", PROGRAMMING, NEVER, "cant change runtime param"),
    ("55P03", LOCK, NEVER, "the lock is not available: another session holds it"),
    ("55P04", PROGRAMMING, NEVER, "unsafe new enum value usage"),
    # 57: operator intervention; a query is cancelled for three reasons with one code
    ("57000", CANCELLED, NEVER, "operator intervention"),
    ("57014", CANCELLED, NEVER, "the query was cancelled, or it exceeded statement_timeout"),
    ("57P01", SHUTDOWN, NEW, "the server terminated the connection, as it does at shutdown"),
    ("57P02", SHUTDOWN, NEW, "the server terminated the connection: another backend crashed"),
    ("57P03", STARTUP, ACQUIRE, "the server does not accept connections now, as while it starts"),
    ("57P04", CONFIGURATION, NEVER, "the database was dropped"),
    ("57P05", SHUTDOWN, NEW, "the server terminated the connection because it was idle"),
    # 58, 72, F0: the system around the server
    ("58000", SYSTEM, TRANSACTION, "system error outside of PostgreSQL"),
    ("58030", SYSTEM, TRANSACTION, "input/output error on the server"),
    ("58P01", SYSTEM, NEVER, "undefined file"),
    ("58P02", SYSTEM, NEVER, "duplicate file"),
    ("58P03", SYSTEM, NEVER, "file name too long"),
    ("72000", CONFLICT, TRANSACTION, "snapshot too old"),
    ("F0000", CONFIGURATION, NEVER, "error in the server's configuration file"),
    ("F0001", CONFIGURATION, NEVER, "the server's lock file exists already"),
    # HV: foreign data; a connection that could not be made has done nothing at the other side
    ("HV000", FOREIGN, NEVER, "foreign data wrapper error"),
    ("HV001", FOREIGN, NEVER, "foreign data wrapper out of memory"),
    ("HV002", FOREIGN, NEVER, "foreign data wrapper dynamic parameter value needed"),
    ("HV004", FOREIGN, NEVER, "foreign data wrapper invalid data type"),
    ("HV005", FOREIGN, NEVER, "foreign data wrapper column name not found"),
    ("HV006", FOREIGN, NEVER, "foreign data wrapper invalid data type descriptors"),
    ("HV007", FOREIGN, NEVER, "foreign data wrapper invalid column name"),
    ("HV008", FOREIGN, NEVER, "foreign data wrapper invalid column number"),
    ("HV009", FOREIGN, NEVER, "foreign data wrapper invalid use of null pointer"),
    ("HV00A", FOREIGN, NEVER, "foreign data wrapper invalid string format"),
    ("HV00B", FOREIGN, NEVER, "foreign data wrapper invalid handle"),
    ("HV00C", FOREIGN, NEVER, "foreign data wrapper invalid option index"),
    ("HV00D", FOREIGN, NEVER, "foreign data wrapper invalid option name"),
    ("HV00J", FOREIGN, NEVER, "foreign data wrapper option name not found"),
    ("HV00K", FOREIGN, NEVER, "foreign data wrapper reply handle"),
    ("HV00L", FOREIGN, NEVER, "foreign data wrapper unable to create execution"),
    ("HV00M", FOREIGN, NEVER, "foreign data wrapper unable to create reply"),
    ("HV00N", FOREIGN, TRANSACTION, "foreign data wrapper unable to establish connection"),
    ("HV00P", FOREIGN, NEVER, "foreign data wrapper no schemas"),
    ("HV00Q", FOREIGN, NEVER, "foreign data wrapper schema not found"),
    ("HV00R", FOREIGN, NEVER, "foreign data wrapper table not found"),
    ("HV010", FOREIGN, NEVER, "foreign data wrapper function sequence error"),
    ("HV014", FOREIGN, NEVER, "foreign data wrapper too many handles"),
    ("HV021", FOREIGN, NEVER, "foreign data wrapper inconsistent descriptor information"),
    ("HV024", FOREIGN, NEVER, "foreign data wrapper invalid attribute value"),
    ("HV090", FOREIGN, NEVER, "foreign data wrapper invalid string length or buffer length"),
    ("HV091", FOREIGN, NEVER, "foreign data wrapper invalid descriptor field identifier"),
    # P0: what functions raise
    ("P0000", RAISED, NEVER, "PL/pgSQL error"),
    ("P0001", RAISED, NEVER, "a function raised an exception"),
    ("P0002", RAISED, NEVER, "a function found no row"),
    ("P0003", RAISED, NEVER, "a function found more than one row"),
    ("P0004", RAISED, NEVER, "an assertion in a function failed"),
    # XX: bugs, and data that cannot be trusted
    ("XX000", INTERNAL, NEVER, "internal error of the server or of an extension"),
    ("XX001", CORRUPTION, NEVER, "data is corrupted"),
    ("XX002", CORRUPTION, NEVER, "an index is corrupted"),
)
# fmt: on

SQLSTATES: Mapping[str, SQLState] = MappingProxyType(
    {code: SQLState(category, verdict, reason) for code, category, verdict, reason in _ROWS}
)
