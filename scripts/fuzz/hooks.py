"""Hooks that `schemathesis run` loads: callers, exemptions, readers of two media types."""

import atexit
import collections
import itertools
import json
import os
import uuid

import schemathesis

import media_types  # noqa: F401  (registers its readers)
from contract import operation_id
from exemptions import is_failure, uses
from principals import ROOT_ID, callers
from seen import point_at_what_is_there, remember

_calls = itertools.count(1)
_statuses = collections.defaultdict(collections.Counter)


@schemathesis.hook
def before_call(context, case, kwargs):
    number = next(_calls)
    case.headers = {**(case.headers or {}), "X-Forwarded-For": address_of(number)}
    if "Idempotency-Key" in case.headers and is_positive(case):
        # The document's example would be the key of many calls. All of them would get one response,
        # whose conversation another case may have deleted since.
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if not callers.has_issued(case.headers):
        return
    # Another case may have ended this case's credential since it was generated.
    caller = callers.for_call_of(operation_id(case.operation))
    if case.path_parameters.get("userId") == ROOT_ID:
        # Cases must not change the administrator that creates all callers.
        case.path_parameters["userId"] = caller.id
    case.headers = {**case.headers, **caller.headers}
    if number % 2 and is_positive(case):
        point_at_what_is_there(case)
        say_what_no_schema_knows(case, caller)


def is_positive(case):
    """Returns whether the case conforms to the document."""
    return case.meta is not None and case.meta.generation.mode.is_positive


def address_of(number):
    """
    Returns a different address for each call (the server trusts one proxy). From a single address, each
    failed sign-in would make the next one wait longer, up to five seconds a call.
    """
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def say_what_no_schema_knows(case, caller):
    """Replaces values that no schema can describe, so that every second valid case passes validation."""
    operation = operation_id(case.operation)
    case.query.pop("cursor", None)
    if not isinstance(case.body, dict):
        return
    if operation in ("createUser", "register"):
        case.body = {**case.body, "password": f"password {uuid.uuid4()}"}
    if operation == "logIn" and caller.credentials:
        case.body = dict(caller.credentials)
    if operation == "changePassword" and caller.credentials:
        case.body = {**case.body, "currentPassword": caller.credentials["password"]}


@schemathesis.hook
def after_call(context, case, response):
    if response.request.method != case.operation.method.upper():
        return
    _statuses[operation_id(case.operation)][response.status_code] += 1
    callers.see(case, response)
    remember(case, response)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    return is_failure(failure, case, response)


@atexit.register
def tell():
    """Writes the tally that `scripts/fuzz.ts` summarises."""
    with open(os.environ["PARLEY_TALLY"], "w", encoding="utf-8") as file:
        json.dump({"statuses": _statuses, "uses": uses}, file)
