"""The queue between those who ask and the device: jobs, tickets, batches, a cache."""

from explain_core.engine.disk import asked_disk
from explain_core.engine.engine import Engine
from explain_core.engine.jobs import Job
from explain_core.engine.library import ModelCard
from explain_core.engine.tickets import Ticket

__all__ = ["Engine", "Job", "ModelCard", "Ticket", "asked_disk"]
