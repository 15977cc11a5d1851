"""Who the sandbox belongs to: one user and one organisation, both named for what they are."""

from dataclasses import dataclass, field
from typing import Literal

Policy = Literal["allow_all", "only_fine_grained", "approval"]


@dataclass
class Organisation:
    """An organisation of which the user is a member.

    policy: which tokens of its members it accepts; "approval" makes fine-grained tokens wait and refuses the others.
    credit_usd: what calls billed to the organisation (header X-HF-Bill-To) may still cost.
    Source: huggingface/hub-docs docs/hub/enterprise-tokens-management.md, 2026-08-22.
    """

    name: str = "workshop"
    policy: Policy = "allow_all"
    credit_usd: float = 2.0


@dataclass
class Account:
    """The user whose tokens the sandbox issues. Fields may be changed while it runs.

    plan: row of data/sandbox/rate_limits.toml. credit_usd: 0.10 is the monthly credit of a free account.
    Source: huggingface/hub-docs docs/inference-providers/pricing.md, 2026-08-21.
    Left out: pay-as-you-go, several users, roles inside the organisation, resource groups.
    """

    name: str = "learner"
    full_name: str = "Learner"
    email: str = "learner@course.test"
    email_verified: bool = True
    plan: str = "free"
    credit_usd: float = 0.10
    organisation: Organisation = field(default_factory=Organisation)

    def payer(self, bill_to: str | None) -> "Account | Organisation":
        """Whose credit a call uses: the organisation's if it is named, else the user's own."""
        return self.organisation if bill_to == self.organisation.name else self
