"""Reading: a message's bytes in, its reports out (`report.py` is the door). Pure; any bytes give an answer, none raise.

What lies here:

    mime, headers, charsets, codes, dates,             what all readers use: a bounded scanner, and what stands in fields
    mailboxes, mentions                                and in text
    dsn, arf, amazon, auto_reply, unsubscribe          formats that say what they are
    notice and notice_*, bounce_signs, answer_signs,   bounces that are only words, and what only looks like one
    explanation, namings, phrases, last_reader
    readers, returned, finding, report                 who is asked in which order, and what comes out
"""
