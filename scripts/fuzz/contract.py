"""Reads what the contract says about an operation, and the problem in a response."""

import json


def operation_id(operation):
    return operation.definition.raw["operationId"]


def named_problems(operation):
    """Returns the codes that the operation's `x-problems` lists."""
    return operation.definition.raw.get("x-problems", [])


def problem_in(response):
    """Returns the problem in the response, or an empty one."""
    types = response.headers.get("content-type", [""])
    if types[0].split(";")[0] != "application/problem+json":
        return {}
    return json.loads(response.content)
