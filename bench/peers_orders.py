"""How a peer brings a file into PostgreSQL."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from onward_apps.orders.model import Column, Entity, File


class Merge:
    """dlt's merge by key, in two ways of its documentation; it keeps no history. Its telemetry is off.

    `records`: files are found by its `filesystem` source and read by its `read_csv`, which is how its pages bring a
    CSV file in. `arrow`: Arrow tables, types declared, written as CSV and streamed in by COPY, which they call several
    times faster.
    """

    def __init__(self, url: str, file: File, entity: Entity, way: str) -> None:
        os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
        import dlt

        self._url, self._file, self._entity, self._way = url, file, entity, way
        self._folder = tempfile.mkdtemp()
        self._pipeline = dlt.pipeline(
            "peer",
            pipelines_dir=self._folder,
            dataset_name="peer",
            destination=dlt.destinations.postgres(url.replace("postgres@", "postgres:it-wants-one@")),
        )

    def run(self) -> None:
        import dlt

        key = list(self._entity.key)
        if self._way == "arrow":
            write = {"disposition": "merge", "strategy": "upsert"}
            rows = dlt.resource(self._tables(), name=self._entity.name, primary_key=key, write_disposition=write)
            done = self._pipeline.run(rows, loader_file_format="csv")
        else:
            from dlt.sources.filesystem import filesystem, read_csv

            path = Path(self._file.path)
            files = filesystem(bucket_url=path.parent.as_uri(), file_glob=path.name)
            named = {"names": list(self._entity.names), "keep_default_na": False, "na_values": [""]}
            rows = files | read_csv(header=None, **named)
            rows.apply_hints(write_disposition="merge", primary_key=key)
            done = self._pipeline.run(rows.with_name(self._entity.name))
        done.raise_on_failed_jobs()

    def forget(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("SET client_min_messages = warning")
            connection.execute("DROP SCHEMA IF EXISTS peer, peer_staging CASCADE")
        shutil.rmtree(self._folder)

    def _tables(self) -> Iterator[object]:
        import pyarrow
        from pyarrow import csv

        types = {column.name: _type(column) for column in self._entity.fields}
        read = csv.ReadOptions(column_names=list(types), block_size=8 << 20)
        convert = csv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        )
        # It refuses the seventh digit of a second.
        cut = pyarrow.schema(
            [(n, pyarrow.timestamp("us") if t == pyarrow.timestamp("ns") else t) for n, t in types.items()]
        )
        with pyarrow.input_stream(self._file.path) as packed:
            for batch in csv.open_csv(packed, read_options=read, convert_options=convert):
                yield pyarrow.Table.from_batches([batch]).cast(cut, safe=False)


def _type(column: Column) -> object:
    import pyarrow

    match column.type:
        case "integer":
            return pyarrow.int64()
        case "decimal":
            return pyarrow.decimal128(min(column.precision, 38), column.scale)
        case "timestamp":
            return pyarrow.timestamp("ns")
    return pyarrow.string()
