"""
What Schemathesis takes for a failure and is none. Each has its reason beside it, names its check and
its operations, and is as narrow as the answer lets it be. The list may only shrink.
"""

import collections
import urllib.parse
from dataclasses import dataclass
from typing import Any, Callable

from contract import named_problems, operation_id, problem_in


@dataclass(frozen=True)
class Answered:
    """An answer, and the call that it answers."""

    operation: str
    named_problems: list
    problem: dict
    case: Any

    def is_refused_at(self, *places):
        """Refused for this place alone; a place is `body /mode`."""
        errors = self.problem.get("errors", [])
        if self.problem.get("code") != "invalid-request" or len(errors) != 1:
            return False
        return f"{errors[0]['in']} {errors[0]['pointer']}" in places


@dataclass(frozen=True)
class Exemption:
    """One kind of answer that need not pass one check."""

    name: str
    check: str
    operations: set
    applies: Callable[[Answered], bool]


ANY = None
WITH_MODE = {"changeConversation", "createConversation", "sendMessage", "streamMessage"}
WITH_EMAIL = {"createUser", "logIn", "register"}
WITH_SPAN = {"getAllUsage", "getUsage"}
LISTS = {
    "listAllFeedback",
    "listApiKeys",
    "listAuditEvents",
    "listConversations",
    "listFeedback",
    "listMessages",
    "listServiceAccounts",
    "listSessions",
    "listUsers",
}


def holds_nul(answered):
    """U+0000 is nowhere in this API, but a schema of OpenAPI 3.0 can say so only in every pattern."""
    case = answered.case
    sent = [case.body, case.query, case.path_parameters]
    written = "".join(urllib.parse.unquote(repr(part)) for part in sent)
    problem = answered.problem
    return problem.get("code") == "invalid-request" and "\\x00" in written and "errors" not in problem


EXEMPTIONS = [
    # Refused for what is kept (a version, a key used before, a cursor of other filters) or for a rule
    # beyond schemas (common passwords). The contract names the problem for this very operation.
    Exemption(
        "a problem that x-problems names",
        "positive_data_acceptance",
        ANY,
        lambda answered: answered.problem.get("code") in answered.named_problems,
    ),
    # Sealed with the server's secret: a made-up one never fits.
    Exemption(
        "a made-up cursor",
        "positive_data_acceptance",
        LISTS,
        lambda answered: answered.is_refused_at("query cursor"),
    ),
    # Which modes there are is the server's; `GET /modes` lists them.
    Exemption(
        "a mode that is not there",
        "positive_data_acceptance",
        WITH_MODE,
        lambda answered: answered.is_refused_at("body /mode"),
    ),
    # The same, and the lists of languages (BCP 47) and time zones (IANA).
    Exemption(
        "a preference that is not there",
        "positive_data_acceptance",
        {"replaceProfile"},
        lambda answered: answered.is_refused_at(
            "body /preferences/defaultMode",
            "body /preferences/locale",
            "body /preferences/timeZone",
        ),
    ),
    # At most 64 characters before the `@`: beside the dots that needs a lookahead, and not every
    # language that clients are written in has it.
    Exemption(
        "a long name before the @",
        "positive_data_acceptance",
        WITH_EMAIL,
        lambda answered: answered.is_refused_at("body /email"),
    ),
    # One bound depends on the other, and no schema can say that.
    Exemption(
        "a span that ends before it begins, or is too long",
        "positive_data_acceptance",
        WITH_SPAN,
        lambda answered: answered.is_refused_at("query from", "query to"),
    ),
    # In the future: it depends on when it is asked.
    Exemption(
        "a key that ended before it was made",
        "positive_data_acceptance",
        {"createApiKey"},
        lambda answered: answered.is_refused_at("body /expiresAt"),
    ),
    Exemption("U+0000", "positive_data_acceptance", ANY, holds_nul),
]

uses = collections.Counter()


def is_failure(failure, case, response):
    """Whether it is one, or exempt; what is exempt is counted in `uses`."""
    answered = Answered(
        operation_id(case.operation), named_problems(case.operation), problem_in(response), case
    )
    for exemption in EXEMPTIONS:
        if exemption.operations is not ANY and answered.operation not in exemption.operations:
            continue
        if exemption.check in failure.checks and exemption.applies(answered):
            uses[exemption.name] += 1
            return False
    return True
