"""Starts the broker as the launcher of the image apache/kafka does: KAFKA_A_B=c becomes a.b=c; format once; run."""

import os
import subprocess
from pathlib import Path

CLUSTER = "5L6g3nShT-eMCtK--X86sw"  # the published image's own default
PROPERTIES = Path("/tmp/server.properties")

given = {name.removeprefix("KAFKA_"): value for name, value in os.environ.items() if name.startswith("KAFKA_")}
heap = given.pop("HEAP_OPTS", "").split()
PROPERTIES.write_text("".join(f"{name.lower().replace('_', '.')}={value}\n" for name, value in given.items()))
java = ["java", *heap, "-XX:+UseSerialGC", "-Dlog4j2.configurationFile=/opt/kafka/log4j2.properties", "-cp", "/opt/kafka/jars/*"]
formatting = ["kafka.tools.StorageTool", "format", "--ignore-formatted", f"--cluster-id={CLUSTER}", f"--config={PROPERTIES}"]
subprocess.run([*java, *formatting], check=True)
os.execvp("java", [*java, "kafka.Kafka", str(PROPERTIES)])  # noqa: S606  # Java takes the place of this process, and its signals
