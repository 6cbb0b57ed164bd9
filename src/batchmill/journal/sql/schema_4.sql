-- Format 4 of the journal: what held items back, what they took, and a sign of life.

-- The seconds that an item waited, before all its attempts together, for a limit and for a permit of the run,
-- which --jobs gives out. `id` is that of its outcome, `pass` the pass that made it: where the outcome is of
-- another one, this row tells of one that is gone. Items that did not wait have no row.
-- The attempts in the `tried` of an outcome have three more fields: the seconds for a limit before that attempt,
-- whether a service refused it, and the HTTP status of its answer. An `error` may have `refused` and `status`.
CREATE TABLE wait (
    id          INTEGER PRIMARY KEY,
    pass        INTEGER NOT NULL,
    for_limit   REAL NOT NULL,
    for_permit  REAL NOT NULL
);

-- What neighbouring items took that a worker ran one after another: `id` is that of the first outcome, `pass` the
-- pass that made it, `count` how many there are, 0 for items of an event loop: those that ended since the last such
-- row, and what others that were under way took meanwhile. `cpu` is the CPU seconds of all of them, of a worker process with
-- the commands they ran; `peak` the most memory in bytes that the process had had by then, NULL for threads.
CREATE TABLE effort (
    id          INTEGER NOT NULL,
    pass        INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    cpu         REAL,
    peak        INTEGER,
    PRIMARY KEY (id, pass)
) WITHOUT ROWID;

-- What a run was at the last time that it said so, once a second: `at` is in seconds since the epoch, `detail`
-- JSON: `nodes` by address with the number of items `in_flight` and the `oldest` of them with their seconds, and
-- `limits` with what is in flight, waits and was refused at each.
CREATE TABLE heartbeat (
    run         INTEGER PRIMARY KEY,
    pass        INTEGER NOT NULL,
    at          REAL NOT NULL,
    detail      TEXT NOT NULL
);
