-- Format 6 of the journal: batches of requests that a service answers later.

-- `token` is ours, `remote` the service's id, empty until it is known; `server` is its address without
-- credentials. `state` is prepared, sent, open or over, `status` what the service called it last, `answered` how
-- many of its `count` requests had been answered then. Times are in seconds since the epoch.
CREATE TABLE service_batch (
    id          INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL,
    token       TEXT NOT NULL UNIQUE,
    server      TEXT NOT NULL,
    endpoint    TEXT NOT NULL,
    model       TEXT NOT NULL,
    count       INTEGER NOT NULL,
    state       TEXT NOT NULL,
    remote      TEXT NOT NULL,
    status      TEXT NOT NULL,
    answered    INTEGER NOT NULL,
    made_at     REAL NOT NULL,
    sent_at     REAL NOT NULL
);
CREATE INDEX service_batch_of_run ON service_batch (run, id);

-- One row per request of a batch that no item has come to its end with: `place` is its number in the batch,
-- `digest` tells its content.
CREATE TABLE service_request (
    id          INTEGER PRIMARY KEY,
    run         INTEGER NOT NULL,
    batch       INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    digest      TEXT NOT NULL
);
CREATE INDEX service_request_by_content ON service_request (run, digest, id);
CREATE INDEX service_request_of_batch ON service_request (batch, id);
