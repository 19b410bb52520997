"""Identities and roles: what a caller may do, by name of the method.

Decides, and reads nothing: `credentials.py` says who a caller is.
"""

from __future__ import annotations

from dataclasses import dataclass

from corral_hub.errors import PermissionDenied

WORKER, ORCHESTRATOR, ADMIN = "worker", "orchestrator", "admin"
ROLES = frozenset({WORKER, ORCHESTRATOR, ADMIN})
ANY_NAMESPACE = "*"
DEFAULT_NAMESPACE = "default"

# The role that each method needs. Administrators stop the work of others; they may do all that
# orchestrators may, and are no workers. A method that is not here is for administrators.
NEEDS = {
    "Session": WORKER,
    "SubmitWorkflow": ORCHESTRATOR,
    "SubmitWorkflows": ORCHESTRATOR,
    "SubmitStream": ORCHESTRATOR,
    "CancelWorkflow": ORCHESTRATOR,
    "CancelWorkflows": ORCHESTRATOR,
    "DescribeWorkflow": ORCHESTRATOR,
    "RetryRuns": ORCHESTRATOR,
    "RespondToInput": ORCHESTRATOR,
    "ListInputs": ORCHESTRATOR,
    "ListRuns": ORCHESTRATOR,
    "ListWorkers": ORCHESTRATOR,
    "ListQueues": ORCHESTRATOR,
    "ExplainRun": ORCHESTRATOR,
    "GetStats": ORCHESTRATOR,
    "SubscribeRunEvents": ORCHESTRATOR,
    "SubscribeAll": ORCHESTRATOR,
    "DrainWorker": ADMIN,
    "DrainWorkers": ADMIN,
    "PauseQueue": ADMIN,
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls. `principal` stands in the store, and sessions belong to it: it stays the same
    over a change of token when both have the same name."""

    principal: str
    namespace: str
    roles: frozenset[str]

    def check_method(self, method: str) -> None:
        """Raises PermissionDenied when the caller has not the role that a method needs."""
        needed = NEEDS.get(method, ADMIN)
        if needed in self.roles:
            return
        if needed != WORKER and ADMIN in self.roles:
            return
        raise PermissionDenied(
            f"{method} needs the role {needed}; yours are {', '.join(sorted(self.roles))}: use "
            "another token or certificate, or ask for the role",
            field="authorization",
            limit=needed,
        )

    def choose_namespace(self, asked: str) -> str:
        """The namespace of the call; "" asks for the caller's own.

        Raises PermissionDenied for another one, in the same words whether it exists or not.
        """
        if self.namespace == ANY_NAMESPACE:
            return asked or DEFAULT_NAMESPACE
        if asked and asked != self.namespace:
            raise PermissionDenied(
                f"your token or certificate is not for namespace {asked!r}: leave "
                "corral-namespace away, or use another one",
                field="corral-namespace",
            )
        return self.namespace


ANYBODY = Identity("anonymous", ANY_NAMESPACE, ROLES)
