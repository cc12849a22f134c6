"""nullsender's floor and wiring: what every stage shares, and what puts the stages together.

Floor without I/O: `events`, `address`, `errors`, `limits`, `clock`, `log` (the interface of the log between the stages).
Floor with I/O: `log_embedded`, `consume` (the one loop of every consumer), `config`, `secret_keys`, `telemetry`.
Wiring: `cli` and what only it uses (`supervise`, `roles`, `explain`).
"""
