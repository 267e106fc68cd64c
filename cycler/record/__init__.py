"""What the rack remembers: the journal, what writes it, what reads it, and the files that a run leaves."""
