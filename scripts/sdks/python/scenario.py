"""What a partner does with Parley, by the client that openapi-python-client generates."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar
from uuid import UUID, uuid4

import httpx
from parley_client import AuthenticatedClient, Client
from parley_client.api.auth import log_in, refresh_tokens, register
from parley_client.api.chat import resume_stream, send_message, stream_message
from parley_client.api.conversations import (
    create_conversation,
    get_conversation,
    list_conversations,
)
from parley_client.models import (
    ChatReply,
    ChatRequest,
    Conversation,
    ConversationCreation,
    ConversationDetail,
    ConversationPage,
    Credentials,
    Message,
    MessageCancelledEvent,
    MessageDeltaEvent,
    MessageEndEvent,
    MessageErrorEvent,
    MessageStartEvent,
    MessageStatus,
    Problem,
    ProblemCode,
    Profile,
    RefreshRequest,
    Registration,
    TokenPair,
)
from parley_client.types import Unset

T = TypeVar("T")
ChatStreamEvent = (
    MessageStartEvent
    | MessageDeltaEvent
    | MessageEndEvent
    | MessageCancelledEvent
    | MessageErrorEvent
)

HANG_UP_AFTER = 5
CONVERSATIONS = 5
PAGE = 2
URL = os.environ["PARLEY_URL"]
EMAIL = os.environ["PARLEY_EMAIL"]
PASSWORD = os.environ["PARLEY_PASSWORD"]


class Broken(Exception):
    """Something is not as it was promised."""


class Answer:
    """What was seen of one answer, over as many streams as it took."""

    def __init__(self) -> None:
        self.text = ""
        self.events = 0
        self.last_event_id = ""
        self.kept: Message | None = None

    def take(self, event_id: str, event: ChatStreamEvent) -> None:
        self.events += 1
        self.last_event_id = event_id
        expect(event_id.endswith(f":{self.events}"), f"event {self.events} and not {event_id}")
        match event:
            case MessageDeltaEvent():
                self.text += event.text
            case MessageEndEvent():
                self.kept = event.message
            case MessageCancelledEvent() | MessageErrorEvent():
                raise Broken(f"the stream ends with {event.type_}")


def authenticated(tokens: TokenPair) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=URL, token=tokens.access_token, timeout=httpx.Timeout(30))


def scenario() -> None:
    anyone = Client(base_url=URL, timeout=httpx.Timeout(30))
    first = step("log in", lambda: log_in_as_new(anyone))
    tokens = step("refresh", lambda: refresh(anyone, first))
    client = authenticated(tokens)
    conversation = step("create", lambda: create(client))
    step("chat", lambda: chat(client, conversation.id))
    answer = Answer()
    step("stream", lambda: stream(client, conversation.id, answer))
    step("resume", lambda: resume(client, conversation.id, answer))
    step("list", lambda: list_all(client, conversation.id))
    step("problem", lambda: find_nothing(client))
    step("429", lambda: wait_out_a_limit(client))


def log_in_as_new(anyone: Client) -> TokenPair:
    registration = Registration(email=EMAIL, password=PASSWORD, display_name="A partner")
    answered(register.sync(client=anyone, body=registration), Profile)
    body = Credentials(email=EMAIL, password=PASSWORD)
    return answered(log_in.sync(client=anyone, body=body), TokenPair)


def refresh(anyone: Client, before: TokenPair) -> TokenPair:
    body = RefreshRequest(refresh_token=before.refresh_token)
    after = answered(refresh_tokens.sync(client=anyone, body=body), TokenPair)
    expect(after.refresh_token != before.refresh_token, "another refresh token")
    expect(after.session_id == before.session_id, "the same session")
    return after


def create(client: AuthenticatedClient) -> Conversation:
    body = ConversationCreation(title="Streams", mode="balanced")
    made = answered(create_conversation.sync(client=client, body=body), Conversation)
    expect(made.title == "Streams", "the title that was sent")
    return made


def chat(client: AuthenticatedClient, conversation_id: UUID) -> str:
    body = ChatRequest(message="My name is Ada.", conversation_id=conversation_id)
    reply = answered(send_message.sync(client=client, body=body), ChatReply)
    expect(reply.message.status == MessageStatus.COMPLETE, "a complete answer")
    return reply.message.content


def stream(client: AuthenticatedClient, conversation_id: UUID, answer: Answer) -> str:
    body = ChatRequest(message="What can you do?", conversation_id=conversation_id)
    # The generated call waits for the end; the request that it would send can be read as it comes.
    call = stream_message._get_kwargs(body=body, idempotency_key=str(uuid4()))
    with client.get_httpx_client().stream(**call) as response:
        for event_id, event in read_events(response):
            answer.take(event_id, event)
            if answer.events == HANG_UP_AFTER:
                break
    expect(answer.events == HANG_UP_AFTER and not answer.kept, "hangs up in the middle")
    return f"{answer.events} events, then hung up"


def resume(client: AuthenticatedClient, conversation_id: UUID, answer: Answer) -> str:
    generation_id = UUID(answer.last_event_id.split(":")[0])
    call = resume_stream._get_kwargs(generation_id, last_event_id=answer.last_event_id)
    with client.get_httpx_client().stream(**call) as response:
        for event_id, event in read_events(response):
            answer.take(event_id, event)
    if answer.kept is None:
        raise Broken("no message.end")
    expect(answer.text == answer.kept.content, "the pieces make the message")
    detail = answered(
        get_conversation.sync(client=client, conversation_id=conversation_id), ConversationDetail
    )
    expect(detail.messages[-1].content == answer.text, "the message is kept")
    return f"{answer.events} events in all, {len(answer.text)} characters as they are kept"


def read_events(response: httpx.Response) -> Iterator[tuple[str, ChatStreamEvent]]:
    """The events of a stream with their ids. Comments, which keep it open, have neither."""
    if response.status_code != 200:
        response.read()
        raise Broken(f"{Problem.from_dict(response.json()).code}")
    event_id = ""
    for line in response.iter_lines():
        field, _, value = line.partition(": ")
        if field == "id":
            event_id = value
        if field == "data":
            yield event_id, read_event(value)


def read_event(data: str) -> ChatStreamEvent:
    fields: dict[str, object] = json.loads(data)
    match fields["type"]:
        case "message.start":
            return MessageStartEvent.from_dict(fields)
        case "message.delta":
            return MessageDeltaEvent.from_dict(fields)
        case "message.end":
            return MessageEndEvent.from_dict(fields)
        case "message.cancelled":
            return MessageCancelledEvent.from_dict(fields)
        case "message.error":
            return MessageErrorEvent.from_dict(fields)
        case other:
            raise Broken(f"no event of the contract: {other}")


def list_all(client: AuthenticatedClient, conversation_id: UUID) -> str:
    made = {conversation_id}
    while len(made) < CONVERSATIONS:
        body = ConversationCreation()
        made.add(answered(create_conversation.sync(client=client, body=body), Conversation).id)
    page = answered(list_conversations.sync(client=client, limit=PAGE), ConversationPage)
    pages = 1
    seen = [one.id for one in page.data]
    while not isinstance(page.next_cursor, Unset):
        cursor = page.next_cursor
        page = answered(
            list_conversations.sync(client=client, limit=PAGE, cursor=cursor), ConversationPage
        )
        expect(len(page.data) <= PAGE, "no more than the limit")
        pages += 1
        seen += [one.id for one in page.data]
    expect(len(seen) == len(made) and set(seen) == made, "each exactly once")
    return f"{len(seen)} conversations on {pages} pages"


def find_nothing(client: AuthenticatedClient) -> str:
    response = get_conversation.sync_detailed(client=client, conversation_id=uuid4())
    problem = response.parsed
    if not isinstance(problem, Problem):
        raise Broken(f"a problem and not {problem}")
    expect(problem.code == ProblemCode.NOT_FOUND and problem.status == 404, "not-found")
    expect(problem.request_id == response.headers["X-Request-Id"], "the id of the call")
    return f"{problem.status} {problem.code}"


def wait_out_a_limit(client: AuthenticatedClient) -> str:
    body = ChatRequest(message="Hi")
    for sent in range(1, 50):
        response = send_message.sync_detailed(client=client, body=body)
        problem = response.parsed
        if not isinstance(problem, Problem):
            continue
        expect(problem.code == ProblemCode.QUOTA_EXCEEDED, f"quota-exceeded, not {problem.code}")
        spent = problem.violated_policies
        expect(not isinstance(spent, Unset) and "chat" in spent, "the policy that is spent")
        seconds = int(response.headers["Retry-After"])
        expect(seconds >= 1, "seconds to wait")
        time.sleep(seconds)
        reply = answered(send_message.sync(client=client, body=body), ChatReply)
        expect(reply.message.status == MessageStatus.COMPLETE, "an answer after the wait")
        return f"refused at call {sent}, answered after {seconds} s"
    raise Broken("no limit")


def answered(answer: object, kind: type[T]) -> T:
    if isinstance(answer, kind):
        return answer
    if isinstance(answer, Problem):
        raise Broken(f"{answer.code}: {answer.detail or answer.title}")
    raise Broken(f"a {kind.__name__} and not {answer}")


def expect(holds: bool, promise: str) -> None:
    if not holds:
        raise Broken(promise)


def step(name: str, run: Callable[[], T]) -> T:
    try:
        outcome = run()
    except Exception as error:
        print(f"FAILED  {name}: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
    print(f"ok  {name}: {outcome if isinstance(outcome, str) else 'done'}")
    return outcome


scenario()
