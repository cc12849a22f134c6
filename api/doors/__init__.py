"""What mail servers speak: each door is a grammar of bytes, and all of them ask in one way (`asking.py`) and with the same words.

    said, words, choosing, asking       questions and answers, their words, whose list is meant, how it is asked
    listening, connection               sockets; one connection of questions and answers
    socketmap, tcp_table, policy        Postfix
    readsocket                          Exim, and whatever can write a line
"""
