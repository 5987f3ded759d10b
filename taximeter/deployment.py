"""The deployment that the commands talk to: see `pipelines.deployment`, which the console shares."""

from pipelines.deployment import Deployment, running

__all__ = ["Deployment", "running"]
