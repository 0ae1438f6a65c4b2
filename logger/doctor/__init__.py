"""What is wrong with this car's set-up, in words.

Facts are gathered (listening, searching, asking, looking, shelves) and then judged (links, fixes, buses, storage,
machine), and the two never mix: a judge takes plain facts and gives findings, so that every verdict is tested by a
table.
"""
