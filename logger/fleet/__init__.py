"""A season of logs as one dataset: many cars, many stages, many machines. Needs the extra [fleet].

    add.py      a log into the store          identity.py   is it of the car and the stage that it should be
    store.py    a folder or any fsspec URL     tables.py     what the dataset's tables are, column by column
    catalogue.py  which logs are in it         rows.py       a log's rows as Arrow, a block at a time
    review.py   every log judged again         judged.py     a review's document as rows
    cluster.py  in a loop, or by Dask          season.py     what came of it: verdicts and class tables
    query.py    SQL over it, by DuckDB         fetch.py      from the cars into the store

Imports logfile/, review/ and export/. Neither the recorder nor the crew server imports it.
"""
