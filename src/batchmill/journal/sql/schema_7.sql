-- Format 7 of the journal: groups of rows that are read again.

-- Where the items of a batch can be read again, as JSON; NULL where they cannot. Then `item` is NULL for outcomes of
-- long items that did not fail, and their `detail` has `unsaved`: the digest of the item's JSON text, and its length.
ALTER TABLE visit ADD COLUMN source TEXT;
