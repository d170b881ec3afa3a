"""Every SQLSTATE that PostgreSQL ships: what kind of trouble it is, and what may be done again."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import attrs

from raxol_sql.failures.failure import Category, Verdict


@attrs.frozen
class SQLState:
    """
    What one SQLSTATE stands for.

    ``verdict`` is by its nature: where the server has said so, and took back what was done.
    `classify` adds what the phase takes away. NEVER where the same would happen again, or where
    it is for the caller to choose (`RetryPolicy.also`); ACQUIRE and TRANSACTION_NEW where it is
    the connection that cannot be had or is gone; RESOLVE where the code itself says that nobody
    knows. ``reason`` is a clause, without any value of the caller's.
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

# The codes of errcodes.txt up to PostgreSQL 18, and 72000, which ended with 16. A code that
# somebody else invented is not here, and is never retried.
# fmt: off
_ROWS = (
    # 00, 01, 02: no errors, but a function may raise one with such a code
    ("00000", NOTICE, NEVER, "it went well"),
    ("01000", NOTICE, NEVER, "a warning"),
    ("01003", NOTICE, NEVER, "an aggregate left out nulls"),
    ("01004", NOTICE, NEVER, "a text was cut off at its end"),
    ("01006", NOTICE, NEVER, "a privilege was not revoked"),
    ("01007", NOTICE, NEVER, "a privilege was not granted"),
    ("01008", NOTICE, NEVER, "a bit string was filled with zeros"),
    ("0100C", NOTICE, NEVER, "there are further result sets"),
    ("01P01", NOTICE, NEVER, "a feature that is about to go"),
    ("02000", NOTICE, NEVER, "there are no data"),
    ("02001", NOTICE, NEVER, "there are no further result sets"),
    # 03: a statement that is not complete
    ("03000", PROGRAMMING, NEVER, "the statement is not complete"),
    # 08: connections; the server itself hardly sends these: poolers and foreign data wrappers do
    ("08000", CONNECTION, NEW, "the connection failed"),
    ("08001", CONNECTION, NEW, "a connection could not be made"),
    ("08003", CONNECTION, NEW, "there is no such connection"),
    ("08004", CONNECTION, NEW, "the other side refused the connection"),
    ("08006", CONNECTION, NEW, "the connection was lost"),
    ("08007", AMBIGUOUS, RESOLVE, "nobody knows how the transaction ended"),
    ("08P01", CONNECTION, NEW, "the two sides, or a pooler between them, misunderstood each other"),
    # 09, 0A, 0B, 0F, 0L, 0P, 0Z, 10: wrong use
    ("09000", PROGRAMMING, NEVER, "a triggered action failed"),
    ("0A000", PROGRAMMING, NEVER, "the server does not support this"),
    ("0B000", PROGRAMMING, NEVER, "a transaction cannot begin like this"),
    ("0F000", PROGRAMMING, NEVER, "a locator is wrong"),
    ("0F001", PROGRAMMING, NEVER, "a locator is not valid"),
    ("0L000", PROGRAMMING, NEVER, "this role cannot grant"),
    ("0LP01", PROGRAMMING, NEVER, "this cannot be granted"),
    ("0P000", PROGRAMMING, NEVER, "a role is not valid here"),
    ("0Z000", PROGRAMMING, NEVER, "a use of diagnostics is wrong"),
    ("0Z002", PROGRAMMING, NEVER, "diagnostics were asked for outside of a handler"),
    ("10608", PROGRAMMING, NEVER, "an argument is no good for XQuery"),
    # 20, 21: the shape of data that a statement did not expect
    ("20000", PROGRAMMING, NEVER, "no branch of a CASE fits"),
    ("21000", DATA, NEVER, "there is more than one row where one was expected"),
    # 22: values; the same value gives the same error
    ("22000", DATA, NEVER, "a value is wrong"),
    ("22001", DATA, NEVER, "a text is too long"),
    ("22002", DATA, NEVER, "a null has no indicator"),
    ("22003", DATA, NEVER, "a number is out of range"),
    ("22004", DATA, NEVER, "a null is not allowed"),
    ("22005", DATA, NEVER, "a value does not fit what it is assigned to"),
    ("22007", DATA, NEVER, "a date or time is written wrongly"),
    ("22008", DATA, NEVER, "a date or time is out of range"),
    ("22009", DATA, NEVER, "a time zone is out of range"),
    ("2200B", DATA, NEVER, "an escape character means something else already"),
    ("2200C", DATA, NEVER, "an escape character stands in a wrong place"),
    ("2200D", DATA, NEVER, "an escape octet is wrong"),
    ("2200F", DATA, NEVER, "a text is empty"),
    ("2200G", DATA, NEVER, "a value has another type than the most specific one"),
    ("2200H", DATA, NEVER, "a sequence has come to its end"),
    ("2200L", DATA, NEVER, "this is no XML document"),
    ("2200M", DATA, NEVER, "an XML document is not valid"),
    ("2200N", DATA, NEVER, "XML content is not valid"),
    ("2200S", DATA, NEVER, "an XML comment is not valid"),
    ("2200T", DATA, NEVER, "an XML processing instruction is not valid"),
    ("22010", DATA, NEVER, "an indicator is wrong"),
    ("22011", DATA, NEVER, "the bounds of a substring are wrong"),
    ("22012", DATA, NEVER, "something was divided by zero"),
    ("22013", DATA, NEVER, "the size of a window frame is wrong"),
    ("22014", DATA, NEVER, "an argument is no good for ntile"),
    ("22015", DATA, NEVER, "an interval is out of range"),
    ("22016", DATA, NEVER, "an argument is no good for nth_value"),
    ("22018", DATA, NEVER, "a text cannot be cast"),
    ("22019", DATA, NEVER, "an escape character is wrong"),
    ("2201B", DATA, NEVER, "a regular expression is wrong"),
    ("2201E", DATA, NEVER, "there is no logarithm of this"),
    ("2201F", DATA, NEVER, "there is no such power"),
    ("2201G", DATA, NEVER, "an argument is no good for width_bucket"),
    ("2201W", DATA, NEVER, "a LIMIT is negative"),
    ("2201X", DATA, NEVER, "an OFFSET is negative"),
    ("22021", DATA, NEVER, "a character does not exist in the encoding"),
    ("22022", DATA, NEVER, "an indicator is out of range"),
    ("22023", DATA, NEVER, "an argument is not valid"),
    ("22024", DATA, NEVER, "a C string has no end"),
    ("22025", DATA, NEVER, "an escape sequence is wrong"),
    ("22026", DATA, NEVER, "a string has the wrong length"),
    ("22027", DATA, NEVER, "what is to be trimmed is wrong"),
    ("2202E", DATA, NEVER, "an array has no such subscript"),
    ("2202G", DATA, NEVER, "a TABLESAMPLE cannot be repeated like this"),
    ("2202H", DATA, NEVER, "an argument is no good for TABLESAMPLE"),
    ("22030", DATA, NEVER, "a key occurs twice in a JSON object"),
    ("22031", DATA, NEVER, "an argument is no good for a date or time in JSON"),
    ("22032", DATA, NEVER, "a JSON text is wrong"),
    ("22033", DATA, NEVER, "a subscript of JSON is wrong"),
    ("22034", DATA, NEVER, "there is more than one item of JSON"),
    ("22035", DATA, NEVER, "there is no item of JSON"),
    ("22036", DATA, NEVER, "an item of JSON is no number"),
    ("22037", DATA, NEVER, "the keys of a JSON object are not unique"),
    ("22038", DATA, NEVER, "a single item of JSON was expected"),
    ("22039", DATA, NEVER, "there is no array in JSON"),
    ("2203A", DATA, NEVER, "there is no such member in JSON"),
    ("2203B", DATA, NEVER, "there is no number in JSON"),
    ("2203C", DATA, NEVER, "there is no object in JSON"),
    ("2203D", DATA, NEVER, "an array in JSON has too many elements"),
    ("2203E", DATA, NEVER, "an object in JSON has too many members"),
    ("2203F", DATA, NEVER, "a scalar in JSON was expected"),
    ("2203G", DATA, NEVER, "an item of JSON cannot be cast"),
    ("22P01", DATA, NEVER, "a floating-point operation failed"),
    ("22P02", DATA, NEVER, "a text is no value of its type"),
    ("22P03", DATA, NEVER, "a binary value is no value of its type"),
    ("22P04", DATA, NEVER, "the data of a COPY have a wrong format"),
    ("22P05", DATA, NEVER, "a character cannot be converted to the encoding"),
    ("22P06", DATA, NEVER, "an escape character is used in another way than the standard's"),
    # 23: constraints; 23505 and 23P01 may be races, but nobody can tell, so that is a choice
    ("23000", CONSTRAINT, NEVER, "a constraint is violated"),
    ("23001", CONSTRAINT, NEVER, "a row is still referred to"),
    ("23502", CONSTRAINT, NEVER, "a column that takes no null got one"),
    ("23503", CONSTRAINT, NEVER, "a foreign key leads nowhere, or a row is still referred to"),
    ("23505", CONSTRAINT, NEVER, "a key that has to be unique exists already"),
    ("23514", CONSTRAINT, NEVER, "a check is not satisfied"),
    ("23P01", CONSTRAINT, NEVER, "a row excludes another that exists already"),
    # 24, 25: states of cursors and transactions
    ("24000", PROGRAMMING, NEVER, "a cursor is in a wrong state"),
    ("25000", PROGRAMMING, NEVER, "the transaction is in a wrong state"),
    ("25001", PROGRAMMING, NEVER, "a transaction is open already"),
    ("25002", PROGRAMMING, NEVER, "a branch of the transaction is open already"),
    ("25003", PROGRAMMING, NEVER, "the access mode does not fit the branch"),
    ("25004", PROGRAMMING, NEVER, "the isolation level does not fit the branch"),
    ("25005", PROGRAMMING, NEVER, "there is no transaction for the branch"),
    # The statement was not executed; a standby, or a primary that is one now, is a wrong host.
    ("25006", READ_ONLY, NEW, "the transaction is read-only"),
    ("25007", PROGRAMMING, NEVER, "schema and data cannot be changed together"),
    ("25008", PROGRAMMING, NEVER, "a held cursor needs the same isolation level"),
    ("25P01", PROGRAMMING, NEVER, "no transaction is open"),
    ("25P02", PROGRAMMING, NEVER, "an earlier statement of the transaction failed"),
    # Taken back, but by the slowness of the client, which would be as slow again.
    ("25P03", TIMEOUT, NEVER, "the transaction was idle for too long"),
    ("25P04", TIMEOUT, NEVER, "the transaction took too long"),
    # 26, 27, 28, 2B, 2D, 2F: statements, triggers, accounts, routines
    ("26000", STALE, STATEMENT, "the server has no such prepared statement any more"),
    ("27000", PROGRAMMING, NEVER, "a trigger changed what is being changed"),
    ("28000", AUTHENTICATION, NEVER, "the server does not let this role in"),
    ("28P01", AUTHENTICATION, NEVER, "the password is wrong"),
    ("2B000", PROGRAMMING, NEVER, "privileges still depend on this"),
    ("2BP01", PROGRAMMING, NEVER, "objects still depend on this"),
    ("2D000", PROGRAMMING, NEVER, "a transaction cannot end here"),
    ("2F000", RAISED, NEVER, "a routine failed"),
    ("2F002", RAISED, NEVER, "a routine may not modify data"),
    ("2F003", RAISED, NEVER, "a routine may not run such a statement"),
    ("2F004", RAISED, NEVER, "a routine may not read data"),
    ("2F005", RAISED, NEVER, "a function ended without RETURN"),
    # 34, 38, 39, 3B, 3D, 3F: names, routines of other languages
    ("34000", PROGRAMMING, NEVER, "there is no such cursor"),
    ("38000", PROGRAMMING, NEVER, "an external routine failed"),
    ("38001", PROGRAMMING, NEVER, "an external routine may not use SQL"),
    ("38002", PROGRAMMING, NEVER, "an external routine may not modify data"),
    ("38003", PROGRAMMING, NEVER, "an external routine may not run such a statement"),
    ("38004", PROGRAMMING, NEVER, "an external routine may not read data"),
    ("39000", PROGRAMMING, NEVER, "an external routine was called wrongly"),
    ("39001", PROGRAMMING, NEVER, "an external routine gave a wrong SQLSTATE"),
    ("39004", PROGRAMMING, NEVER, "an external routine takes no null"),
    ("39P01", PROGRAMMING, NEVER, "a function is no good as a trigger"),
    ("39P02", PROGRAMMING, NEVER, "a function cannot give a set of rows here"),
    ("39P03", PROGRAMMING, NEVER, "a function is no good as an event trigger"),
    ("3B000", PROGRAMMING, NEVER, "a savepoint is used wrongly"),
    ("3B001", PROGRAMMING, NEVER, "there is no such savepoint"),
    ("3D000", CONFIGURATION, NEVER, "there is no such database"),
    ("3F000", CONFIGURATION, NEVER, "there is no such schema"),
    # 40: the transaction was rolled back, but the codes are no kin: to retry the class is wrong
    ("40000", CONFLICT, TRANSACTION, "the server rolled the transaction back"),
    ("40001", CONFLICT, TRANSACTION, "others changed at the same time what this relies on"),
    ("40002", CONSTRAINT, NEVER, "a constraint is violated"),
    ("40003", AMBIGUOUS, RESOLVE, "nobody knows whether the statement was completed"),
    ("40P01", CONFLICT, TRANSACTION, "this and others waited for each other"),
    # 42: the text of the statement, or the schema that it was written for
    ("42000", PROGRAMMING, NEVER, "the statement is wrong, or not allowed"),
    ("42501", PRIVILEGE, NEVER, "the role lacks a privilege"),
    ("42601", PROGRAMMING, NEVER, "the syntax is wrong"),
    ("42602", PROGRAMMING, NEVER, "a name is not valid"),
    ("42611", PROGRAMMING, NEVER, "the definition of a column is wrong"),
    ("42622", PROGRAMMING, NEVER, "a name is too long"),
    ("42701", PROGRAMMING, NEVER, "a column exists already"),
    ("42702", PROGRAMMING, NEVER, "a name stands for several columns"),
    ("42703", PROGRAMMING, NEVER, "there is no such column"),
    ("42704", PROGRAMMING, NEVER, "there is no such object"),
    ("42710", PROGRAMMING, NEVER, "an object exists already"),
    ("42712", PROGRAMMING, NEVER, "an alias occurs twice"),
    ("42723", PROGRAMMING, NEVER, "a function exists already"),
    ("42725", PROGRAMMING, NEVER, "several functions fit"),
    ("42803", PROGRAMMING, NEVER, "a column is neither grouped nor aggregated"),
    ("42804", PROGRAMMING, NEVER, "types do not match"),
    ("42809", PROGRAMMING, NEVER, "an object is of another kind"),
    ("42830", PROGRAMMING, NEVER, "a foreign key is defined wrongly"),
    ("42846", PROGRAMMING, NEVER, "there is no such cast"),
    ("42883", PROGRAMMING, NEVER, "there is no such function or operator"),
    ("428C9", PROGRAMMING, NEVER, "a column is always generated"),
    ("42939", PROGRAMMING, NEVER, "a name is reserved"),
    ("42P01", PROGRAMMING, NEVER, "there is no such table"),
    ("42P02", PROGRAMMING, NEVER, "there is no such parameter"),
    ("42P03", PROGRAMMING, NEVER, "a cursor exists already"),
    ("42P04", PROGRAMMING, NEVER, "a database exists already"),
    ("42P05", STALE, STATEMENT, "the server has a prepared statement of this name already"),
    ("42P06", PROGRAMMING, NEVER, "a schema exists already"),
    ("42P07", PROGRAMMING, NEVER, "a table exists already"),
    ("42P08", PROGRAMMING, NEVER, "a parameter would have several types"),
    ("42P09", PROGRAMMING, NEVER, "an alias stands for several things"),
    ("42P10", PROGRAMMING, NEVER, "a column cannot be referred to here"),
    ("42P11", PROGRAMMING, NEVER, "a cursor is defined wrongly"),
    ("42P12", PROGRAMMING, NEVER, "a database is defined wrongly"),
    ("42P13", PROGRAMMING, NEVER, "a function is defined wrongly"),
    ("42P14", PROGRAMMING, NEVER, "this cannot be prepared"),
    ("42P15", PROGRAMMING, NEVER, "a schema is defined wrongly"),
    ("42P16", PROGRAMMING, NEVER, "a table is defined wrongly"),
    ("42P17", PROGRAMMING, NEVER, "an object is defined wrongly"),
    ("42P18", PROGRAMMING, NEVER, "the type of something cannot be told"),
    ("42P19", PROGRAMMING, NEVER, "a recursive query is wrong"),
    ("42P20", PROGRAMMING, NEVER, "a window is wrong"),
    ("42P21", PROGRAMMING, NEVER, "collations do not match"),
    ("42P22", PROGRAMMING, NEVER, "the collation cannot be told"),
    ("44000", CONSTRAINT, NEVER, "a row is not one of the view it is written to"),
    # 53, 54: too little of something; for what lasts, or comes of the query, a retry adds to it
    ("53000", RESOURCE, TRANSACTION, "the server lacks a resource"),
    ("53100", RESOURCE, NEVER, "the server's disk is full"),
    ("53200", RESOURCE, TRANSACTION, "the server is out of memory"),
    ("53300", RESOURCE, ACQUIRE, "the server has no connection left"),
    ("53400", LIMIT, NEVER, "a limit of the server's configuration is reached"),
    ("54000", LIMIT, NEVER, "this is more than the server can do"),
    ("54001", LIMIT, NEVER, "the statement is too complex"),
    ("54011", LIMIT, NEVER, "there are too many columns"),
    ("54023", LIMIT, NEVER, "there are too many arguments"),
    # 55: states of objects; to wait for a lock again is a choice: with NOWAIT one wants the error
    ("55000", PROGRAMMING, NEVER, "an object is not in the state that this needs"),
    ("55006", LOCK, NEVER, "somebody is using an object"),
    ("55P02", PROGRAMMING, NEVER, "this setting cannot be changed now"),
    ("55P03", LOCK, NEVER, "somebody else holds the lock"),
    ("55P04", PROGRAMMING, NEVER, "a new value of an enum cannot be used before a COMMIT"),
    # 57: somebody stepped in; a query is cancelled for three causes, and the code is the same
    ("57000", CANCELLED, NEVER, "an operator stepped in"),
    ("57014", CANCELLED, NEVER, "the query was cancelled, by somebody or by its time limit"),
    ("57P01", SHUTDOWN, NEW, "the server ended the connection, as it does when it shuts down"),
    ("57P02", SHUTDOWN, NEW, "the server ended the connection because another one crashed"),
    ("57P03", STARTUP, ACQUIRE, "the server takes no connections now, as it does when it starts"),
    ("57P04", CONFIGURATION, NEVER, "the database was dropped"),
    ("57P05", SHUTDOWN, NEW, "the server ended the connection because it was idle"),
    # 58, 72, F0: the system around the server
    ("58000", SYSTEM, TRANSACTION, "the system around the server failed"),
    ("58030", SYSTEM, TRANSACTION, "the server could not read or write"),
    ("58P01", SYSTEM, NEVER, "the server misses a file"),
    ("58P02", SYSTEM, NEVER, "the server found a file that should not be there"),
    ("58P03", SYSTEM, NEVER, "the name of a file is too long"),
    ("72000", CONFLICT, TRANSACTION, "the snapshot is too old"),
    ("F0000", CONFIGURATION, NEVER, "the server's configuration is wrong"),
    ("F0001", CONFIGURATION, NEVER, "the server's lock file exists already"),
    # HV: foreign data; a connection that could not be made has done nothing at the other side
    ("HV000", FOREIGN, NEVER, "a foreign data wrapper failed"),
    ("HV001", FOREIGN, NEVER, "a foreign data wrapper is out of memory"),
    ("HV002", FOREIGN, NEVER, "a foreign data wrapper needs the value of a parameter"),
    ("HV004", FOREIGN, NEVER, "a foreign data wrapper got a wrong type"),
    ("HV005", FOREIGN, NEVER, "a foreign data wrapper finds no such column"),
    ("HV006", FOREIGN, NEVER, "a foreign data wrapper got wrong descriptors of types"),
    ("HV007", FOREIGN, NEVER, "a foreign data wrapper got a wrong name of a column"),
    ("HV008", FOREIGN, NEVER, "a foreign data wrapper got a wrong number of a column"),
    ("HV009", FOREIGN, NEVER, "a foreign data wrapper used a null pointer"),
    ("HV00A", FOREIGN, NEVER, "a foreign data wrapper got a wrong format of a string"),
    ("HV00B", FOREIGN, NEVER, "a foreign data wrapper got a wrong handle"),
    ("HV00C", FOREIGN, NEVER, "a foreign data wrapper has no such option by index"),
    ("HV00D", FOREIGN, NEVER, "a foreign data wrapper has no such option"),
    ("HV00J", FOREIGN, NEVER, "a foreign data wrapper misses an option"),
    ("HV00K", FOREIGN, NEVER, "a foreign data wrapper answered with a handle"),
    ("HV00L", FOREIGN, NEVER, "a foreign data wrapper could not begin to execute"),
    ("HV00M", FOREIGN, NEVER, "a foreign data wrapper could not make an answer"),
    ("HV00N", FOREIGN, TRANSACTION, "a foreign data wrapper could not connect"),
    ("HV00P", FOREIGN, NEVER, "a foreign data wrapper has no schemas"),
    ("HV00Q", FOREIGN, NEVER, "a foreign data wrapper finds no such schema"),
    ("HV00R", FOREIGN, NEVER, "a foreign data wrapper finds no such table"),
    ("HV010", FOREIGN, NEVER, "a foreign data wrapper was called in a wrong order"),
    ("HV014", FOREIGN, NEVER, "a foreign data wrapper has too many handles"),
    ("HV021", FOREIGN, NEVER, "a foreign data wrapper got descriptors that contradict each other"),
    ("HV024", FOREIGN, NEVER, "a foreign data wrapper got a wrong attribute"),
    ("HV090", FOREIGN, NEVER, "a foreign data wrapper got a wrong length"),
    ("HV091", FOREIGN, NEVER, "a foreign data wrapper got a wrong field of a descriptor"),
    # P0: what functions raise
    ("P0000", RAISED, NEVER, "a function failed"),
    ("P0001", RAISED, NEVER, "a function raised an error"),
    ("P0002", RAISED, NEVER, "a function found no row"),
    ("P0003", RAISED, NEVER, "a function found more than one row"),
    ("P0004", RAISED, NEVER, "an assertion of a function is false"),
    # XX: bugs, and data that cannot be trusted
    ("XX000", INTERNAL, NEVER, "the server, or an extension, has a bug"),
    ("XX001", CORRUPTION, NEVER, "data are corrupted"),
    ("XX002", CORRUPTION, NEVER, "an index is corrupted"),
)
# fmt: on

SQLSTATES: Mapping[str, SQLState] = MappingProxyType(
    {code: SQLState(category, verdict, reason) for code, category, verdict, reason in _ROWS}
)
