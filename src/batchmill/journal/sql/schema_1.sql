-- Format 1 of the journal.

-- The next free id of a visit; runs take some at a time.
CREATE TABLE sequence (next_visit INTEGER NOT NULL);
INSERT INTO sequence VALUES (1);

-- One row per run. `document`, `inputs` and `settings` are JSON; inputs that are secret are left out.
-- `source` is the document's file, `folder` the working folder of the run. `passes` counts how often the
-- run was begun: once, and once more for each time it was resumed. `result` is the object that --json
-- prints, NULL while there is none and where it is too large to be kept twice.
CREATE TABLE run (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    source      TEXT NOT NULL,
    folder      TEXT NOT NULL,
    document    TEXT NOT NULL,
    inputs      TEXT NOT NULL,
    settings    TEXT NOT NULL,
    status      TEXT NOT NULL,
    passes      INTEGER NOT NULL,
    started_at  REAL NOT NULL,
    finished_at REAL,
    wall        REAL,
    result      TEXT
);

-- One row per visit of a node. `address` is the node's id, within sub-workflows after those of the nodes
-- around it. `occurrence` numbers the visits of one address within a pass, from 0. `key` digests what the
-- visit's outcomes depend on but for the items: type, params, values of references, code.
CREATE TABLE visit (
    id          INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL,
    address     TEXT NOT NULL,
    occurrence  INTEGER NOT NULL,
    key         BLOB,
    is_batch    INTEGER NOT NULL,
    pass        INTEGER NOT NULL,
    total       INTEGER
);
CREATE INDEX visit_of_run ON visit (run, address, occurrence, id);
CREATE INDEX visit_by_key ON visit (key, id);

-- One row per finished item, or per finished visit of a node that is no batch (position 0).
-- `id` is visit * 2^32 + position, so that the items of a visit lie together and in order.
-- `state`: 0 a result, 1 failed, 2 finished with a value that JSON does not hold exactly: computed again.
-- What an item is matched by on resume is its JSON text, or `key`, a digest, where that is not NULL.
-- `detail` is JSON: attempts, error, records, action, and the digests of values that lie in files.
CREATE TABLE outcome (
    id          INTEGER PRIMARY KEY,
    pass        INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    key         BLOB,
    item        TEXT,
    value       TEXT,
    wall        REAL NOT NULL,
    detail      TEXT,
    visit       INTEGER GENERATED ALWAYS AS (id >> 32) VIRTUAL,
    position    INTEGER GENERATED ALWAYS AS (id & 4294967295) VIRTUAL
);

-- What happened, but for items: `at` is in seconds since the epoch, `detail` JSON.
CREATE TABLE event (
    id          INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL,
    at          REAL NOT NULL,
    kind        TEXT NOT NULL,
    detail      TEXT NOT NULL
);
CREATE INDEX event_of_run ON event (run, id);

-- How each node of a run ended; `detail` is what the run's result says of it.
CREATE TABLE node (
    run         INTEGER NOT NULL,
    address     TEXT NOT NULL,
    type        TEXT NOT NULL,
    status      TEXT NOT NULL,
    wall        REAL NOT NULL,
    detail      TEXT NOT NULL,
    PRIMARY KEY (run, address)
) WITHOUT ROWID;

-- Files beside the journal that outcomes or results refer to.
CREATE TABLE file (
    digest      TEXT NOT NULL,
    run         INTEGER NOT NULL,
    PRIMARY KEY (digest, run)
) WITHOUT ROWID;
