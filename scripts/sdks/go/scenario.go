// What a partner does with Parley, by the client that OpenAPI Generator writes in Go.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"partner/parley"
)

const (
	hangUpAfter   = 5
	conversations = 5
	pageSize      = 2
)

// partner holds the generated client, and the tokens that its calls are made with.
type partner struct {
	url    string
	api    *parley.APIClient
	tokens *parley.TokenPair
}

// answer is what was seen of one answer, over as many streams as it took.
type answer struct {
	text        string
	events      int
	lastEventID string
	kept        *parley.Message
}

func main() {
	configuration := parley.NewConfiguration()
	configuration.Servers = parley.ServerConfigurations{{URL: os.Getenv("PARLEY_URL")}}
	// An operation that also has a place of its own lists both; the first is the one to use.
	for operation := range configuration.OperationServers {
		configuration.OperationServers[operation] = configuration.Servers
	}
	p := &partner{url: os.Getenv("PARLEY_URL"), api: parley.NewAPIClient(configuration)}
	seen := &answer{}
	var conversationID string
	step("log in", p.logIn)
	step("refresh", p.refresh)
	step("create", func() (said string, err error) {
		conversationID, said, err = p.create()
		return said, err
	})
	step("chat", func() (string, error) { return p.chat(conversationID) })
	step("stream", func() (string, error) { return p.stream(conversationID, seen) })
	step("resume", func() (string, error) { return p.resume(conversationID, seen) })
	step("list", func() (string, error) { return p.listAll(conversationID) })
	step("problem", p.findNothing)
	step("429", p.waitOutALimit)
}

func (p *partner) logIn() (string, error) {
	email, password := os.Getenv("PARLEY_EMAIL"), os.Getenv("PARLEY_PASSWORD")
	ctx, cancel := p.context()
	defer cancel()
	registration := parley.NewRegistration(email, password, "A partner")
	if _, _, err := p.api.AuthAPI.Register(ctx).Registration(*registration).Execute(); err != nil {
		return "", told(err)
	}
	credentials := parley.NewCredentials(email, password)
	tokens, _, err := p.api.AuthAPI.LogIn(ctx).Credentials(*credentials).Execute()
	p.tokens = tokens
	return "as " + email, told(err)
}

func (p *partner) refresh() (string, error) {
	ctx, cancel := p.context()
	defer cancel()
	request := parley.NewRefreshRequest(p.tokens.RefreshToken)
	after, _, err := p.api.AuthAPI.RefreshTokens(ctx).RefreshRequest(*request).Execute()
	if err != nil {
		return "", told(err)
	}
	if after.RefreshToken == p.tokens.RefreshToken || after.SessionId != p.tokens.SessionId {
		return "", errors.New("no new pair of the same session")
	}
	p.tokens = after
	return "the next pair of the same session", nil
}

func (p *partner) create() (id, said string, err error) {
	ctx, cancel := p.context()
	defer cancel()
	creation := parley.NewConversationCreation()
	creation.SetTitle("Streams")
	creation.SetMode("balanced")
	made, _, err := p.api.ConversationsAPI.CreateConversation(ctx).ConversationCreation(*creation).Execute()
	if err != nil {
		return "", "", told(err)
	}
	if made.Title != "Streams" {
		return "", "", fmt.Errorf("the title is %q", made.Title)
	}
	return made.Id, made.Title, nil
}

func (p *partner) chat(conversationID string) (string, error) {
	ctx, cancel := p.context()
	defer cancel()
	request := parley.NewChatRequest("My name is Ada.")
	request.SetConversationId(conversationID)
	reply, _, err := p.api.ChatAPI.SendMessage(ctx).ChatRequest(*request).Execute()
	if err != nil {
		return "", told(err)
	}
	if reply.Message.Status != "complete" {
		return "", fmt.Errorf("the answer is %s", reply.Message.Status)
	}
	return reply.Message.Content, nil
}

func (p *partner) stream(conversationID string, seen *answer) (string, error) {
	ctx, cancel := p.context()
	defer cancel()
	request := parley.NewChatRequest("What can you do?")
	request.SetConversationId(conversationID)
	body, err := json.Marshal(request)
	if err != nil {
		return "", err
	}
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/chat/stream", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	call.Header.Set("Content-Type", "application/json")
	call.Header.Set("Idempotency-Key", rand.Text())
	// Returning cancels ctx, and that hangs up.
	if err := p.follow(call, seen, hangUpAfter); err != nil {
		return "", err
	}
	if seen.events != hangUpAfter || seen.kept != nil {
		return "", errors.New("it had ended before")
	}
	return fmt.Sprintf("%d events, then hung up", seen.events), nil
}

func (p *partner) resume(conversationID string, seen *answer) (string, error) {
	ctx, cancel := p.context()
	defer cancel()
	generationID, _, _ := strings.Cut(seen.lastEventID, ":")
	call, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/chat/generations/"+generationID+"/stream", nil)
	if err != nil {
		return "", err
	}
	call.Header.Set("Last-Event-ID", seen.lastEventID)
	if err := p.follow(call, seen, 0); err != nil {
		return "", err
	}
	detail, _, err := p.api.ConversationsAPI.GetConversation(ctx, conversationID).Execute()
	if err != nil {
		return "", told(err)
	}
	if seen.kept == nil || seen.kept.Content != seen.text {
		return "", fmt.Errorf("the pieces make %q", seen.text)
	}
	if last := detail.Messages[len(detail.Messages)-1]; last.Content != seen.text {
		return "", fmt.Errorf("kept is %q", last.Content)
	}
	return fmt.Sprintf("%d events in all, %d bytes as they are kept", seen.events, len(seen.text)), nil
}

// follow reads the events of a stream as they come, up to the end or until `limit` were seen.
// The generated call waits for the end and decodes one event; its types are used, not its call.
func (p *partner) follow(call *http.Request, seen *answer, limit int) error {
	call.Header.Set("Authorization", "Bearer "+p.tokens.AccessToken)
	response, err := p.api.GetConfig().HTTPClient.Do(call)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		var problem parley.Problem
		if err := json.NewDecoder(response.Body).Decode(&problem); err != nil {
			return err
		}
		return fmt.Errorf("%s: %s", problem.Code, problem.Title)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	id := ""
	for lines.Scan() {
		// Lines that begin with a colon keep the connection open.
		field, value, _ := strings.Cut(lines.Text(), ": ")
		if field == "id" {
			id = value
		}
		if field != "data" {
			continue
		}
		var event parley.ChatStreamEvent
		if err := json.Unmarshal([]byte(value), &event); err != nil {
			return err
		}
		if err := seen.take(id, event); err != nil || seen.events == limit {
			return err
		}
	}
	return lines.Err()
}

func (a *answer) take(id string, event parley.ChatStreamEvent) error {
	a.events++
	a.lastEventID = id
	if _, sequence, _ := strings.Cut(id, ":"); sequence != strconv.Itoa(a.events) {
		return fmt.Errorf("event %d has the id %s", a.events, id)
	}
	switch one := event.GetActualInstance().(type) {
	case *parley.MessageStartEvent:
		return nil
	case *parley.MessageDeltaEvent:
		a.text += one.Text
		return nil
	case *parley.MessageEndEvent:
		a.kept = &one.Message
		return nil
	default:
		return fmt.Errorf("no such event was expected: %T", one)
	}
}

func (p *partner) listAll(conversationID string) (string, error) {
	ctx, cancel := p.context()
	defer cancel()
	made := []string{conversationID}
	for len(made) < conversations {
		creation := parley.NewConversationCreation()
		one, _, err := p.api.ConversationsAPI.CreateConversation(ctx).ConversationCreation(*creation).Execute()
		if err != nil {
			return "", told(err)
		}
		made = append(made, one.Id)
	}
	var found []string
	request := p.api.ConversationsAPI.ListConversations(ctx).Limit(pageSize)
	for pages := 1; ; pages++ {
		page, _, err := request.Execute()
		if err != nil {
			return "", told(err)
		}
		for _, one := range page.Data {
			found = append(found, one.Id)
		}
		if page.HasNextCursor() {
			request = request.Cursor(page.GetNextCursor())
			continue
		}
		slices.Sort(made)
		slices.Sort(found)
		if !slices.Equal(made, found) {
			return "", fmt.Errorf("made %v, listed %v", made, found)
		}
		return fmt.Sprintf("%d conversations on %d pages", len(found), pages), nil
	}
}

func (p *partner) findNothing() (string, error) {
	ctx, cancel := p.context()
	defer cancel()
	nothing := "0199b3a4-9b2c-7f3e-8a41-5d2f9c7b6a10"
	_, response, err := p.api.ConversationsAPI.GetConversation(ctx, nothing).Execute()
	problem, isProblem := problemOf(err)
	if !isProblem || problem.Code != parley.PROBLEMCODE_NOT_FOUND || problem.Status != http.StatusNotFound {
		return "", fmt.Errorf("no problem not-found: %w", told(err))
	}
	if problem.RequestId != response.Header.Get("X-Request-Id") {
		return "", fmt.Errorf("the id of the call is not %s", problem.RequestId)
	}
	return fmt.Sprintf("%d %s", problem.Status, problem.Code), nil
}

func (p *partner) waitOutALimit() (string, error) {
	ctx, cancel := p.context()
	defer cancel()
	call := p.api.ChatAPI.SendMessage(ctx).ChatRequest(*parley.NewChatRequest("Hi"))
	for sent := 1; sent < 50; sent++ {
		_, response, err := call.Execute()
		if err == nil {
			continue
		}
		problem, isProblem := problemOf(err)
		if !isProblem || problem.Code != parley.PROBLEMCODE_QUOTA_EXCEEDED {
			return "", told(err)
		}
		if !slices.Contains(problem.ViolatedPolicies, "chat") {
			return "", fmt.Errorf("spent is %v", problem.ViolatedPolicies)
		}
		seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
		if err != nil || seconds < 1 {
			return "", fmt.Errorf("no seconds to wait: %w", err)
		}
		time.Sleep(time.Duration(seconds) * time.Second)
		reply, _, err := call.Execute()
		if err != nil {
			return "", told(err)
		}
		if reply.Message.Status != "complete" {
			return "", fmt.Errorf("the answer is %s", reply.Message.Status)
		}
		return fmt.Sprintf("refused at call %d, answered after %d s", sent, seconds), nil
	}
	return "", errors.New("no limit")
}

func (p *partner) context() (context.Context, context.CancelFunc) {
	ctx := context.Background()
	if p.tokens != nil {
		ctx = context.WithValue(ctx, parley.ContextAccessToken, p.tokens.AccessToken)
	}
	return context.WithTimeout(ctx, time.Minute)
}

func problemOf(err error) (parley.Problem, bool) {
	var failure *parley.GenericOpenAPIError
	if !errors.As(err, &failure) {
		return parley.Problem{}, false
	}
	problem, isProblem := failure.Model().(parley.Problem)
	return problem, isProblem
}

// told is the error with the code and title of its problem, where it has one.
func told(err error) error {
	problem, isProblem := problemOf(err)
	if !isProblem {
		return err
	}
	return fmt.Errorf("%s: %s (%w)", problem.Code, problem.Title, err)
}

func step(name string, run func() (string, error)) {
	said, err := run()
	if err != nil {
		fmt.Fprintf(os.Stderr, "FAILED  %s: %v\n", name, err)
		os.Exit(1)
	}
	fmt.Printf("ok  %s: %s\n", name, said)
}
