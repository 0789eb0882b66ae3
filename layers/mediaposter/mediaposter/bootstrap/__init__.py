"""Build each collaborator once, lazily, and hand them to the use cases.

The only package that reads the environment, makes AWS clients and knows every adapter. Its rooms, each of which knows
only those above it:

    stack       the settings, clock, clients and secrets of a stack, whom it tells and what it starts
    storage     what keeps: the table with its records, the bucket with its files
    vendors     who makes the videos and who posts them, and how much at once a provider takes
    doors       what answers those outside: routes, the inbox, events, turns of series, providers' webhooks
    steps       the steps of the state machines: a batch's, then a video's
    background  what nobody waits for: the sweep, the dispatch, the nightly look, events and their delivery

Imports of what they build stand inside the functions: each Lambda loads what its own use case needs, and submit loads
no vendor's SDK. bench/cold_import.py holds that.
"""
