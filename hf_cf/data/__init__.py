"""Ratings in memory: codes, vocabularies, catalogue, features; and the files they come from."""
