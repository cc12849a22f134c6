"""What mail servers speak: each door is a grammar of bytes, and all ask in one way (`asking.py`) and with the same words.

said, words, choosing, asking       questions and answers, their words, whose list is meant, how it is asked
listening, connection, opening      sockets; a connection of questions and answers; all of it put together
socketmap, tcp_table, policy        Postfix
readsocket                          Exim, and whatever can write a line
milter_wire                         Sendmail and Postfix
dns_…                               a DNS zone of hashed addresses, for filters
files, files_writing                lists for mail servers that can not ask
"""
