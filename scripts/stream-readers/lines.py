"""Reads a response with one JSON value per line with one public library, and counts the values."""

import json
import os
import sys

import httpx
import requests

HEADERS = {"Authorization": "Bearer " + os.environ["PARLEY_TOKEN"]}


def by_httpx(url):
    with httpx.stream("GET", url, headers=HEADERS) as answer:
        return list(answer.iter_lines())


def by_requests(url):
    answer = requests.get(url, headers=HEADERS, stream=True)
    answer.encoding = "utf-8"
    return list(answer.iter_lines(decode_unicode=True))


def by_splitlines(url):
    return httpx.get(url, headers=HEADERS).content.decode().splitlines()


READERS = {
    "httpx.iter_lines": by_httpx,
    "requests.iter_lines": by_requests,
    "str.splitlines": by_splitlines,
}

if __name__ == "__main__":
    _, reader, where, wanted = sys.argv
    lines = READERS[reader](where)
    assert len(lines) == int(wanted), f"{len(lines)} lines instead of {wanted}"
    for line in lines:
        json.loads(line)
