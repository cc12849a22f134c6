"""nullsender's own package: the floor that every stage shares, and the wiring that puts the stages together.

From the ground up:

    errors, limits, clock, address, names, events, log   without I/O: words, bounds, records, the log's interface
    telemetry, config, secret_keys                       what is counted and said; settings; keys
    compiled                                             Python that becomes machine code, for loops over many addresses
    log_embedded…, consume                               the log on one machine; the one loop of every consumer
    cli                                                  the command `nullsender`; it may import everything
    client                                               for others: asks over HTTP, and imports nothing else of ours
"""
