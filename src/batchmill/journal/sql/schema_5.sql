-- Format 5 of the journal: what commands took, and what the machine did.

-- What the commands took that an item ran, in all its attempts: `id` is that of its outcome, `pass` the pass
-- that made it. `cpu` is CPU seconds, NULL where nobody knows, `bytes_out` what they wrote to stdout. The `cpu`
-- of an `effort` has those of the commands among it, from this format on also where items ran on threads.
CREATE TABLE command (
    id          INTEGER NOT NULL,
    pass        INTEGER NOT NULL,
    cpu         REAL,
    bytes_out   INTEGER NOT NULL,
    PRIMARY KEY (id, pass)
) WITHOUT ROWID;

-- What all processes of the run did in the `seconds` up to `at`, in seconds since the epoch: `cpu` is their CPU
-- seconds, `rss` the memory in bytes that they had at the end, what they share counted for each of them, and
-- `processes` how many there were.
CREATE TABLE sample (
    run         INTEGER NOT NULL,
    at          REAL NOT NULL,
    seconds     REAL NOT NULL,
    cpu         REAL NOT NULL,
    rss         INTEGER NOT NULL,
    processes   INTEGER NOT NULL,
    PRIMARY KEY (run, at)
) WITHOUT ROWID;
