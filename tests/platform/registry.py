"""A real schema registry with Confluent's HTTP API: Apicurio's, from Maven Central, with nothing stored beyond its life."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Sequence

import httpx

from tests.platform.process import CACHE, ROOT, ServerFailed, ServerProcess, free_port
from tests.platform.unpack import unpack

POM = ROOT / "tests" / "registry" / "pom.xml"
HOME = CACHE / "registry"


def _stamp() -> str:
    return f"pom-{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}"


def missing() -> str | None:
    """Say what keeps a registry from running here, or None."""
    if shutil.which("java") is None:
        return "java not found"
    # 140 MB: fetched on purpose only, not in the middle of a test.
    return None if (HOME / _stamp()).exists() else "the registry's jars are not fetched"


def fetch() -> None:
    """Let Maven fetch the registry, once per version of the pom."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (HOME / _stamp()).exists():
            return
        for old in ("app", "fetched"):
            shutil.rmtree(HOME / old, ignore_errors=True)
        copy = ("dependency:copy-dependencies", f"-DoutputDirectory={HOME / 'fetched'}")
        done = subprocess.run(["mvn", "-B", "-q", "-ntp", "-f", str(POM), *copy], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerFailed(f"Maven could not fetch the registry:\n{done.stdout}{done.stderr}")
        (packed,) = (HOME / "fetched").glob("*.tar.gz")
        unpack(packed, HOME / "app")
        shutil.rmtree(HOME / "fetched")
        (HOME / _stamp()).touch()


class SchemaRegistry(ServerProcess):
    """One registry on a loopback port."""

    def __init__(self) -> None:
        """Nothing runs before `start`."""
        super().__init__("registry")
        self._port = free_port()

    @property
    def url(self) -> str:
        """As WST_SCHEMA_REGISTRY_URL names it."""
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    def _command(self) -> Sequence[str]:
        (jar,) = [*(HOME / "app").glob("*-runner.jar"), *(HOME / "app").glob("quarkus-run.jar")]
        jvm = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
        return ["java", *jvm, "-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={self._port}", "-jar", str(jar)]

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/subjects", timeout=5, trust_env=False).is_success
        except httpx.HTTPError:
            return False


if __name__ == "__main__":
    fetch()
