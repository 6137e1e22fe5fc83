"""Records of the first release, carried over: they were named by the data file, with a fingerprint without features."""

from collections.abc import Iterable

from mgmr_lib.errors import CourseError
from mgmr_lib.experiments.ledger import read_record, write_record
from mgmr_lib.experiments.plan import Job
from mgmr_lib.experiments.records import record_path
from mgmr_lib.experiments.sweep import Sweep
from mgmr_lib.training.identity import changed_settings, first_fingerprint, read_config


def carry_over(sweep: Sweep, jobs: Iterable[Job], say=print) -> int:
    """File first-release records of this corpus, and of these runs' settings, under its content; returns how many.

    The old files stay. Nothing that was measured changes: a record gets its corpus's new fingerprint, its
    configuration's new hash and a digest. A record that is there already, or that is damaged, is left alone.
    """
    wanted = {(j.variant.name, j.config.seed, j.protocol): j.config for j in jobs}
    count = 0
    for ledger in (sweep.ledger, *sweep.others):
        for path in sorted((ledger / sweep.corpus.name).glob("*/*/*.json")):
            try:
                record = carried(read_record(path), sweep, wanted)
            except CourseError:
                continue
            if record is not None and not record_path(sweep.ledger, record).exists():
                write_record(sweep.ledger, record)
                count += 1
    if count:
        say(
            f"{count} records of {sweep.corpus.name} by an earlier release are filed under its content now; clips, "
            "labels and words are checked to be the same, features could not be"
        )
    return count


def carried(record: dict, sweep: Sweep, wanted: dict) -> dict | None:
    """The record with its new names; None where it is of other data, of other settings, or carried over already."""
    if sweep.settings or record["dataset"] != sweep.corpus.family:
        return None
    if record["fingerprint"] != first_fingerprint(sweep.corpus):
        return None
    record = record | {"fingerprint": sweep.fingerprint, "corpus": sweep.corpus.name}
    if record["config"] is None:
        return record
    run = wanted.get((record["name"], record["training_seed"], record["protocol"]))
    config = read_config(record["config"], record["name"])
    if run is None or run.profile != record["profile"] or changed_settings(config, run):
        return None
    return record | {"config_hash": config.hash()}
