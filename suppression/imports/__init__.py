"""The lists of other systems: read, understood and put on ours.

pure
row.py          what a row of such a list comes to: a suppression, or why it is none
words.py        every system's words for why somebody is on its list, and what they are here
times.py        the ways in which systems write times
systems.py      the shape of each system's rows, and what stands where
detect.py       which shape a file has, by its first kilobytes
lines.py        bytes -> lines, of any encoding, bounded
table.py        lines -> records with named fields (CSV)
objects.py      text -> the objects of a JSON file or of JSON lines
reading.py      a file's bytes -> rows
options.py      what the operator says about a file

with files and the store
unpacking.py    a file that may be packed
parquet.py      Parquet files
sorting.py      rows on disk in the order of the list's keys
running.py      an import: read, sorted, taken, reported
report.py       what came of it
"""
