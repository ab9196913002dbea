"""Readers of the two media types that Schemathesis does not read as this contract defines them."""

import json

import schemathesis


@schemathesis.deserializer("text/event-stream")
def read_events(context, response):
    """
    Returns the JSON of each event: in OpenAPI 3.0 the schema of a stream's media type is that of `data`.
    Schemathesis checks each against it. This function checks what a schema cannot express.
    """
    frames = [frame for frame in response.content.decode("utf-8").split("\n\n") if frame != ""]
    events = [read_frame(frame) for frame in frames if not frame.startswith(":")]
    numbers = [int(event["id"].split(":")[1]) for event in events]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise ValueError(f"The numbers of the events have a gap: {numbers}")
    for event in events:
        if event["event"] != event["data"]["type"]:
            raise ValueError(f"An event is named {event['event']} and says {event['data']['type']}")
    ends = [event["event"] not in ("message.start", "message.delta") for event in events]
    if ends != [False] * (len(ends) - 1) + [True]:
        raise ValueError(f"Not exactly one terminal event at the end: {[e['event'] for e in events]}")
    return [event["data"] for event in events]


def read_frame(frame):
    fields = dict(line.split(": ", 1) for line in frame.split("\n"))
    return {**fields, "data": json.loads(fields["data"])}


@schemathesis.deserializer("application/x-ndjson")
def read_records(context, response):
    """Checks each line against the schema, and the last one against the number of lines before it."""
    records = [json.loads(line) for line in response.content.decode("utf-8").splitlines()]
    definition = context.operation.responses.find_by_status_code(response.status_code)
    resolved = definition.get_schema("application/x-ndjson")
    validator = definition.get_validator(resolved.media_type, resolved.schema, validate_formats=True)
    for number, record in enumerate(records):
        for error in validator.iter_errors(record):
            raise ValueError(f"Line {number + 1}: {error.message}")
    if records[-1] != {"type": "end", "records": len(records) - 1}:
        raise ValueError(f"The last of {len(records)} lines is {records[-1]}")
    return records[-1]
