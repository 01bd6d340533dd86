"""The batch lane: Faust agents that fold whole fetches, and commits that lose nothing.

What is folded is committed a partition at a time (`committer`): copy, await outputs, write the copy, commit the offset.
"""

from schemas.watchdog import EXIT_ENDED
from streams.lane.app import LaneApp
from streams.lane.batch import Batch, Input
from streams.lane.checkpoint import Checkpoint
from streams.lane.ending import end_process
from streams.lane.folding import Folder
from streams.lane.outputs import Outputs
from streams.lane.settings import LaneSettings, Wire
from streams.lane.table import Table

__all__ = ["EXIT_ENDED", "Batch", "Checkpoint", "Folder", "Input", "LaneApp", "LaneSettings", "Outputs", "Table", "Wire", "end_process"]
