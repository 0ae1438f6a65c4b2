"""Store a season of logs of many cars and stages as one Parquet dataset. Needs the extra [fleet].

    store.py      folder or fsspec URL             add.py            add a log to the store
    tables.py     schemas of the tables            identity.py       check the car and stage of a log
    catalogue.py  list of the logs in a store      rows.py           a log's rows as Arrow tables
    review.py     review every log again           review_tables.py  a review document as rows
    cluster.py    run reviews on Dask              season.py         verdicts and class tables
    query.py      SQL by DuckDB                    query_output.py   print the rows of an answer
    footers.py    check Parquet files              work_folder.py    temporary folders with locks
    known_hosts.py, serialized_fs.py               SFTP host keys, and drivers that are not thread-safe

Imports logfile/, judgement/, comparison/, review/ and export/. Neither the recorder nor the crew server imports it.
"""
