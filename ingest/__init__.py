"""Ingest: mail comes in by SMTP, and what it reports goes on the log.

From the outside in:

    mx/        the SMTP server: connections, commands, replies, whom we take mail for
    intake     a whole message becomes records for the log
    proof      how a report is tied to mail that we sent
    reading/   a message's bytes become its reports; pure, bounded, and never surprised
    roles      what the addresses of our own domains stand for
    signing/   signed return paths and tokens
"""
