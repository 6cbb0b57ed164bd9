"""The journal: a SQLite file that saves what runs did, so that finished work is not repeated."""
