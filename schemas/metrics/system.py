"""Metrics of the system itself: of every part, and of producer, workers, sink and API each."""

from __future__ import annotations

from typing import Any, Final

from schemas.metrics.declared import Metric, declare

_LOOK: Final = "-"
_LAG: Final = "docs/troubleshooting.md#lag-grows"
_TP: Final = "topic partition"


def _of_parts(*arguments: Any) -> Metric:
    return declare(*arguments, of_parts=True)


BUILD = _of_parts(
    "wst_build_info", "gauge", "", "Always 1; the version that runs.", "parts of different versions: docs/cluster.md#upgrades", "version"
)
STARTED = _of_parts(
    "wst_part_start_timestamp_seconds",
    "gauge",
    "s",
    "When the process began.",
    "it is started again and again: docs/troubleshooting.md#part-restarts",
)
CPU_SECONDS = _of_parts(
    "wst_part_cpu_seconds_total", "counter", "s", "CPU time the process has used.", "docs/operating.md: more partitions and workers"
)
RESIDENT = _of_parts(
    "wst_part_resident_memory_bytes", "gauge", "bytes", "Memory the process holds.", "grows for hours without more workspaces: report it"
)
OPEN_FILES = _of_parts("wst_part_open_files", "gauge", "", "Files and sockets the process has open.", "grows for hours: report it")
PART_UP = _of_parts(
    "wst_part_up", "gauge", "", "Of `wst up`: 1 while the part is up or has done what it had to.", "docs/troubleshooting.md#part-restarts"
)
PART_RESTARTS = _of_parts(
    "wst_part_restarts_total",
    "counter",
    "",
    "Of `wst up`: how often it was started again because it had died.",
    "docs/troubleshooting.md#part-restarts",
)
DEAD_LETTERS = _of_parts(
    "wst_dead_letters_total", "counter", "", "Records that could not be used.", "docs/troubleshooting.md#dead-letters", "stage"
)
DEAD_IN_A_ROW = _of_parts(
    "wst_dead_letters_in_a_row",
    "gauge",
    "",
    "Records refused one after the other just now; at the cap the part stops.",
    "docs/troubleshooting.md#dead-letters",
    "stage",
)
DEAD_CAP = _of_parts(
    "wst_dead_letters_cap", "gauge", "", "So many in a row stop the part.", "docs/troubleshooting.md#dead-letters", "stage"
)

# Producers.
CALLS = _of_parts(
    "wst_engine_calls_total", "counter", "", "Calls made to the engine.", "docs/troubleshooting.md#engine-slow", "engine call"
)
CALL_SECONDS = _of_parts(
    "wst_engine_call_seconds_total",
    "counter",
    "s",
    "Time they took; of stats, all containers of a tick together.",
    "docs/troubleshooting.md#engine-slow",
    "engine call",
)
CALLS_TIMED = _of_parts(
    "wst_engine_calls_timed_total", "counter", "", "Answers that time is the sum of: divide by it.", _LOOK, "engine call"
)
CALL_FAILURES = _of_parts(
    "wst_engine_call_failures_total",
    "counter",
    "",
    "Calls that failed after all retries.",
    "docs/troubleshooting.md#engine-silent",
    "engine call",
)
CALL_RETRIES = _of_parts(
    "wst_engine_call_retries_total", "counter", "", "Attempts made again.", "docs/troubleshooting.md#engine-slow", "engine"
)
EVENTS = _of_parts("wst_producer_events_total", "counter", "", "Facts published of events heard.", _LOOK, "engine")
SAMPLES = _of_parts("wst_producer_samples_total", "counter", "", "Samples taken.", _LOOK, "engine")
SYNCS = _of_parts("wst_producer_syncs_total", "counter", "", "Listings published.", "docs/troubleshooting.md#engine-silent", "engine")
TICKS_SKIPPED = _of_parts(
    "wst_producer_ticks_skipped_total",
    "counter",
    "",
    "Ticks left out, as the one before was not done.",
    "a longer collect interval: `wst set collect-interval`",
    "engine",
)
RECONNECTS = _of_parts(
    "wst_producer_reconnects_total",
    "counter",
    "",
    "How often the stream of events was opened again.",
    "docs/troubleshooting.md#engine-silent",
    "engine",
)
CLOCK_JUMPS = _of_parts(
    "wst_producer_clock_jumps_total",
    "counter",
    "",
    "How often the engine's clock ran backward.",
    "docs/clocks.md; set the time (timedatectl set-ntp true)",
    "engine",
)
MALFORMED = _of_parts(
    "wst_producer_malformed_total",
    "counter",
    "",
    "Answers of the engine that make no sense.",
    "docs/troubleshooting.md#dead-letters",
    "engine",
)
SKIPPED = _of_parts("wst_producer_skipped_total", "counter", "", "Events and containers left out on purpose.", _LOOK, "engine reason")
OUTBOX = _of_parts(
    "wst_outbox_waiting_records",
    "gauge",
    "",
    "Facts that the broker has not taken yet; none is lost.",
    "docs/troubleshooting.md#broker-away",
)
BUFFER = _of_parts("wst_samples_buffer_bytes", "gauge", "bytes", "Samples that wait for the broker.", "docs/troubleshooting.md#broker-away")
BUFFER_LIMIT = _of_parts(
    "wst_samples_buffer_limit_bytes",
    "gauge",
    "bytes",
    "What may wait; beyond it the oldest are dropped.",
    "docs/troubleshooting.md#broker-away",
)
DROPPED = _of_parts(
    "wst_samples_dropped_total",
    "counter",
    "",
    "Messages of samples dropped, as the broker was away for long.",
    "docs/troubleshooting.md#broker-away",
)

# Workers.
LANE_LAG = _of_parts("wst_lane_lag_records", "gauge", "", "Records between what is committed and the end of the partition.", _LAG, _TP)
LANE_DELAY = _of_parts(
    "wst_lane_watermark_delay_seconds", "gauge", "s", "How old the newest record folded was when it was folded.", _LAG, _TP
)
LANE_WATERMARK = _of_parts("wst_lane_watermark_timestamp_seconds", "gauge", "s", "Time of the newest record folded.", _LAG, _TP)
LANE_PARTITIONS = _of_parts(
    "wst_lane_partitions", "gauge", "", "Partitions the worker reads now.", "more workers than partitions do nothing"
)
LANE_RECORDS = _of_parts("wst_lane_records_total", "counter", "", "Records folded.", _LOOK)
LANE_SKIPPED = _of_parts("wst_lane_skipped_total", "counter", "", "Records passed over, as they were folded before a restart.", _LOOK)
LANE_BATCHES = _of_parts("wst_lane_batches_total", "counter", "", "Batches fetched.", _LOOK)
LANE_SLICES = _of_parts("wst_lane_slices_total", "counter", "", "Stretches of folding without a pause.", _LOOK)
LANE_FOLD_SECONDS = _of_parts(
    "wst_lane_fold_seconds_total", "counter", "s", "Time spent folding.", "near 1 s a second: more workers, docs/operating.md"
)
LANE_FOLD_MAX = _of_parts(
    "wst_lane_fold_seconds_max",
    "gauge",
    "s",
    "Longest of these stretches since the start.",
    "over 0.1 s: the machine is too busy, or report it",
)
LANE_COMMITS = _of_parts(
    "wst_lane_commits_total",
    "counter",
    "",
    "Commits of a partition.",
    "stands still while there is lag: docs/troubleshooting.md#worker-stuck",
)
LANE_COMMIT_SECONDS = _of_parts("wst_lane_commit_seconds_total", "counter", "s", "Time spent in them.", "a slow log: Kafka's disks")
LANE_COMMIT_MAX = _of_parts("wst_lane_commit_seconds_max", "gauge", "s", "Longest of them since the start.", "a slow log: Kafka's disks")
LANE_VALUES = _of_parts("wst_lane_values_written_total", "counter", "", "Values made durable.", _LOOK)
LANE_OUTPUTS = _of_parts("wst_lane_outputs_total", "counter", "", "Records sent.", _LOOK)
LANE_BUFFER = _of_parts(
    "wst_lane_output_buffer_bytes", "gauge", "bytes", "Outputs that wait for the log.", "full: the log is slow, and folding waits for it"
)
LANE_BUFFER_LIMIT = _of_parts("wst_lane_output_buffer_limit_bytes", "gauge", "bytes", "Beyond it folding pauses.", _LOOK)
FACTS = _of_parts("wst_state_facts_total", "counter", "", "Facts by what became of them.", "docs/clocks.md", "outcome")

# Sink.
SINK_LAG = _of_parts("wst_sink_lag_records", "gauge", "", "Records not carried into the archive yet, as far as known.", _LAG, _TP)
SINK_BEHIND = _of_parts("wst_sink_behind_seconds", "gauge", "s", "Age of the newest record of the last batch when its rows were in.", _LAG)
SINK_RECORDS = _of_parts(
    "wst_sink_records_total", "counter", "", "Records carried.", "stands still while there is lag: docs/troubleshooting.md#archive-away"
)
SINK_BATCHES = _of_parts("wst_sink_batches_total", "counter", "", "Batches carried.", _LOOK)
SINK_ROWS = _of_parts("wst_sink_rows_total", "counter", "", "Rows inserted, repeats included.", _LOOK, "table")
SINK_INSERT_SECONDS = _of_parts(
    "wst_sink_insert_seconds_total", "counter", "s", "Time spent inserting.", "near 1 s a second: a faster ClickHouse, docs/operating.md"
)
SINK_RETRIES = _of_parts("wst_sink_retries_total", "counter", "", "Inserts tried again.", "docs/troubleshooting.md#archive-away")
SINK_BUFFER = _of_parts("wst_sink_buffer_bytes", "gauge", "bytes", "Records gathered for the next insert.", _LOOK)
SINK_UP = _of_parts("wst_sink_archive_up", "gauge", "", "1 while the archive takes rows.", "docs/troubleshooting.md#archive-away")

# API.
API_LAG = _of_parts("wst_api_lag_records", "gauge", "", "Records the API has not taken yet.", _LAG, _TP)
API_LOADED = _of_parts(
    "wst_api_loaded", "gauge", "", "1 once all states known at its start are there.", "docs/troubleshooting.md#tracker-silent"
)
API_SKIPPED = _of_parts("wst_api_skipped_total", "counter", "", "Records the API could not read.", "docs/troubleshooting.md#dead-letters")
API_LISTENERS = _of_parts("wst_api_listeners", "gauge", "", "Clients that listen on the WebSocket.", _LOOK)
API_EVENTS = _of_parts(
    "wst_api_state_changes_total",
    "counter",
    "",
    "Changes of states and samples taken.",
    "stands still while containers run: docs/troubleshooting.md#tracker-silent",
    "of",
)
ARCHIVE_UP = _of_parts("wst_archive_up", "gauge", "", "1 while the archive answers the API.", "docs/troubleshooting.md#archive-away")
ARCHIVE_SECONDS = _of_parts(
    "wst_archive_answer_seconds", "gauge", "s", "How long it took to answer which alerts last.", "a busy archive: docs/operating.md"
)

# Handlers.
DELIVERED = _of_parts("wst_handler_delivered_total", "counter", "", "Events delivered.", _LOOK, "handler")
DELIVERY_RETRIES = _of_parts("wst_handler_retries_total", "counter", "", "Deliveries tried again.", "docs/handlers.md", "handler")
DELIVERY_DEAD = _of_parts(
    "wst_handler_dead_letters_total", "counter", "", "Events it gave up on.", "docs/troubleshooting.md#dead-letters", "handler"
)
