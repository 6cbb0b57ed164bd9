"""The journal: what runs did, kept in an SQLite file, so that nothing that was finished is done again."""
