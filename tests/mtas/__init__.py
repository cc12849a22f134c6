"""Real MTAs on loopback, so that the bounces we test with were written by those who write them.

A bounce is what Postfix, Exim, OpenSMTPD, Sendmail or Courier makes of a stranger's refusal, and no two make the same.
So this package runs the real ones.  `roots` unpacks each from Debian's packages into a folder of its own, `mta` copies
that into a throw-away root and starts it there under `guard`, which ends whatever it started; the system's own
configuration is never read or written.  `refusing_server` is the world outside: it refuses in every way of one table,
and keeps what it accepts byte for byte, which makes it the place where the bounces arrive too.  `stub_dns` tells the
MTAs where that world is.

`python -m tests.mtas.collect` puts all of it together and writes `fixtures/mail/<mta>/<case>.eml`.
The end-to-end test takes `postfix.Postfix` alone and routes its bounces to our own MX.
"""
