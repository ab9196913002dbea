"""What the document says of an operation, and what an answer says of itself."""

import json


def operation_id(operation):
    return operation.definition.raw["operationId"]


def named_problems(operation):
    """The codes that the operation's `x-problems` names."""
    return operation.definition.raw.get("x-problems", [])


def problem_in(response):
    """The problem that the answer is, or an empty one."""
    types = response.headers.get("content-type", [""])
    if types[0].split(";")[0] != "application/problem+json":
        return {}
    return json.loads(response.content)
