import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.UUID;
import parley.client.ApiClient;
import parley.client.ApiException;
import parley.client.api.AuthApi;
import parley.client.api.ChatApi;
import parley.client.api.ConversationsApi;
import parley.client.model.ChatRequest;
import parley.client.model.ChatStreamEvent;
import parley.client.model.ConversationCreation;
import parley.client.model.Credentials;
import parley.client.model.Message;
import parley.client.model.MessageDeltaEvent;
import parley.client.model.MessageEndEvent;
import parley.client.model.MessageStartEvent;
import parley.client.model.Problem;
import parley.client.model.ProblemCode;
import parley.client.model.RefreshRequest;
import parley.client.model.Registration;
import parley.client.model.TokenPair;

/** What a partner does with Parley, by the client that OpenAPI Generator writes in Java. */
public final class Scenario {
  private static final int HANG_UP_AFTER = 5;
  private static final int CONVERSATIONS = 5;
  private static final int PAGE = 2;
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final ApiClient client = new ApiClient();
  private TokenPair tokens;

  // What was seen of one answer, over as many streams as it took.
  private final StringBuilder text = new StringBuilder();
  private int events;
  private String lastEventId = "";
  private Message kept;

  private interface Step {
    String run() throws Exception;
  }

  public static void main(String[] parameters) {
    new Scenario().run();
  }

  private void run() {
    client.updateBaseUri(System.getenv("PARLEY_URL"));
    client.setReadTimeout(PATIENCE);
    client.setRequestInterceptor(this::authenticate);
    AuthApi auth = new AuthApi(client);
    ChatApi chat = new ChatApi(client);
    ConversationsApi conversations = new ConversationsApi(client);

    step("log in", () -> logIn(auth));
    step("refresh", () -> refresh(auth));
    UUID[] conversation = new UUID[1];
    step("create", () -> {
      conversation[0] = create(conversations);
      return conversation[0].toString();
    });
    step("chat", () -> chat(chat, conversation[0]));
    step("stream", () -> stream(conversation[0]));
    step("resume", () -> resume(conversations, conversation[0]));
    step("list", () -> listAll(conversations, conversation[0]));
    step("problem", () -> findNothing(conversations));
    step("429", () -> waitOutALimit(chat));
  }

  private void authenticate(HttpRequest.Builder request) {
    if (tokens != null) request.setHeader("Authorization", "Bearer " + tokens.getAccessToken());
  }

  private String logIn(AuthApi auth) throws Exception {
    String email = System.getenv("PARLEY_EMAIL");
    String password = System.getenv("PARLEY_PASSWORD");
    auth.register(new Registration().email(email).password(password).displayName("A partner"));
    tokens = auth.logIn(new Credentials().email(email).password(password));
    return "as " + email;
  }

  private String refresh(AuthApi auth) throws Exception {
    TokenPair before = tokens;
    tokens = auth.refreshTokens(new RefreshRequest().refreshToken(before.getRefreshToken()));
    expect(!tokens.getRefreshToken().equals(before.getRefreshToken()), "another refresh token");
    expect(tokens.getSessionId().equals(before.getSessionId()), "the same session");
    return "the next pair of the same session";
  }

  private UUID create(ConversationsApi conversations) throws Exception {
    var body = new ConversationCreation().title("Streams").mode("balanced");
    var made = conversations.createConversation(body, null);
    expect(made.getTitle().equals("Streams"), "the title that was sent");
    return made.getId();
  }

  private String chat(ChatApi chat, UUID conversation) throws Exception {
    var body = new ChatRequest().message("My name is Ada.").conversationId(conversation);
    Message message = chat.sendMessage(body, null).getMessage();
    expect(message.getStatus() == Message.StatusEnum.COMPLETE, "a complete answer");
    return message.getContent();
  }

  private String stream(UUID conversation) throws Exception {
    var body = new ChatRequest().message("What can you do?").conversationId(conversation);
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(client.getBaseUri() + "/chat/stream"))
        .header("Content-Type", "application/json")
        .header("Idempotency-Key", UUID.randomUUID().toString())
        .POST(HttpRequest.BodyPublishers.ofString(client.getObjectMapper().writeValueAsString(body)));
    follow(request, HANG_UP_AFTER);
    expect(events == HANG_UP_AFTER && kept == null, "hangs up in the middle");
    return events + " events, then hung up";
  }

  private String resume(ConversationsApi conversations, UUID conversation) throws Exception {
    String generation = lastEventId.split(":")[0];
    follow(
        HttpRequest.newBuilder(URI.create(client.getBaseUri() + "/chat/generations/" + generation + "/stream"))
            .header("Last-Event-ID", lastEventId),
        Integer.MAX_VALUE);
    expect(kept != null && kept.getContent().contentEquals(text), "the pieces make the message");
    List<Message> messages = conversations.getConversation(conversation, null).getMessages();
    Message last = messages.get(messages.size() - 1);
    expect(last.getContent().contentEquals(text), "the message is kept");
    return events + " events in all, " + text.length() + " characters as they are kept";
  }

  /**
   * Reads the events of a stream as they come, up to its end or until `limit` were seen. The generated
   * call waits for the end and reads the whole as one event; its types are used, not its call.
   */
  private void follow(HttpRequest.Builder request, int limit) throws Exception {
    authenticate(request);
    request.timeout(PATIENCE);
    var response = client.getHttpClient().send(request.build(), BodyHandlers.ofInputStream());
    // Closing the body hangs up.
    try (InputStream body = response.body();
        var lines = new BufferedReader(new InputStreamReader(body, StandardCharsets.UTF_8))) {
      if (response.statusCode() != 200) {
        throw new IllegalStateException(client.getObjectMapper().readValue(body, Problem.class).toString());
      }
      String id = "";
      for (String line = lines.readLine(); line != null && events < limit; line = lines.readLine()) {
        // Lines that begin with a colon keep the connection open.
        if (line.startsWith("id: ")) id = line.substring("id: ".length());
        if (line.startsWith("data: ")) take(id, line.substring("data: ".length()));
      }
    }
  }

  private void take(String id, String data) throws Exception {
    events++;
    lastEventId = id;
    expect(id.endsWith(":" + events), "event " + events + " and not " + id);
    Object event = client.getObjectMapper().readValue(data, ChatStreamEvent.class).getActualInstance();
    if (event instanceof MessageDeltaEvent delta) text.append(delta.getText());
    else if (event instanceof MessageEndEvent end) kept = end.getMessage();
    else expect(event instanceof MessageStartEvent, "no such event: " + event);
  }

  private String listAll(ConversationsApi conversations, UUID first) throws Exception {
    var made = new HashSet<UUID>(List.of(first));
    while (made.size() < CONVERSATIONS) {
      made.add(conversations.createConversation(new ConversationCreation(), null).getId());
    }
    var seen = new ArrayList<UUID>();
    int pages = 0;
    String cursor = null;
    do {
      var page = conversations.listConversations(null, null, PAGE, cursor);
      expect(page.getData().size() <= PAGE, "no more than the limit");
      page.getData().forEach(one -> seen.add(one.getId()));
      pages++;
      cursor = page.getNextCursor();
    } while (cursor != null);
    expect(seen.size() == made.size() && made.equals(new HashSet<>(seen)), "each exactly once");
    return seen.size() + " conversations on " + pages + " pages";
  }

  private String findNothing(ConversationsApi conversations) throws Exception {
    ApiException refusal = refusalOf(() -> conversations.getConversation(UUID.randomUUID(), null));
    Problem problem = problemOf(refusal);
    expect(problem.getCode() == ProblemCode.NOT_FOUND && problem.getStatus() == 404, "not-found");
    String requestId = refusal.getResponseHeaders().firstValue("X-Request-Id").orElse("");
    expect(problem.getRequestId().equals(requestId), "the id of the call");
    return problem.getStatus() + " " + problem.getCode();
  }

  private String waitOutALimit(ChatApi chat) throws Exception {
    var body = new ChatRequest().message("Hi");
    int sent = 0;
    ApiException refusal = null;
    while (refusal == null) {
      expect(++sent < 50, "a limit");
      refusal = refusalOf(() -> chat.sendMessage(body, null));
    }
    Problem problem = problemOf(refusal);
    expect(problem.getCode() == ProblemCode.QUOTA_EXCEEDED, "quota-exceeded, not " + problem.getCode());
    expect(problem.getViolatedPolicies().contains("chat"), "the policy that is spent");
    long seconds = refusal.getResponseHeaders().firstValueAsLong("Retry-After").orElse(0);
    expect(seconds >= 1, "seconds to wait");
    Thread.sleep(Duration.ofSeconds(seconds).toMillis());
    Message message = chat.sendMessage(body, null).getMessage();
    expect(message.getStatus() == Message.StatusEnum.COMPLETE, "an answer after the wait");
    return "refused at call " + sent + ", answered after " + seconds + " s";
  }

  private interface Call {
    Object run() throws ApiException;
  }

  /** The refusal of a call, or null if it was answered. */
  private static ApiException refusalOf(Call call) {
    try {
      call.run();
      return null;
    } catch (ApiException refusal) {
      return refusal;
    }
  }

  private Problem problemOf(ApiException refusal) throws Exception {
    expect(refusal != null, "a problem");
    return client.getObjectMapper().readValue(refusal.getResponseBody(), Problem.class);
  }

  private static void expect(boolean holds, String promise) {
    if (!holds) throw new IllegalStateException("Promised, but not so: " + promise);
  }

  private static void step(String name, Step step) {
    try {
      System.out.println("ok  " + name + ": " + step.run());
    } catch (Exception error) {
      System.err.println("FAILED  " + name + ": " + error);
      System.exit(1);
    }
  }
}
