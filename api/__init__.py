"""Lookups: may I send to this address? And whoever asks keeps the list and sees its history over HTTP.

From the outside in; `http` and `doors` know nothing of each other:

    http/      the API: lookups one by one, many at once, the list, health
    doors/     what mail servers ask, in protocols of their own
    batch/     many addresses at once, by compiled loops
    lookup     the one place that answers: from the table, or from the store
    index/     the lookup table, the file that the processes of a machine share, and the follower that keeps it up
    view       whose list is meant, and for which mail
    threads    waiting for the store, within bounds
"""
