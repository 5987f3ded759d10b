"""The Helm chart as Kubernetes gets it: rendered by Helm, and kept, so that it can be looked at where no Helm is.

    HELM=/path/to/helm python -m tests.unit.deploy.chart      render anew after a change of the chart

A kept rendering names the chart that it was made of: one that is out of date is found without Helm too.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml

HERE: Final = Path(__file__).parent
CHART: Final = HERE.parents[2] / "deploy" / "helm"
VALUES: Final = ("least", "everything")
KUBERNETES: Final = "1.31"


def helm() -> str | None:
    """The program, if there is one: on PATH, or where HELM says."""
    return os.environ.get("HELM") or shutil.which("helm")


def fingerprint(values: str) -> str:
    """Of everything that a rendering depends on."""
    files = [*sorted(path for path in CHART.rglob("*") if path.is_file()), HERE / f"{values}.yaml"]
    whole = hashlib.sha256()
    for path in files:
        whole.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


def kept(values: str) -> tuple[str, list[dict[str, Any]]]:
    """Fingerprint and objects of the kept rendering."""
    text = path_of(values).read_text(encoding="utf-8")
    return text.split("\n", 1)[0].removeprefix("# of "), [each for each in yaml.safe_load_all(text) if each]


def path_of(values: str) -> Path:
    return HERE / "rendered" / f"{values}.yaml"


def rendered(program: str, values: str) -> str:
    """What Helm makes of the chart. Raises CalledProcessError."""
    command = [program, "template", "billing", str(CHART), "--kube-version", KUBERNETES, "--values", str(HERE / f"{values}.yaml")]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return f"# of {fingerprint(values)}\n{text}"


def main() -> int:
    program = helm()
    if program is None:
        print("no helm on PATH, and HELM does not name one", file=sys.stderr)
        return 2
    for values in VALUES:
        path_of(values).parent.mkdir(exist_ok=True)
        path_of(values).write_text(rendered(program, values), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
