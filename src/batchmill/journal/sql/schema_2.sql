-- Format 2 of the journal: the ledger, what the keys of visits are made of, and when outcomes were made.

-- One row per call of a language model, or whatever else attempts recorded, of every pass of every run. Rows
-- are never replaced by those of another call: what was paid stays, whatever became of the item.
-- `id` is the call's own. `pass` is the pass in which it was made, `address` the node that was visited,
-- `position` the place of that node in the document, for the order; `turn` the occurrence of the visit, NULL
-- where that is not known; `item` the index of the item, NULL for a node that is no batch; `place` numbers
-- the calls of an item. `detail` is JSON: the call as `llm_calls` of a result has it, secrets masked.
CREATE TABLE call (
    id          TEXT PRIMARY KEY,
    run         INTEGER NOT NULL,
    pass        INTEGER NOT NULL,
    address     TEXT NOT NULL,
    position    INTEGER NOT NULL,
    turn        INTEGER,
    item        INTEGER,
    place       INTEGER NOT NULL,
    detail      TEXT NOT NULL
);
CREATE INDEX call_of_run ON call (run, pass);

-- What a visit's key is made of, as JSON: for each param that counts, for the code and so on, a digest. It
-- tells which of them changed. NULL for visits of format 1, whose keys were made in another way.
ALTER TABLE visit ADD COLUMN parts TEXT;

-- The `state` of an outcome may be 3: a result of an item inside of which something failed.
