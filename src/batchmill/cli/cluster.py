"""``batchmill cluster``: what a cluster of one's own needs."""

from __future__ import annotations

import os
import shlex

import click

from batchmill.cli.streams import data_only
from batchmill.executors.remote.certificates import DAYS, make_certificates


@click.command("cluster", short_help="Make certificates for a cluster of your own.")
@click.argument("what", type=click.Choice(["certs"]))
@click.argument("folder", type=click.Path(file_okay=False))
@click.option(
    "--days", type=click.IntRange(1, 3650), default=DAYS, show_default=True, help="How long they are valid."
)
def command(what: str, folder: str, days: int) -> int:
    """Write certs into FOLDER, and print the commands that start a scheduler and workers with them.

    The scheduler, its workers and you all use them: copy the folder to every machine over a private channel.
    Anyone who has them can run code on the cluster.
    """
    made = make_certificates(folder, days)
    ca, cert, key = (shlex.quote(os.path.abspath(path)) for path in made)
    files = f"--tls-ca-file {ca} --tls-cert {cert} --tls-key {key}"
    with data_only() as data:
        for line in (
            "# on one machine",
            f"dask scheduler --protocol tls {files}",
            "",
            "# on every machine that is to run items, with as many threads as items at once",
            f"dask worker tls://SCHEDULER:8786 --nworkers 1 --nthreads 8 {files}",
            "",
            "# where you run batchmill",
            f"export DASK_DISTRIBUTED__COMM__TLS__CA_FILE={ca}",
            f"export DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT={cert}",
            f"export DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY={key}",
            "batchmill run FLOW --executor dask --cluster tls://SCHEDULER:8786",
        ):
            data.write_line(line)
    return 0
