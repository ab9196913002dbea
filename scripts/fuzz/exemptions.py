"""
Lists what Schemathesis reports as a failure although it is none. Each entry has its reason beside it,
names its check and its operations, and is as narrow as the response allows. The list may only shrink.
"""

import collections
import urllib.parse
from dataclasses import dataclass
from typing import Any, Callable

from contract import named_problems, operation_id, problem_in


@dataclass(frozen=True)
class Answered:
    """A response, with the call that it belongs to."""

    operation: str
    named_problems: list
    problem: dict
    case: Any

    def is_refused_at(self, *places):
        """Returns whether one of these places alone caused the refusal; a place is `body /mode`."""
        errors = self.problem.get("errors", [])
        if self.problem.get("code") != "invalid-request" or len(errors) != 1:
            return False
        return f"{errors[0]['in']} {errors[0]['pointer']}" in places


@dataclass(frozen=True)
class Exemption:
    """One kind of response that need not pass one check."""

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
    """The API accepts no U+0000, but OpenAPI 3.0 could express that only in every pattern."""
    case = answered.case
    sent = [case.body, case.query, case.path_parameters]
    written = "".join(urllib.parse.unquote(repr(part)) for part in sent)
    problem = answered.problem
    return problem.get("code") == "invalid-request" and "\\x00" in written and "errors" not in problem


EXEMPTIONS = [
    # Refused because of stored state (a version, a key used before, a cursor of other filters) or of a
    # rule that no schema can express (common passwords). The contract lists the problem for this operation.
    Exemption(
        "a problem that x-problems names",
        "positive_data_acceptance",
        ANY,
        lambda answered: answered.problem.get("code") in answered.named_problems,
    ),
    # Cursors are sealed with the server's secret, so an invented one is never valid.
    Exemption(
        "an invented cursor",
        "positive_data_acceptance",
        LISTS,
        lambda answered: answered.is_refused_at("query cursor"),
    ),
    # The server decides which modes exist; `GET /modes` lists them.
    Exemption(
        "a mode that does not exist",
        "positive_data_acceptance",
        WITH_MODE,
        lambda answered: answered.is_refused_at("body /mode"),
    ),
    # The same for modes, and for the lists of languages (BCP 47) and time zones (IANA).
    Exemption(
        "a preference that does not exist",
        "positive_data_acceptance",
        {"replaceProfile"},
        lambda answered: answered.is_refused_at(
            "body /preferences/defaultMode",
            "body /preferences/locale",
            "body /preferences/timeZone",
        ),
    ),
    # At most 64 characters before the `@`: together with the rule for dots, a pattern would need a
    # lookahead, which not every language of clients has.
    Exemption(
        "a long name before the @",
        "positive_data_acceptance",
        WITH_EMAIL,
        lambda answered: answered.is_refused_at("body /email"),
    ),
    # One bound depends on the other, which no schema can express.
    Exemption(
        "a span that ends before it begins, or is too long",
        "positive_data_acceptance",
        WITH_SPAN,
        lambda answered: answered.is_refused_at("query from", "query to"),
    ),
    # The expiry must be in the future, which depends on the time of the call.
    Exemption(
        "a key that expires before it is created",
        "positive_data_acceptance",
        {"createApiKey"},
        lambda answered: answered.is_refused_at("body /expiresAt"),
    ),
    Exemption("U+0000", "positive_data_acceptance", ANY, holds_nul),
]

uses = collections.Counter()


def is_failure(failure, case, response):
    """Returns whether this is a failure. Counts exempt ones in `uses`."""
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
