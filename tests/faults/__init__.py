"""Faults against the real servers, and the ledger by which the sending client knows that nothing was lost or doubled.

mail     messages about people of their own, each with what has to become of it
client   MTAs that send them and keep them until they hear 250
ledger   what was sent and heard, and in which words that differs from what is found
found    what the system has: outcomes and list from SQL, dead letters from the log
world    a whole system with its traffic, on SQLite and the embedded log or on PostgreSQL and Kafka
proxy    connections that break just where it hurts
chaos    roles that die at moments that a seed chooses
"""
