"""Reads streams of Parley with one public library and checks every event."""

import json
import os
import sys
import threading

import httpx
import requests

ORIGIN = os.environ["PARLEY_ORIGIN"] + "/api/v1"
HEADERS = {
    "Authorization": "Bearer " + os.environ["PARLEY_TOKEN"],
    "Accept": "text/event-stream",
}
TERMINAL = {"message.end", "message.cancelled", "message.error"}
LIMIT_SECONDS = 60


def by_httpx_sse(method, path, headers, body):
    from httpx_sse import connect_sse

    with httpx.Client(timeout=LIMIT_SECONDS) as client:
        with connect_sse(client, method, ORIGIN + path, headers=headers, json=body) as source:
            for event in source.iter_sse():
                yield event.event, event.id, event.json()


def by_openai(method, path, headers, body):
    """The SDK yields the JSON of each event and ignores its name and id."""
    from openai import OpenAI, Stream

    client = OpenAI(base_url=ORIGIN, api_key=os.environ["PARLEY_TOKEN"], max_retries=0)
    call = {"cast_to": object, "stream": True, "stream_cls": Stream[object]}
    options = {"headers": headers}
    if method == "POST":
        stream = client.post(path, body=body, options=options, **call)
    else:
        stream = client.get(path, options=options, **call)
    for event in stream:
        yield event["type"], None, event


def by_sseclient(method, path, headers, body):
    import sseclient

    answer = open_by_requests(method, path, headers, body)
    for event in sseclient.SSEClient(answer).events():
        yield event.event, event.id, json.loads(event.data)


def by_requests_sse(method, path, headers, body):
    from requests_sse import EventSource

    given = {"headers": headers, "json": body, "timeout": LIMIT_SECONDS, "max_connect_retry": 0}
    with EventSource(ORIGIN + path, method=method, **given) as source:
        for event in source:
            yield event.type, event.last_event_id, json.loads(event.data)
            # This reader would reconnect when the stream ends.
            if event.type in TERMINAL:
                return


def open_by_requests(method, path, headers, body):
    answer = requests.request(
        method, ORIGIN + path, headers=headers, json=body, stream=True, timeout=LIMIT_SECONDS
    )
    answer.raise_for_status()
    return answer


READERS = {
    "httpx-sse": by_httpx_sse,
    "openai": by_openai,
    "sseclient-py": by_sseclient,
    "requests-sse": by_requests_sse,
}


def check(events, generation_id, first_seq):
    """Each event has its name and its JSON, ids rise by one, and only the last event is terminal."""
    *others, (last, last_id, _) = events
    for seq, (name, event_id, event) in enumerate(others, first_seq):
        assert event["type"] == name, f"{name!r} carries {event['type']!r}"
        assert event_id in (None, f"{generation_id}:{seq}"), f"the id {event_id!r}, not :{seq}"
        assert name not in TERMINAL, f"{name} at {seq}"
    assert last in TERMINAL, last
    # After a crash, the id of the last event leaves a gap for events that a reader may have seen.
    if last_id is not None and last != "message.error":
        assert last_id == f"{generation_id}:{first_seq + len(others)}", last_id


def read(reader, path, last_event_id=None):
    headers = {**HEADERS, **({"Last-Event-ID": last_event_id} if last_event_id else {})}
    return list(reader("GET", path, headers, None))


def silent(reader):
    """An answer that pauses for longer than the keep-alive interval, read live and resumed meanwhile."""
    resumed = []

    def resume(generation_id):
        events = read(reader, f"/chat/generations/{generation_id}/stream", f"{generation_id}:1")
        resumed.extend(events)

    events = []
    other = None
    for event in reader("POST", "/chat/stream", HEADERS, {"message": "pause"}):
        events.append(event)
        if event[0] == "message.start":
            generation_id = event[2]["generationId"]
            other = threading.Thread(target=resume, args=(generation_id,))
            other.start()
    other.join()
    check(events, generation_id, 1)
    check(resumed, generation_id, 2)
    assert events[-1][0] == "message.end", events[-1]
    assert [event[2] for event in resumed] == [event[2] for event in events[1:]]


def crashed(reader):
    generation_id = os.environ["PARLEY_GENERATION"]
    events = read(reader, f"/chat/generations/{generation_id}/stream")
    check(events, generation_id, 1)
    assert events[-1][0] == "message.error", events[-1]
    assert events[0][0] == "message.start", events[0]


if __name__ == "__main__":
    _, library, scenario = sys.argv
    {"silent": silent, "crashed": crashed}[scenario](READERS[library])
