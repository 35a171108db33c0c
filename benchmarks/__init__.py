"""`make bench`: how fast the connector reads, beside what it could be compared with."""
