"""Many addresses at once: thousands in a request, millions in a file, by compiled loops over numbers.

reading.py    text -> spans: where each address stands in it; spans -> words: its canonical form, where that is plain
hashing.py    words -> the keyed hash of each
hashes.py     these two for a whole text
probing.py    hashes -> what the lookup table says of each
asking.py     these together, and all that is unusual: text -> what may be sent to
writing.py    what the table says of those on the list -> the items of an answer
checking.py   a body of POST /v1/check -> its answer
scrubbing.py  a stream of lines -> those that may be sent to, and a summary
"""
