// Made from openapi/api.yaml by `npm run generate`. Do not edit: edit the contract.
export interface paths {
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Check that the process is alive
         * @description Returns immediately and checks nothing else: neither the database nor the engine. Meant for
         *     supervisors and load balancers that restart a process that does not respond. Does not count
         *     against any rate limit.
         */
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Check that the server is ready
         * @description Checks each component that the server depends on. Returns `200` when the server can serve
         *     requests and `503` when it cannot, with the same body. An engine that is down is reported as
         *     `degraded` with `200`, because everything but chat still works. So is `schema`, which is down
         *     when a newer version of the server has migrated the database beyond the version that this server
         *     knows. While the server shuts down it returns `503`, so that a load balancer stops sending
         *     requests. Does not count against any rate limit.
         */
        get: operations["getReadiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read the server status
         * @description Returns the version, the start time and the engine of the server. `ruleBased` is true when the
         *     built-in engine answers: it follows rules and is not a language model.
         */
        get: operations["getStatus"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/modes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the chat modes
         * @description A mode is a style of answering: a named system prompt with a sampling preset. Send its `id` as
         *     `mode` with a message, or set it on a conversation or in your profile.
         */
        get: operations["listModes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/rate-limits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read your rate limits
         * @description Returns what remains of your rate limits. With a credential, these are the limits that count
         *     you. Without one, it is the limit that counts your address. Does not count against any rate
         *     limit.
         */
        get: operations["getRateLimits"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Log in
         * @description Opens a session and returns its first pair of tokens. A wrong password and an unknown email get
         *     the same response in the same time. After five failures for one account from one address within
         *     15 minutes, further attempts from that address are refused with `429`. The owner of the account
         *     is not affected at another address.
         */
        post: operations["logIn"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/refresh": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Refresh the tokens
         * @description Returns the next pair of tokens of the session and ends the refresh token that you sent. If this
         *     response is lost, you may send the same token again within 30 seconds and receive the same
         *     successor. Any other second use ends the session. Each refresh extends the session by seven
         *     days, up to 30 days after its login.
         */
        post: operations["refreshTokens"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Log out by GET
         * @deprecated
         * @description Ends the session of the access token. Kept for older clients. `POST /auth/logout` does the same
         *     and more. A plain link can trigger a GET that changes state, so this operation will be removed
         *     on the day that `Sunset` names. For the same reason it has no `HEAD`.
         */
        get: operations["logOutByLink"];
        put?: never;
        /**
         * Log out
         * @description Ends your sessions: the `current` one, all `others`, or `all`. Their access tokens and refresh
         *     tokens are refused immediately.
         */
        post: operations["logOut"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/register": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Register an account
         * @description Creates an account for you if the operator has opened registration. Otherwise it returns
         *     `registration-closed`. The password must have 8 to 256 characters and must not be one of the
         *     most common.
         */
        post: operations["register"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /**
         * Change your password
         * @description Sets a new password and ends all your other sessions. The current session continues. A wrong
         *     current password counts as a failed sign-in.
         */
        put: operations["changePassword"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List your sessions
         * @description Returns your open sessions, the last used first.
         */
        get: operations["listSessions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/sessions/{sessionId}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example 01a207a3-48d2-705c-a06d-8e3c90f4cda3
                 */
                sessionId: string;
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * End a session
         * @description Ends one of your sessions, the current one or another. Its tokens are refused immediately.
         */
        delete: operations["endSession"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/conversations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List conversations
         * @description Returns your conversations, the latest activity first. Follow `nextCursor` to the end. It is
         *     valid only with the filters that it was issued for.
         */
        get: operations["listConversations"];
        put?: never;
        /**
         * Create a conversation
         * @description Creates an empty conversation. Without a `mode` it uses the default mode of your profile. You do
         *     not need this operation to chat: a message without a `conversationId` creates its own
         *     conversation.
         */
        post: operations["createConversation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/conversations/{conversationId}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the conversation.
                 * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
                 */
                conversationId: components["parameters"]["ConversationId"];
            };
            cookie?: never;
        };
        /**
         * Read a conversation
         * @description Returns the conversation with its latest messages, oldest first: at most 50, at most 256 kB of
         *     text, and at least one if there are any. If there are earlier messages, `messagesCursor` is
         *     present: `GET …/messages` reads the whole conversation from its start.
         */
        get: operations["getConversation"];
        put?: never;
        post?: never;
        /**
         * Delete a conversation
         * @description Permanently deletes the conversation with its messages and their feedback. An answer that is in
         *     progress is stopped. Usage that was already counted stays counted.
         */
        delete: operations["deleteConversation"];
        options?: never;
        head?: never;
        /**
         * Change a conversation
         * @description Changes the properties that you send and leaves the others as they are. If you send `If-Match`
         *     with the `ETag` that you read, the change is refused (`412`) when the conversation has changed
         *     since.
         */
        patch: operations["changeConversation"];
        trace?: never;
    };
    "/conversations/{conversationId}/export": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the conversation.
                 * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
                 */
                conversationId: components["parameters"]["ConversationId"];
            };
            cookie?: never;
        };
        /**
         * Export a conversation
         * @description Returns the conversation and then each of its messages, oldest first, as one JSON record per
         *     line. The last line is the record `end`, which counts the others: an export without it is
         *     incomplete. Messages that are added during the export are left out.
         */
        get: operations["exportConversation"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/conversations/{conversationId}/messages": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the conversation.
                 * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
                 */
                conversationId: components["parameters"]["ConversationId"];
            };
            cookie?: never;
        };
        /**
         * List messages
         * @description Returns the messages of a conversation, oldest first. Follow `nextCursor` to the end: a page
         *     ends at `limit` messages or at 256 kB of text, and holds at least one message if any are left.
         *     An answer that is in progress has the status `inProgress` and no text yet: its text is on its
         *     stream.
         */
        get: operations["listMessages"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a message
         * @description Adds your message to the conversation and returns the answer when it is complete and stored.
         *     Without a `conversationId` a conversation is created, with a title made from the message. A 5xx
         *     problem before the engine began to answer means that nothing was stored. If the engine fails
         *     later, you receive `200` and a message with the status `failed` and the text so far. While the
         *     database is unavailable, a finished answer waits for it, and so does your request.
         */
        post: operations["sendMessage"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a message and stream the answer
         * @description Works like `POST /chat`, but the answer arrives word by word as `text/event-stream`. *Streaming*
         *     above describes the events. However the answer ends, exactly one terminal event ends the stream.
         *     If you disconnect, the answer is completed and stored without you, unless you asked for
         *     `onDisconnect: cancel`: then it stops within a second and the text so far is stored.
         */
        post: operations["streamMessage"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/generations/{generationId}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the generation.
                 * @example 01a207a2-80a0-701c-a70f-68894adc5d2f
                 */
                generationId: components["parameters"]["GenerationId"];
            };
            cookie?: never;
        };
        /**
         * Read a generation
         * @description A generation is the process that makes one answer. It belongs to the server: it continues
         *     whether or not a client reads its stream, and you can read it for as long as its message exists.
         */
        get: operations["getGeneration"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/generations/{generationId}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the generation.
                 * @example 01a207a2-80a0-701c-a70f-68894adc5d2f
                 */
                generationId: components["parameters"]["GenerationId"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancel an answer
         * @description Stops the engine and stores the text so far, on whichever instance the answer is being made.
         *     Returns the message as it is stored. Cancelling an answer that has already ended changes nothing
         *     and returns its message, so you can repeat the call.
         */
        post: operations["cancelGeneration"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/chat/generations/{generationId}/stream": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the generation.
                 * @example 01a207a2-80a0-701c-a70f-68894adc5d2f
                 */
                generationId: components["parameters"]["GenerationId"];
            };
            cookie?: never;
        };
        /**
         * Resume a stream
         * @description Returns the events of an answer, from the first one or from the one after `Last-Event-ID`, and
         *     then live until the answer ends. It works on any instance and does not count against any rate
         *     limit. Each event has the same id and the same content as the first time. `204` means that you
         *     have seen the end. Otherwise you receive exactly one terminal event, whatever number the id has:
         *     a number beyond all events skips to the end. A stream is available for 10 minutes after the end
         *     of its answer. After that the response is `410`, and `GET /chat/generations/{generationId}` and
         *     the messages of the conversation tell you how the answer ended. If the server failed during the
         *     answer, the stored events are replayed and `message.error` ends the stream.
         */
        get: operations["resumeStream"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/feedback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List your feedback
         * @description Returns your feedback, the latest first. Follow `nextCursor` to the end: a page ends at `limit`
         *     entries or at 256 kB of comments.
         */
        get: operations["listFeedback"];
        put?: never;
        /**
         * Give feedback on an answer
         * @description Stores your feedback on a message. You can give one feedback per message: a second one replaces
         *     the first and keeps its `id`.
         */
        post: operations["giveFeedback"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/feedback/{feedbackId}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the feedback.
                 * @example 01a207a2-c01a-7030-a8cd-64b3c2c6ee0f
                 */
                feedbackId: string;
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Delete feedback
         * @description Permanently deletes your feedback.
         */
        delete: operations["deleteFeedback"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/profile": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read your profile
         * @description Returns your identity and your permissions. `scopes` lists what you may do.
         */
        get: operations["getProfile"];
        /**
         * Replace your profile
         * @description Replaces your display name and all your preferences: a preference that you leave out is unset.
         *     If you send `If-Match` with the `ETag` that you read, the change is refused (`412`) when the
         *     profile has changed since. A new display name is recorded in the audit log, just as one that an
         *     administrator sets. Preferences are not.
         */
        put: operations["replaceProfile"];
        post?: never;
        /**
         * Close your account
         * @description Permanently deletes your account and everything that you own: conversations, messages, feedback
         *     and sessions. All your tokens are refused immediately. The audit log keeps its entries about you
         *     without your address and your name, and your usage stays in the totals of the server without
         *     reference to you. The last administrator cannot close their account (`400`).
         */
        delete: operations["closeAccount"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Export your data
         * @description Returns everything that is stored about you, as one JSON record per line: your profile, your
         *     open sessions, your conversations each followed by its messages, your feedback, your usage, and
         *     the audit events of your own actions. The last line is the record `end`, which counts the
         *     others: an export without it is incomplete. Conversations and messages that are added during the
         *     export are left out. The export is streamed, so the server never holds all of it in memory. An
         *     export is recorded in the audit log, so this operation has no `HEAD`.
         */
        get: operations["exportAccount"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read your usage
         * @description Returns your usage by hour or by day, in UTC. `totals` is always the sum of the buckets, and the
         *     buckets are the sum of what was generated: deleting a conversation does not reduce them. Buckets
         *     without usage are left out. `limits` shows what remains of your rate limits now.
         */
        get: operations["getUsage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List users
         * @description Returns the users, the newest first. Service accounts are not included.
         */
        get: operations["listUsers"];
        put?: never;
        /**
         * Create a user
         * @description Creates an account that can log in with this email and password. You cannot grant a role with a
         *     scope that you lack (`insufficient-scope`).
         */
        post: operations["createUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/users/{userId}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the user.
                 * @example 01a207a2-d3a2-7037-940c-b9902bf68d01
                 */
                userId: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        /**
         * Read a user
         * @description Returns one user.
         */
        get: operations["getUser"];
        put?: never;
        post?: never;
        /**
         * Delete a user
         * @description Permanently deletes the user and everything that they own, like closing the account. The last
         *     administrator who is not disabled cannot be demoted, disabled or deleted (`400`).
         */
        delete: operations["deleteUser"];
        options?: never;
        head?: never;
        /**
         * Change a user
         * @description Changes the name, the role, the disabled state and the personal limits of a user. The change
         *     takes effect immediately, also for access tokens that were already issued: a disabled user is
         *     refused with `account-disabled`, and a new role changes the scopes. `limits` is replaced as a
         *     whole. You can neither change a user who has scopes that you lack nor grant a role with such
         *     scopes (`insufficient-scope`). The last administrator who is not disabled cannot be demoted,
         *     disabled or deleted (`400`).
         */
        patch: operations["changeUser"];
        trace?: never;
    };
    "/admin/service-accounts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List service accounts
         * @description Returns the service accounts, the newest first. A service account is a program that calls Parley
         *     with API keys.
         */
        get: operations["listServiceAccounts"];
        put?: never;
        /**
         * Create a service account
         * @description Creates a service account. Once it has an API key, it can do what its scopes allow, and it owns
         *     the conversations that it creates. You can grant only scopes that you hold
         *     (`insufficient-scope`).
         */
        post: operations["createServiceAccount"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/service-accounts/{serviceAccountId}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the service account.
                 * @example 01a207a2-e248-703d-8243-02bc17cd804d
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
            };
            cookie?: never;
        };
        /**
         * Read a service account
         * @description Returns one service account.
         */
        get: operations["getServiceAccount"];
        put?: never;
        post?: never;
        /**
         * Delete a service account
         * @description Permanently deletes the service account with its keys and everything that it owns.
         */
        delete: operations["deleteServiceAccount"];
        options?: never;
        head?: never;
        /**
         * Change a service account
         * @description Changes the name, the scopes and the disabled state of a service account. The change takes
         *     effect immediately for all its keys. You can neither change a service account that has scopes
         *     that you lack nor grant such scopes (`insufficient-scope`).
         */
        patch: operations["changeServiceAccount"];
        trace?: never;
    };
    "/admin/service-accounts/{serviceAccountId}/api-keys": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the service account.
                 * @example 01a207a2-e248-703d-8243-02bc17cd804d
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
            };
            cookie?: never;
        };
        /**
         * List API keys
         * @description Returns the keys of a service account, the newest first, without their secrets. Revoked and
         *     expired keys stay in the list. `lastUsedAt` may be up to a minute old.
         */
        get: operations["listApiKeys"];
        put?: never;
        /**
         * Create an API key
         * @description Creates a key for a service account. `secret` is the whole key. It is shown only in this
         *     response and is not stored in plain text, so save it now. Send it as `X-API-Key` or as a bearer
         *     token. You cannot create a key for a service account that has scopes that you lack
         *     (`insufficient-scope`).
         */
        post: operations["createApiKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/service-accounts/{serviceAccountId}/api-keys/{apiKeyId}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the service account.
                 * @example 01a207a2-e248-703d-8243-02bc17cd804d
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
                /**
                 * @description The id of the API key.
                 * @example 01a207a2-f0ee-7042-b079-490bd61fa8c1
                 */
                apiKeyId: components["parameters"]["ApiKeyId"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Revoke an API key
         * @description Revokes the key: it is refused from now on. It stays in the list as revoked.
         */
        delete: operations["revokeApiKey"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/service-accounts/{serviceAccountId}/api-keys/{apiKeyId}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the service account.
                 * @example 01a207a2-e248-703d-8243-02bc17cd804d
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
                /**
                 * @description The id of the API key.
                 * @example 01a207a2-f0ee-7042-b079-490bd61fa8c1
                 */
                apiKeyId: components["parameters"]["ApiKeyId"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Rotate an API key
         * @description Returns a new key that replaces this one, with the same name and the same lifetime. The old key
         *     stays valid for `overlapSeconds` and is refused after that. You cannot rotate a key that was
         *     already rotated, revoked or expired (`404`): rotate its successor.
         */
        post: operations["rotateApiKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/audit-events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List audit events
         * @description Returns every event of identity and administration, the newest first: who did what to whom, from
         *     where and when. Events are never changed or removed, except that the addresses of an account are
         *     removed when it is closed.
         */
        get: operations["listAuditEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/feedback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List all feedback
         * @description Returns the feedback of all accounts, the latest change first. Follow `nextCursor` to the end: a
         *     page ends at `limit` entries or at 256 kB of comments.
         */
        get: operations["listAllFeedback"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read the usage of all accounts
         * @description Returns the usage of all accounts, or of one, by hour or by day, in UTC. Closed accounts stay in
         *     the totals.
         */
        get: operations["getAllUsage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Redirect to the health check
         * @deprecated
         * @description The health check of the previous server. It is now `GET /api/v1/health`. The other paths of the
         *     previous server (`/chat`, `/feedback`, `/status` and `/modes`) are described with their
         *     successors: the second server entry of each is the old location.
         */
        get: operations["testServer"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description Feedback, with the account that gave it. */
        AdminFeedback: {
            /** Format: uuid */
            id: string;
            /**
             * Format: uuid
             * @description The user or service account that gave the feedback.
             */
            userId: string;
            /**
             * Format: uuid
             * @description The answer that the feedback is about.
             */
            messageId: string;
            rating: components["schemas"]["Rating"];
            tags?: components["schemas"]["FeedbackTags"];
            comment?: components["schemas"]["FeedbackComment"];
            createdAt: components["schemas"]["Timestamp"];
            updatedAt: components["schemas"]["Timestamp"];
        };
        /** @description One page of the feedback of all accounts. */
        AdminFeedbackPage: {
            data: components["schemas"]["AdminFeedback"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description The usage in a period. */
        AdminUsageReport: {
            from: components["schemas"]["Timestamp"];
            to: components["schemas"]["Timestamp"];
            granularity: components["schemas"]["Granularity"];
            totals: components["schemas"]["UsageTotals"];
            buckets: components["schemas"]["UsageBucket"][];
        };
        /** @description A key of a service account, without its secret. */
        ApiKey: {
            /** Format: uuid */
            id: string;
            name: string;
            /** @description The beginning of the key: enough to identify it, not enough to use it. */
            prefix: string;
            scopes: components["schemas"]["ScopeList"];
            createdAt: components["schemas"]["Timestamp"];
            expiresAt?: components["schemas"]["Timestamp"];
            lastUsedAt?: components["schemas"]["Timestamp"];
            overlapEndsAt?: components["schemas"]["Timestamp"];
            revokedAt?: components["schemas"]["Timestamp"];
        };
        /** @description The properties of a new key. */
        ApiKeyCreation: {
            name: components["schemas"]["ApiKeyName"];
            /**
             * Format: date-time
             * @description When the key expires, in the future. Without it, the key does not expire.
             */
            expiresAt?: string;
        };
        /**
         * @description The purpose of the key. One line: no control characters, line ends, or bidirectional embeddings,
         *     overrides or isolates. White space at both ends is removed, and the rest must not be empty.
         */
        ApiKeyName: string;
        /** @description One page of keys. */
        ApiKeyPage: {
            data: components["schemas"]["ApiKey"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description The rotation of a key. */
        ApiKeyRotation: {
            /** @description The number of seconds for which the old key stays valid, up to 30 days. */
            overlapSeconds: number;
        };
        /** @description A key with its secret, shown only once. */
        ApiKeyWithSecret: {
            /** Format: uuid */
            id: string;
            name: string;
            /** @description The beginning of the key: enough to identify it, not enough to use it. */
            prefix: string;
            scopes: components["schemas"]["ScopeList"];
            createdAt: components["schemas"]["Timestamp"];
            expiresAt?: components["schemas"]["Timestamp"];
            lastUsedAt?: components["schemas"]["Timestamp"];
            overlapEndsAt?: components["schemas"]["Timestamp"];
            revokedAt?: components["schemas"]["Timestamp"];
            /** @description The whole key. Save it now: it is not shown again. */
            secret: string;
        };
        /**
         * @description The account that owns the target, if the target is a session or a key. Events that are older
         *     than this property do not have it.
         */
        AuditAccount: {
            /** @enum {string} */
            kind: "user" | "service-account";
            /** Format: uuid */
            id: string;
        };
        /**
         * @description The account that caused the event. Left out if it is unknown: a wrong password, or a refresh
         *     token that is used a second time, can come from any client.
         */
        AuditActor: {
            /** @enum {string} */
            kind: "user" | "service-account";
            /** Format: uuid */
            id: string;
        };
        /** @description One event of identity or administration. */
        AuditEvent: {
            /** Format: uuid */
            id: string;
            at: components["schemas"]["Timestamp"];
            event: components["schemas"]["AuditEventName"];
            /** @enum {string} */
            outcome: "done" | "refused";
            actor?: components["schemas"]["AuditActor"];
            target?: components["schemas"]["AuditTarget"];
            account?: components["schemas"]["AuditAccount"];
            /** @description The properties that were changed. */
            changed?: components["schemas"]["AuditedProperty"][];
            /** @description The network address that the request came from. Left out after the account is closed. */
            address?: string;
            /** @description The `X-Request-Id` of the request. */
            requestId: string;
        };
        /**
         * @description The closed list of recorded events. `x-audit` names those of each operation. An operator causes
         *     `password.reset` on the machine of the server: there is no acting account and no request.
         * @enum {string}
         */
        AuditEventName: "account.closed" | "api-key.created" | "api-key.revoked" | "api-key.rotated" | "data.exported" | "password.changed" | "password.refused" | "password.reset" | "refresh-token.reused" | "service-account.changed" | "service-account.created" | "service-account.deleted" | "session.created" | "session.refused" | "session.revoked" | "user.changed" | "user.created" | "user.deleted";
        /** @description One page of audit events. */
        AuditEventPage: {
            data: components["schemas"]["AuditEvent"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description The target of the event. */
        AuditTarget: {
            /** @enum {string} */
            kind: "user" | "service-account" | "session" | "api-key";
            /** Format: uuid */
            id: string;
        };
        /**
         * @description A property whose changes are recorded in the audit log.
         * @enum {string}
         */
        AuditedProperty: "disabled" | "displayName" | "limits" | "name" | "role" | "scopes";
        /** @description A message and its answer, both stored. */
        ChatReply: {
            /**
             * Format: uuid
             * @description The generation of this answer.
             */
            generationId: string;
            /**
             * Format: uuid
             * @description The conversation. It was created by this request if the request named none.
             */
            conversationId: string;
            userMessage: components["schemas"]["Message"];
            message: components["schemas"]["Message"];
            usage: components["schemas"]["Usage"];
        };
        /** @description A message to be answered. */
        ChatRequest: {
            /** @description The text of your message. It must not be only white space. */
            message: string;
            /**
             * Format: uuid
             * @description The conversation to add the message to. Without it, a new one is created.
             */
            conversationId?: string;
            mode?: components["schemas"]["ModeId"];
            onDisconnect?: components["schemas"]["OnDisconnect"];
        };
        /** @description One event of a stream. `type` equals the name of the event. */
        ChatStreamEvent: components["schemas"]["MessageStartEvent"] | components["schemas"]["MessageDeltaEvent"] | components["schemas"]["MessageEndEvent"] | components["schemas"]["MessageCancelledEvent"] | components["schemas"]["MessageErrorEvent"];
        /** @description An ordered list of messages with a title. */
        Conversation: {
            /** Format: uuid */
            id: string;
            title: string;
            mode: components["schemas"]["ModeId"];
            /** @description Whether the owner has archived it. */
            archived: boolean;
            /** @description Whether the owner has pinned it. Pinning does not change the order of lists. */
            pinned: boolean;
            /** @description The number of messages, of both sides. */
            messageCount: number;
            createdAt: components["schemas"]["Timestamp"];
            updatedAt: components["schemas"]["Timestamp"];
        };
        /** @description The properties to change. A property that you leave out stays as it is. */
        ConversationChanges: {
            title?: components["schemas"]["ConversationTitle"];
            mode?: components["schemas"]["ModeId"];
            /** @description Archive the conversation, or restore it. */
            archived?: boolean;
            /** @description Pin the conversation, or unpin it. */
            pinned?: boolean;
        };
        /** @description The properties of a new conversation. */
        ConversationCreation: {
            title?: components["schemas"]["ConversationTitle"];
            mode?: components["schemas"]["ModeId"];
        };
        /** @description A conversation with its latest messages. */
        ConversationDetail: {
            /** Format: uuid */
            id: string;
            title: string;
            mode: components["schemas"]["ModeId"];
            /** @description Whether the owner has archived it. */
            archived: boolean;
            /** @description Whether the owner has pinned it. */
            pinned: boolean;
            /** @description The number of messages, of both sides. */
            messageCount: number;
            createdAt: components["schemas"]["Timestamp"];
            updatedAt: components["schemas"]["Timestamp"];
            /** @description The latest messages, oldest first, up to 256 kB of text. */
            messages: components["schemas"]["Message"][];
            /**
             * @description Present if there are earlier messages. Send it as `cursor` to `GET …/messages` to read the
             *     conversation from its start.
             */
            messagesCursor?: string;
        };
        /** @description One page of conversations. */
        ConversationPage: {
            data: components["schemas"]["Conversation"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /**
         * @description A title for people. One line: no control characters, line ends, or bidirectional embeddings,
         *     overrides or isolates. White space at both ends is removed, and the rest must not be empty.
         */
        ConversationTitle: string;
        Count: number;
        /** @description The email and password to log in with. */
        Credentials: {
            email: components["schemas"]["Email"];
            /** Format: password */
            password: string;
        };
        /**
         * @description The name of a person or a program. One line: no control characters, line ends, or bidirectional
         *     embeddings, overrides or isolates. White space at both ends is removed, and the rest must not be
         *     empty.
         */
        DisplayName: string;
        /**
         * @description An ASCII email address. White space at both ends, including line ends, is removed, and case is
         *     ignored.
         */
        Email: string;
        /** @description The engine that answers. */
        EngineDescription: {
            /**
             * @description The built-in rules, or a model server.
             * @enum {string}
             */
            kind: "builtin" | "openai-compatible";
            /** @description The model that answers, if it is known. */
            model?: string;
            /** @description True if the answers follow rules and do not come from a language model. */
            ruleBased: boolean;
        };
        /** @description The last record. It shows that the export is complete. */
        ExportEnd: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "end";
            records: components["schemas"]["Count"];
        };
        /**
         * @description One line of an export. The records of an account come in the order of this list. Each
         *     conversation is followed by its messages.
         */
        ExportRecord: components["schemas"]["ExportedProfile"] | components["schemas"]["ExportedSession"] | components["schemas"]["ExportedConversation"] | components["schemas"]["ExportedMessage"] | components["schemas"]["ExportedFeedback"] | components["schemas"]["ExportedUsage"] | components["schemas"]["ExportedAuditEvent"] | components["schemas"]["ExportEnd"];
        /** @description An audit event that you caused. */
        ExportedAuditEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "audit-event";
            auditEvent: components["schemas"]["AuditEvent"];
        };
        /** @description A conversation. Its messages follow. */
        ExportedConversation: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "conversation";
            conversation: components["schemas"]["Conversation"];
        };
        /** @description Your feedback on an answer. */
        ExportedFeedback: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "feedback";
            feedback: components["schemas"]["Feedback"];
        };
        /** @description A message of the preceding conversation. */
        ExportedMessage: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message";
            message: components["schemas"]["Message"];
        };
        /** @description Your profile. The first record of the export of an account. */
        ExportedProfile: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "profile";
            profile: components["schemas"]["Profile"];
        };
        /** @description One of your open sessions. */
        ExportedSession: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "session";
            session: components["schemas"]["Session"];
        };
        /** @description The usage of one answer. */
        ExportedUsage: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "usage";
            usage: components["schemas"]["UsageRecord"];
        };
        /** @description Feedback on an answer. */
        Feedback: {
            /** Format: uuid */
            id: string;
            /**
             * Format: uuid
             * @description The answer that the feedback is about.
             */
            messageId: string;
            rating: components["schemas"]["Rating"];
            tags?: components["schemas"]["FeedbackTags"];
            comment?: components["schemas"]["FeedbackComment"];
            createdAt: components["schemas"]["Timestamp"];
            updatedAt: components["schemas"]["Timestamp"];
        };
        /** @description A free-text comment. */
        FeedbackComment: string;
        /** @description The feedback to store. */
        FeedbackCreation: {
            /**
             * Format: uuid
             * @description An answer in one of your conversations.
             */
            messageId: string;
            rating: components["schemas"]["Rating"];
            tags?: components["schemas"]["FeedbackTags"];
            comment?: components["schemas"]["FeedbackComment"];
        };
        /** @description One page of feedback. */
        FeedbackPage: {
            data: components["schemas"]["Feedback"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description Short labels that you choose. */
        FeedbackTags: string[];
        /**
         * @description Why a complete answer ended, if it is known: `stop` when the model had finished, `length` when
         *     the answer reached the maximum length and is cut off there, `contentFilter` when a policy of the
         *     model server withheld the rest.
         * @enum {string}
         */
        FinishReason: "stop" | "length" | "contentFilter";
        /** @description The process that makes one answer. */
        Generation: {
            /** Format: uuid */
            id: string;
            /** Format: uuid */
            conversationId: string;
            /**
             * Format: uuid
             * @description The message that holds the answer.
             */
            messageId: string;
            /**
             * @description `running`, `completed`, `cancelled` (it was cancelled), `failed` (the engine failed or the
             *     server shut down) or `interrupted` (the server stopped unexpectedly).
             * @enum {string}
             */
            status: "running" | "completed" | "cancelled" | "failed" | "interrupted";
            startedAt: components["schemas"]["Timestamp"];
            endedAt?: components["schemas"]["Timestamp"];
            usage?: components["schemas"]["Usage"];
        };
        /**
         * @default day
         * @enum {string}
         */
        Granularity: "hour" | "day";
        /** @description The process is alive. */
        Health: {
            /** @enum {string} */
            status: "up";
        };
        /** @description The state of one rate limit. */
        LimitState: {
            policy: components["schemas"]["PolicyName"];
            /** @description The number of requests in a window. */
            quota: number;
            windowSeconds: number;
            remaining: number;
            resetsAt: components["schemas"]["Timestamp"];
        };
        /** @description The state of each rate limit that counts the caller. */
        LimitStateList: {
            data: components["schemas"]["LimitState"][];
        };
        /** @description The sessions to end. */
        LogoutRequest: {
            /**
             * @description The current session, all your other sessions, or all of them.
             * @enum {string}
             */
            scope: "current" | "others" | "all";
        };
        /** @description One message of a conversation. */
        Message: {
            /** Format: uuid */
            id: string;
            /** Format: uuid */
            conversationId: string;
            /** @enum {string} */
            role: "user" | "assistant";
            /** @description The text. Empty while the answer is `inProgress`. */
            content: string;
            /**
             * @description `complete`, `inProgress` (the answer is being made), `cancelled` (it was cancelled),
             *     `failed` (the engine failed or the server shut down) or `interrupted` (the server stopped
             *     unexpectedly). After the last three, the message holds the text that was stored.
             * @enum {string}
             */
            status: "complete" | "inProgress" | "cancelled" | "failed" | "interrupted";
            mode?: components["schemas"]["ModeId"];
            /** @description The model that made the answer. */
            model?: string;
            finishReason?: components["schemas"]["FinishReason"];
            /**
             * Format: int32
             * @description The number of messages at the beginning of the conversation that the model did not see,
             *     because the conversation has become too long for it. Left out if the model saw all of them.
             */
            omittedMessages?: number;
            usage?: components["schemas"]["Usage"];
            createdAt: components["schemas"]["Timestamp"];
        };
        /** @description The answer was cancelled. The last event. */
        MessageCancelledEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.cancelled";
            message: components["schemas"]["Message"];
            usage: components["schemas"]["Usage"];
        };
        /** @description The next piece of the text. */
        MessageDeltaEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.delta";
            text: string;
        };
        /** @description The answer is complete and stored. The last event. */
        MessageEndEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.end";
            message: components["schemas"]["Message"];
            usage: components["schemas"]["Usage"];
        };
        /** @description The answer failed. `message` is what was stored. The last event. */
        MessageErrorEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.error";
            problem: components["schemas"]["Problem"];
            message?: components["schemas"]["Message"];
        };
        /** @description One page of messages, oldest first. */
        MessagePage: {
            data: components["schemas"]["Message"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description The engine has begun to answer. The first event. */
        MessageStartEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.start";
            /** Format: uuid */
            generationId: string;
            /** Format: uuid */
            conversationId: string;
            userMessage: components["schemas"]["Message"];
            /**
             * Format: uuid
             * @description The id of the answer.
             */
            messageId: string;
            requestId: string;
            mode: components["schemas"]["ModeId"];
        };
        /** @description A style of answering. */
        Mode: {
            id: components["schemas"]["ModeId"];
            title: string;
            description: string;
            /** @description Whether this mode is used where none is named. */
            default: boolean;
        };
        /** @description The id of a mode. `GET /modes` lists them. New ones may be added. */
        ModeId: string;
        /** @description All modes. */
        ModeList: {
            data: components["schemas"]["Mode"][];
        };
        /**
         * @description Send it as `cursor` to read the next page. Left out on the last page, and only there: a page may
         *     hold fewer entries than `limit` and be followed by more, because its texts are long. A page of
         *     search results may even be empty.
         */
        NextCursor: string;
        /**
         * @description What happens to the answer when you disconnect before it is complete: with `continue` it is
         *     completed and stored, with `cancel` it is stopped and the text so far is stored.
         * @default continue
         * @enum {string}
         */
        OnDisconnect: "continue" | "cancel";
        /** @description A change of password. */
        PasswordChange: {
            /** Format: password */
            currentPassword: string;
            /**
             * Format: password
             * @description 8 to 256 characters, and not one of the most common passwords.
             */
            newPassword: string;
        };
        /** @description The rate limits of one user. A limit that is left out has the value of the server. */
        PersonalLimits: {
            /** @description Requests per hour, instead of the quota of `user`. */
            hourly?: number;
            /** @description Messages per minute, instead of the quota of `chat`. */
            chatPerMinute?: number;
        };
        /** @description The name of a rate limit. */
        PolicyName: string;
        /** @description The preferences of an account. Each is optional. */
        Preferences: {
            defaultMode?: components["schemas"]["ModeId"];
            /** @description A language tag (BCP 47). */
            locale?: string;
            /** @description A name from the IANA time zone database. */
            timeZone?: string;
        };
        /** @description What went wrong (RFC 9457). Decide by `code`. */
        Problem: {
            /**
             * Format: uri-reference
             * @description The documentation of this code.
             */
            type: string;
            /** @description What went wrong, in the same words for every occurrence of a code. */
            title: string;
            /** @description The HTTP status. */
            status: number;
            /** @description What went wrong in this case, for people. */
            detail?: string;
            /**
             * Format: uri-reference
             * @description The path of the request.
             */
            instance: string;
            code: components["schemas"]["ProblemCode"];
            /** @description The value of `X-Request-Id`. */
            requestId: string;
            /** @description Whether the same request may succeed later. */
            retryable: boolean;
            /** @description Each place where the request does not match the contract. */
            errors?: components["schemas"]["RequestError"][];
            /** @description The rate limits that are exceeded. */
            violatedPolicies?: components["schemas"]["PolicyName"][];
            /**
             * Format: uuid
             * @description The generation of the answer that is in progress in the conversation.
             */
            activeGenerationId?: string;
        };
        /**
         * @description The problem codes.
         * @enum {string}
         */
        ProblemCode: "invalid-request" | "malformed-json" | "cursor-mismatch" | "context-too-long" | "unauthenticated" | "token-expired" | "token-invalid" | "refresh-token-reused" | "invalid-credentials" | "account-disabled" | "insufficient-scope" | "registration-closed" | "not-found" | "method-not-allowed" | "not-acceptable" | "request-timeout" | "email-taken" | "conversation-busy" | "idempotency-in-progress" | "generation-expired" | "precondition-failed" | "payload-too-large" | "uri-too-long" | "unsupported-media-type" | "weak-password" | "idempotency-key-reused" | "quota-exceeded" | "too-many-streams" | "export-busy" | "headers-too-large" | "internal" | "upstream-failed" | "upstream-refused" | "unavailable" | "upstream-timeout";
        /** @description The identity and permissions of a caller. */
        Profile: {
            /** Format: uuid */
            id: string;
            email?: components["schemas"]["Email"];
            displayName: string;
            /** @enum {string} */
            role: "user" | "admin" | "service";
            scopes: components["schemas"]["ScopeList"];
            preferences: components["schemas"]["Preferences"];
            createdAt: components["schemas"]["Timestamp"];
            updatedAt: components["schemas"]["Timestamp"];
        };
        /** @description The new profile. */
        ProfileChanges: {
            displayName: components["schemas"]["DisplayName"];
            preferences: components["schemas"]["Preferences"];
        };
        /** @enum {string} */
        Rating: "up" | "down";
        /** @description Whether the server can serve requests, and the state of what it depends on. */
        Readiness: {
            /** @enum {string} */
            status: "ready" | "degraded" | "unavailable";
            checks: components["schemas"]["ReadinessCheck"][];
        };
        /** @description The state of one component that the server depends on. */
        ReadinessCheck: {
            /** @enum {string} */
            name: "database" | "schema" | "limits" | "engine" | "listener";
            /** @enum {string} */
            status: "up" | "down";
        };
        /** @description Your current refresh token. */
        RefreshRequest: {
            refreshToken: string;
        };
        /** @description The details of a new account. */
        Registration: {
            email: components["schemas"]["Email"];
            /**
             * Format: password
             * @description 8 to 256 characters, and not one of the most common passwords.
             */
            password: string;
            displayName: components["schemas"]["DisplayName"];
        };
        /** @description One place where the request does not match the contract. */
        RequestError: {
            /** @enum {string} */
            in: "body" | "query" | "path" | "header";
            /** @description In the body, a JSON Pointer (RFC 6901). Elsewhere, the name of the parameter. */
            pointer: string;
            /** @description The rule that was violated, such as `required`, `maxLength` or `unknown`. */
            code: string;
            detail: string;
        };
        /**
         * @description A permission of a caller.
         * @enum {string}
         */
        Scope: "profile:read" | "profile:write" | "conversations:read" | "conversations:write" | "chat:write" | "feedback:read" | "feedback:write" | "usage:read" | "admin:users" | "admin:service-accounts" | "admin:audit" | "admin:feedback" | "admin:usage";
        /** @description The permissions of an account. */
        ScopeList: components["schemas"]["Scope"][];
        /** @description A program that calls Parley with API keys. */
        ServiceAccount: {
            /** Format: uuid */
            id: string;
            name: string;
            scopes: components["schemas"]["ScopeList"];
            /** @description Whether its keys are refused. */
            disabled: boolean;
            createdAt: components["schemas"]["Timestamp"];
            updatedAt: components["schemas"]["Timestamp"];
        };
        /** @description The properties to change. A property that you leave out stays as it is. */
        ServiceAccountChanges: {
            name?: components["schemas"]["DisplayName"];
            scopes?: components["schemas"]["ScopeList"];
            /** @description Refuse its keys, or accept them again. */
            disabled?: boolean;
        };
        /** @description The properties of a new service account. */
        ServiceAccountCreation: {
            name: components["schemas"]["DisplayName"];
            scopes: components["schemas"]["ScopeList"];
        };
        /** @description One page of service accounts. */
        ServiceAccountPage: {
            data: components["schemas"]["ServiceAccount"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description One login of an account. */
        Session: {
            /** Format: uuid */
            id: string;
            createdAt: components["schemas"]["Timestamp"];
            lastUsedAt: components["schemas"]["Timestamp"];
            expiresAt: components["schemas"]["Timestamp"];
            /** @description The network address that the login came from. */
            address: string;
            /** @description The `User-Agent` of the client. Empty if it sent none. */
            userAgent: string;
            /** @description Whether this request belongs to the session. */
            current: boolean;
        };
        /** @description One page of sessions. */
        SessionPage: {
            data: components["schemas"]["Session"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description The status of the server. */
        Status: {
            name: string;
            /** @description The version of the contract that the server implements. */
            version: string;
            startedAt: components["schemas"]["Timestamp"];
            uptimeSeconds: number;
            engine: components["schemas"]["EngineDescription"];
        };
        /**
         * Format: date-time
         * @description A time in UTC with milliseconds (RFC 3339).
         */
        Timestamp: string;
        /** @description The tokens of a session. */
        TokenPair: {
            /** @description Send it as `Authorization: Bearer …`. */
            accessToken: string;
            /** @description Use it once, to get the next pair. */
            refreshToken: string;
            /** @enum {string} */
            tokenType: "Bearer";
            /** @description The lifetime of the access token in seconds. */
            expiresIn: number;
            /** @description The lifetime of the refresh token in seconds. */
            refreshExpiresIn: number;
            /** Format: uuid */
            sessionId: string;
        };
        /** @description The usage of an answer, in tokens. A number that is not known is left out. */
        Usage: {
            inputTokens?: components["schemas"]["Count"];
            outputTokens?: components["schemas"]["Count"];
            totalTokens?: components["schemas"]["Count"];
            /**
             * @description Whether the model server counted the tokens or Parley estimated them from the text.
             * @enum {string}
             */
            source: "upstream" | "estimated";
        };
        /** @description The usage of one hour or day. */
        UsageBucket: {
            startAt: components["schemas"]["Timestamp"];
            requests: components["schemas"]["Count"];
            messages: components["schemas"]["Count"];
            inputTokens: components["schemas"]["Count"];
            outputTokens: components["schemas"]["Count"];
            totalTokens: components["schemas"]["Count"];
        };
        /** @description The usage of one answer. A number that is not known is left out. */
        UsageRecord: {
            /**
             * Format: uuid
             * @description The generation of the answer.
             */
            generationId: string;
            at: components["schemas"]["Timestamp"];
            inputTokens?: components["schemas"]["Count"];
            outputTokens?: components["schemas"]["Count"];
            totalTokens?: components["schemas"]["Count"];
            /**
             * @description Whether the model server counted the tokens or Parley estimated them from the text.
             * @enum {string}
             */
            source?: "upstream" | "estimated";
        };
        /** @description The usage in a period. */
        UsageReport: {
            from: components["schemas"]["Timestamp"];
            to: components["schemas"]["Timestamp"];
            granularity: components["schemas"]["Granularity"];
            totals: components["schemas"]["UsageTotals"];
            buckets: components["schemas"]["UsageBucket"][];
            limits: components["schemas"]["LimitState"][];
        };
        /** @description The sum of the buckets. */
        UsageTotals: {
            requests: components["schemas"]["Count"];
            messages: components["schemas"]["Count"];
            inputTokens: components["schemas"]["Count"];
            outputTokens: components["schemas"]["Count"];
            totalTokens: components["schemas"]["Count"];
        };
        /** @description An account of a person, who logs in with a password. */
        User: {
            /** Format: uuid */
            id: string;
            email: components["schemas"]["Email"];
            displayName: string;
            role: components["schemas"]["UserRole"];
            /** @description Whether the user is refused. */
            disabled: boolean;
            limits: components["schemas"]["PersonalLimits"];
            createdAt: components["schemas"]["Timestamp"];
            updatedAt: components["schemas"]["Timestamp"];
        };
        /** @description The properties to change. A property that you leave out stays as it is. */
        UserChanges: {
            displayName?: components["schemas"]["DisplayName"];
            role?: components["schemas"]["UserRole"];
            /** @description Refuse the user, or accept them again. */
            disabled?: boolean;
            limits?: components["schemas"]["PersonalLimits"];
        };
        /** @description The properties of a new user. */
        UserCreation: {
            email: components["schemas"]["Email"];
            /**
             * Format: password
             * @description 8 to 256 characters, and not one of the most common passwords.
             */
            password: string;
            displayName: components["schemas"]["DisplayName"];
            role: components["schemas"]["UserRole"];
        };
        /** @description One page of users. */
        UserPage: {
            data: components["schemas"]["User"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /**
         * @description The role of a user: a named set of scopes. `GET /users/profile` lists yours.
         * @enum {string}
         */
        UserRole: "user" | "admin";
    };
    responses: {
        /** @description The request does not match this document. `errors` names each place. */
        BadRequest: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/invalid-request",
                 *       "title": "The request does not match the contract.",
                 *       "status": 400,
                 *       "detail": "body /message: must NOT have fewer than 1 characters; body /message: must match pattern \"\\S\"",
                 *       "instance": "/api/v1/chat",
                 *       "code": "invalid-request",
                 *       "requestId": "01a207a3-9210-707c-bba1-265606c39b34",
                 *       "retryable": false,
                 *       "errors": [
                 *         {
                 *           "in": "body",
                 *           "pointer": "/message",
                 *           "code": "minLength",
                 *           "detail": "must NOT have fewer than 1 characters"
                 *         },
                 *         {
                 *           "in": "body",
                 *           "pointer": "/message",
                 *           "code": "pattern",
                 *           "detail": "must match pattern \"\\S\""
                 *         }
                 *       ]
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description An earlier answer in the conversation, or a request with this `Idempotency-Key`, is still in
         *     progress.
         */
        ConversationBusy: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                "Retry-After": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/conversation-busy",
                 *       "title": "An answer in this conversation is still in progress.",
                 *       "status": 409,
                 *       "instance": "/api/v1/chat",
                 *       "code": "conversation-busy",
                 *       "requestId": "01a207a4-6406-709e-93dd-c9524b2f0398",
                 *       "retryable": true,
                 *       "activeGenerationId": "01a207a4-5f24-709b-9cc2-a5c67d027cf8"
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description An account with this email already exists. */
        EmailTaken: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/email-taken",
                 *       "title": "An account with this email already exists.",
                 *       "status": 409,
                 *       "instance": "/api/v1/auth/register",
                 *       "code": "email-taken",
                 *       "requestId": "01a207a3-7e88-7074-964f-ba76bcd67815",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request is not permitted. */
        Forbidden: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/insufficient-scope",
                 *       "title": "A required scope is missing.",
                 *       "status": 403,
                 *       "detail": "Missing scope: chat:write.",
                 *       "instance": "/api/v1/chat",
                 *       "code": "insufficient-scope",
                 *       "requestId": "01a207a4-3cf6-708c-8c31-e58ec239afe5",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The answer ended more than 10 minutes ago. Its stream has expired. */
        GenerationExpired: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/generation-expired",
                 *       "title": "The stream of this answer has expired.",
                 *       "status": 410,
                 *       "instance": "/api/v1/chat/generations/01a207a4-5f24-709b-9cc2-a5c67d027cf8/stream",
                 *       "code": "generation-expired",
                 *       "requestId": "01a207ae-7fea-70a3-850b-05fb9db727b4",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description A request with this `Idempotency-Key` is still in progress. */
        IdempotencyInProgress: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                "Retry-After": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/idempotency-in-progress",
                 *       "title": "The first request with this idempotency key is still in progress.",
                 *       "status": 409,
                 *       "instance": "/api/v1/conversations",
                 *       "code": "idempotency-in-progress",
                 *       "requestId": "01a207a4-5560-7096-ab95-6b1e0d3c3f96",
                 *       "retryable": true
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The `Idempotency-Key` was already used with a different body. */
        IdempotencyKeyReused: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/idempotency-key-reused",
                 *       "title": "The idempotency key was already used with a different body.",
                 *       "status": 422,
                 *       "instance": "/api/v1/chat",
                 *       "code": "idempotency-key-reused",
                 *       "requestId": "01a207a4-4b9c-7092-b771-3af2b4a916d7",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description An error of the server. It is logged under `requestId`. */
        Internal: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicyIfCounted"];
                RateLimit: components["headers"]["RateLimitIfCounted"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/internal",
                 *       "title": "Internal server error.",
                 *       "status": 500,
                 *       "instance": "/api/v1/modes",
                 *       "code": "internal",
                 *       "requestId": "01a207af-78f0-70ad-a46e-8b4dd30ef977",
                 *       "retryable": true
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The email or the password is incorrect. */
        InvalidCredentials: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                "WWW-Authenticate": components["headers"]["WwwAuthenticate"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/invalid-credentials",
                 *       "title": "Incorrect email or password.",
                 *       "status": 401,
                 *       "instance": "/api/v1/auth/login",
                 *       "code": "invalid-credentials",
                 *       "requestId": "01a207a3-884c-7078-8a73-e90041c3654e",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The path has moved to `/api/v1`. Repeat the same request at `Location`. */
        Moved: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                Location: components["headers"]["Location"];
                Deprecation: components["headers"]["Deprecation"];
                Sunset: components["headers"]["Sunset"];
                Link: components["headers"]["Link"];
                [name: string]: unknown;
            };
            content?: never;
        };
        /** @description `Accept` admits neither the media type of the response nor JSON. */
        NotAcceptable: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/not-acceptable",
                 *       "title": "None of the media types in Accept is available.",
                 *       "status": 406,
                 *       "detail": "This operation responds with application/json.",
                 *       "instance": "/api/v1/chat",
                 *       "code": "not-acceptable",
                 *       "requestId": "01a207a3-a0b6-707f-b2bc-49fd200f4e60",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The resource does not exist, or it is not yours. */
        NotFound: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/not-found",
                 *       "title": "Resource not found.",
                 *       "status": 404,
                 *       "instance": "/api/v1/conversations/019ab000-0000-7000-8000-000000000000",
                 *       "code": "not-found",
                 *       "requestId": "01a207a3-a598-7080-afc5-54a262b168ac",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The resource still has the version that you named. */
        NotModified: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["Revalidate"];
                ETag: components["headers"]["ETag"];
                [name: string]: unknown;
            };
            content?: never;
        };
        /** @description The request body is larger than 256 kB. */
        PayloadTooLarge: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/payload-too-large",
                 *       "title": "The request body is too large.",
                 *       "status": 413,
                 *       "detail": "The limit is 262144 bytes.",
                 *       "instance": "/api/v1/chat",
                 *       "code": "payload-too-large",
                 *       "requestId": "01a207a3-af5c-7082-a9d7-6dc0881079f0",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The resource has a different version than `If-Match` names. `ETag` is its current version. */
        PreconditionFailed: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStoreNoTransform"];
                "Content-Encoding": components["headers"]["ContentEncoding"];
                ETag: components["headers"]["ETag"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/precondition-failed",
                 *       "title": "The resource has changed since you read it.",
                 *       "status": 412,
                 *       "instance": "/api/v1/users/profile",
                 *       "code": "precondition-failed",
                 *       "requestId": "01a207a3-b920-7084-a3e9-85f9472f9154",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The rate limit is exceeded. Wait for `Retry-After` seconds. */
        QuotaExceeded: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                "Retry-After": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/quota-exceeded",
                 *       "title": "Rate limit exceeded.",
                 *       "status": 429,
                 *       "instance": "/api/v1/chat",
                 *       "code": "quota-exceeded",
                 *       "requestId": "01a207b0-a2ca-70e3-bb72-374dbbfe8c46",
                 *       "retryable": true,
                 *       "violatedPolicies": [
                 *         "chat"
                 *       ]
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request body did not arrive within 30 seconds. */
        RequestTimeout: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/request-timeout",
                 *       "title": "The request did not arrive in time.",
                 *       "status": 408,
                 *       "instance": "/api/v1/chat",
                 *       "code": "request-timeout",
                 *       "requestId": "01a207a3-b920-7085-a0f2-93952effbab6",
                 *       "retryable": true
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description You have reached the maximum number of concurrent streams. Close one, or wait for `Retry-After`
         *     seconds.
         */
        TooManyStreams: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicyIfCounted"];
                RateLimit: components["headers"]["RateLimitIfCounted"];
                "Cache-Control": components["headers"]["NoStore"];
                "Retry-After": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/too-many-streams",
                 *       "title": "Too many concurrent streams.",
                 *       "status": 429,
                 *       "instance": "/api/v1/chat/generations/01a207a4-5f24-709b-9cc2-a5c67d027cf8/stream",
                 *       "code": "too-many-streams",
                 *       "requestId": "01a207a4-68e8-70a2-8801-fabecc8182b3",
                 *       "retryable": true,
                 *       "violatedPolicies": [
                 *         "streams"
                 *       ]
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The credential is missing, expired or invalid. */
        Unauthorized: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                "WWW-Authenticate": components["headers"]["WwwAuthenticate"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/token-expired",
                 *       "title": "The token or API key has expired.",
                 *       "status": 401,
                 *       "instance": "/api/v1/chat",
                 *       "code": "token-expired",
                 *       "requestId": "01a207be-634c-70e4-b87b-43881415af2a",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Something that the server depends on is temporarily unavailable. */
        Unavailable: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicyIfCounted"];
                RateLimit: components["headers"]["RateLimitIfCounted"];
                "Cache-Control": components["headers"]["NoStore"];
                "Retry-After": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/unavailable",
                 *       "title": "The server is temporarily unavailable.",
                 *       "status": 503,
                 *       "instance": "/api/v1/chat",
                 *       "code": "unavailable",
                 *       "requestId": "01a207af-7dd2-70ae-a177-94a4a2da8bdd",
                 *       "retryable": true
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request does not match this document. Does not count against any rate limit. */
        UncountedBadRequest: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/invalid-request",
                 *       "title": "The request does not match the contract.",
                 *       "status": 400,
                 *       "detail": "query x: is not a parameter of this operation",
                 *       "instance": "/api/v1/health",
                 *       "code": "invalid-request",
                 *       "requestId": "01a207a3-96f2-707d-b8aa-300b8c493110",
                 *       "retryable": false,
                 *       "errors": [
                 *         {
                 *           "in": "query",
                 *           "pointer": "x",
                 *           "code": "unknown",
                 *           "detail": "is not a parameter of this operation"
                 *         }
                 *       ]
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request is not permitted. Does not count against any rate limit. */
        UncountedForbidden: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicyIfCounted"];
                RateLimit: components["headers"]["RateLimitIfCounted"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/insufficient-scope",
                 *       "title": "A required scope is missing.",
                 *       "status": 403,
                 *       "detail": "Missing scope: chat:write.",
                 *       "instance": "/api/v1/chat/generations/019ab000-0000-7000-8000-000000000000/stream",
                 *       "code": "insufficient-scope",
                 *       "requestId": "01a207a4-41d8-708d-893a-f08ee0e71c0f",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description `Accept` admits neither the media type of the response nor JSON. Does not count against any rate
         *     limit.
         */
        UncountedNotAcceptable: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/not-acceptable",
                 *       "title": "None of the media types in Accept is available.",
                 *       "status": 406,
                 *       "detail": "This operation responds with application/json.",
                 *       "instance": "/api/v1/health",
                 *       "code": "not-acceptable",
                 *       "requestId": "01a207a3-9bd4-707e-b5b3-3d0815eca3e2",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The resource does not exist, or it is not yours. Does not count against any rate limit. */
        UncountedNotFound: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/not-found",
                 *       "title": "Resource not found.",
                 *       "status": 404,
                 *       "instance": "/api/v1/chat/generations/019ab000-0000-7000-8000-000000000000/stream",
                 *       "code": "not-found",
                 *       "requestId": "01a207a3-aa7a-7081-acce-617e49886fdd",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The request body is not `application/json`, or it is compressed. */
        UnsupportedMediaType: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/unsupported-media-type",
                 *       "title": "The request body must be application/json.",
                 *       "status": 415,
                 *       "instance": "/api/v1/chat",
                 *       "code": "unsupported-media-type",
                 *       "requestId": "01a207a3-b43e-7083-a6e0-781c9fd2e955",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description The model server failed before it began to answer, or it rejected the request. Nothing was
         *     stored.
         */
        UpstreamFailed: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                "Retry-After": components["headers"]["RetryAfterFailure"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/upstream-failed",
                 *       "title": "The model server failed.",
                 *       "status": 502,
                 *       "instance": "/api/v1/chat",
                 *       "code": "upstream-failed",
                 *       "requestId": "01a207af-6f2c-70a4-8214-1203229204ec",
                 *       "retryable": true
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The model server did not answer in time. Nothing was stored. */
        UpstreamTimeout: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                "Retry-After": components["headers"]["RetryAfter"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/upstream-timeout",
                 *       "title": "The model server did not answer in time.",
                 *       "status": 504,
                 *       "instance": "/api/v1/chat",
                 *       "code": "upstream-timeout",
                 *       "requestId": "01a207af-740e-70a8-b341-4c22ad477ec0",
                 *       "retryable": true
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description The password is too short, or it is one of the most common. */
        WeakPassword: {
            headers: {
                "X-Request-Id": components["headers"]["RequestId"];
                "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                RateLimit: components["headers"]["RateLimit"];
                "Cache-Control": components["headers"]["NoStore"];
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs/problems/weak-password",
                 *       "title": "The password does not meet the requirements.",
                 *       "status": 422,
                 *       "detail": "It is one of the most common passwords.",
                 *       "instance": "/api/v1/auth/register",
                 *       "code": "weak-password",
                 *       "requestId": "01a207a3-836a-7076-9061-d35108610c33",
                 *       "retryable": false
                 *     }
                 */
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: {
        /**
         * @description The id of the API key.
         * @example 01a207a2-f0ee-7042-b079-490bd61fa8c1
         */
        ApiKeyId: string;
        /**
         * @description The id of the conversation.
         * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
         */
        ConversationId: string;
        /**
         * @description The `nextCursor` of the previous page. Leave it out for the first page.
         * @example NRGxQUSCZNvyieh45NhPdYvNGknVkAgbjUUxNlsxNzk1NDI0NDI2MjUwLCIwMWEyMDdhMi05OTBhLTcwMjgtODM3Yi1mOGUxYTkyN2Y1YTUiXQ
         */
        Cursor: string;
        /**
         * @description The id of the generation.
         * @example 01a207a2-80a0-701c-a70f-68894adc5d2f
         */
        GenerationId: string;
        /**
         * @description A key that you choose for this request, so that you can repeat it if the response was lost: the
         *     repetition returns the response of the first request. Keys are kept for 24 hours. See *Repeating
         *     a call* above.
         * @example chat-1
         */
        IdempotencyKey: string;
        /**
         * @description Apply the change only if the resource still has one of these versions (`ETag`), or `*`. The
         *     comparison is strong: a weak tag (`W/"1"`) never matches. A suffix that a compressing proxy
         *     appends to a tag (`"1-gzip"`) makes no difference.
         * @example "1"
         */
        IfMatch: string;
        /**
         * @description Return `304` if the resource still has one of these versions (`ETag`).
         * @example "1"
         */
        IfNoneMatch: string;
        /**
         * @description The id of the last event that you have seen. If you leave it out, the stream begins with the
         *     first event. A number that no event has had is not refused: another instance may have sent more
         *     events than this one knows of.
         * @example 01a207a2-80a0-701c-a70f-68894adc5d2f:1
         */
        LastEventId: string;
        /**
         * @description The maximum number of entries on a page. A page may hold fewer and be followed by more: continue
         *     as long as there is a `nextCursor`.
         * @example 1
         */
        Limit: number;
        /**
         * @description The id of the service account.
         * @example 01a207a2-e248-703d-8243-02bc17cd804d
         */
        ServiceAccountId: string;
        /**
         * @description The id of the user.
         * @example 01a207a2-d3a2-7037-940c-b9902bf68d01
         */
        UserId: string;
    };
    requestBodies: never;
    headers: {
        /**
         * @description Tells proxies not to buffer the stream.
         * @example no
         */
        AccelBuffering: "no";
        /**
         * @description The body is not encoded. The header is sent because a proxy that encodes a response weakens or
         *     changes its `ETag`.
         * @example identity
         */
        ContentEncoding: "identity";
        /**
         * @description Since when this is deprecated (RFC 9745), as `@` and seconds since 1970.
         * @example @1795392000
         */
        Deprecation: string;
        /**
         * @description The version of the resource, the same for every caller. Send it back in `If-None-Match` to read
         *     only what has changed, or in `If-Match` to change only what you have read. It is always a strong
         *     tag.
         * @example "1"
         */
        ETag: string;
        /**
         * @description Present when this is the response to an earlier request with the same `Idempotency-Key`.
         * @example true
         */
        IdempotencyReplayed: "true";
        /**
         * @description The documentation of the deprecation, and the successor (RFC 8288).
         * @example </docs#section/Versions-and-changes>; rel="deprecation"; type="text/html"
         */
        Link: string;
        /**
         * @description The location of the resource.
         * @example /api/v1/health
         */
        Location: string;
        /**
         * @description The response is for you alone and can change. Caches must not store it.
         * @example no-store
         */
        NoStore: "no-store";
        /**
         * @description Caches must not store the response, and proxies must not compress or rewrite it.
         * @example no-store, no-transform
         */
        NoStoreNoTransform: "no-store, no-transform";
        /**
         * @description For each policy that the request counted against, what remains (`r`) and in how many seconds the
         *     window ends (`t`).
         * @example "user";r=995;t=3593, "chat";r=9;t=60
         */
        RateLimit: string;
        /**
         * @description The same as `RateLimit` elsewhere. Left out if the request did not count against any policy: the
         *     operation has no rate limit, or the request failed before it was counted.
         * @example "user";r=983;t=2819, "chat";r=7;t=57
         */
        RateLimitIfCounted: string;
        /**
         * @description The policies that the request counted against: the quota (`q`) in a window of seconds (`w`).
         * @example "user";q=1000;w=3600, "chat";q=10;w=60
         */
        RateLimitPolicy: string;
        /**
         * @description The same as `RateLimit-Policy` elsewhere. Left out if the request did not count against any
         *     policy: the operation has no rate limit, or the request failed before it was counted.
         * @example "user";q=1000;w=3600, "chat";q=10;w=60
         */
        RateLimitPolicyIfCounted: string;
        /**
         * @description The id of this request, the same as in the log of the server. If you send your own (1 to 128
         *     letters, digits, `.`, `_` and `-`), it is used, unless it begins with `parley_`, as secrets do.
         * @example 01a207a2-7bbe-7016-b8d9-23732e7a5e26
         */
        RequestId: string;
        /**
         * @description The number of seconds to wait before the request can succeed.
         * @example 1
         */
        RetryAfter: number;
        /**
         * @description The number of seconds to wait before the request can succeed. Left out if it cannot.
         * @example 2
         */
        RetryAfterFailure: number;
        /**
         * @description Only your own cache may store the response, and it must revalidate it before each use. Proxies
         *     must not compress or rewrite it.
         * @example private, no-cache, no-transform
         */
        Revalidate: "private, no-cache, no-transform";
        /**
         * @description The day on which this will be removed (RFC 8594).
         * @example Tue, 30 Nov 2027 00:00:00 GMT
         */
        Sunset: string;
        /**
         * @description How to authenticate (RFC 6750). If you sent no credential, there is no `error`. If your
         *     credential was refused, it has `error="invalid_token"`.
         * @example Bearer realm="parley", error="invalid_token", error_description="The token or API key has expired."
         */
        WwwAuthenticate: string;
    };
    pathItems: never;
}
export type AdminFeedback = components['schemas']['AdminFeedback'];
export type AdminFeedbackPage = components['schemas']['AdminFeedbackPage'];
export type AdminUsageReport = components['schemas']['AdminUsageReport'];
export type ApiKey = components['schemas']['ApiKey'];
export type ApiKeyCreation = components['schemas']['ApiKeyCreation'];
export type ApiKeyName = components['schemas']['ApiKeyName'];
export type ApiKeyPage = components['schemas']['ApiKeyPage'];
export type ApiKeyRotation = components['schemas']['ApiKeyRotation'];
export type ApiKeyWithSecret = components['schemas']['ApiKeyWithSecret'];
export type AuditAccount = components['schemas']['AuditAccount'];
export type AuditActor = components['schemas']['AuditActor'];
export type AuditEvent = components['schemas']['AuditEvent'];
export type AuditEventName = components['schemas']['AuditEventName'];
export type AuditEventPage = components['schemas']['AuditEventPage'];
export type AuditTarget = components['schemas']['AuditTarget'];
export type AuditedProperty = components['schemas']['AuditedProperty'];
export type ChatReply = components['schemas']['ChatReply'];
export type ChatRequest = components['schemas']['ChatRequest'];
export type ChatStreamEvent = components['schemas']['ChatStreamEvent'];
export type Conversation = components['schemas']['Conversation'];
export type ConversationChanges = components['schemas']['ConversationChanges'];
export type ConversationCreation = components['schemas']['ConversationCreation'];
export type ConversationDetail = components['schemas']['ConversationDetail'];
export type ConversationPage = components['schemas']['ConversationPage'];
export type ConversationTitle = components['schemas']['ConversationTitle'];
export type Count = components['schemas']['Count'];
export type Credentials = components['schemas']['Credentials'];
export type DisplayName = components['schemas']['DisplayName'];
export type Email = components['schemas']['Email'];
export type EngineDescription = components['schemas']['EngineDescription'];
export type ExportEnd = components['schemas']['ExportEnd'];
export type ExportRecord = components['schemas']['ExportRecord'];
export type ExportedAuditEvent = components['schemas']['ExportedAuditEvent'];
export type ExportedConversation = components['schemas']['ExportedConversation'];
export type ExportedFeedback = components['schemas']['ExportedFeedback'];
export type ExportedMessage = components['schemas']['ExportedMessage'];
export type ExportedProfile = components['schemas']['ExportedProfile'];
export type ExportedSession = components['schemas']['ExportedSession'];
export type ExportedUsage = components['schemas']['ExportedUsage'];
export type Feedback = components['schemas']['Feedback'];
export type FeedbackComment = components['schemas']['FeedbackComment'];
export type FeedbackCreation = components['schemas']['FeedbackCreation'];
export type FeedbackPage = components['schemas']['FeedbackPage'];
export type FeedbackTags = components['schemas']['FeedbackTags'];
export type FinishReason = components['schemas']['FinishReason'];
export type Generation = components['schemas']['Generation'];
export type Granularity = components['schemas']['Granularity'];
export type Health = components['schemas']['Health'];
export type LimitState = components['schemas']['LimitState'];
export type LimitStateList = components['schemas']['LimitStateList'];
export type LogoutRequest = components['schemas']['LogoutRequest'];
export type Message = components['schemas']['Message'];
export type MessageCancelledEvent = components['schemas']['MessageCancelledEvent'];
export type MessageDeltaEvent = components['schemas']['MessageDeltaEvent'];
export type MessageEndEvent = components['schemas']['MessageEndEvent'];
export type MessageErrorEvent = components['schemas']['MessageErrorEvent'];
export type MessagePage = components['schemas']['MessagePage'];
export type MessageStartEvent = components['schemas']['MessageStartEvent'];
export type Mode = components['schemas']['Mode'];
export type ModeId = components['schemas']['ModeId'];
export type ModeList = components['schemas']['ModeList'];
export type NextCursor = components['schemas']['NextCursor'];
export type OnDisconnect = components['schemas']['OnDisconnect'];
export type PasswordChange = components['schemas']['PasswordChange'];
export type PersonalLimits = components['schemas']['PersonalLimits'];
export type PolicyName = components['schemas']['PolicyName'];
export type Preferences = components['schemas']['Preferences'];
export type Problem = components['schemas']['Problem'];
export type ProblemCode = components['schemas']['ProblemCode'];
export type Profile = components['schemas']['Profile'];
export type ProfileChanges = components['schemas']['ProfileChanges'];
export type Rating = components['schemas']['Rating'];
export type Readiness = components['schemas']['Readiness'];
export type ReadinessCheck = components['schemas']['ReadinessCheck'];
export type RefreshRequest = components['schemas']['RefreshRequest'];
export type Registration = components['schemas']['Registration'];
export type RequestError = components['schemas']['RequestError'];
export type Scope = components['schemas']['Scope'];
export type ScopeList = components['schemas']['ScopeList'];
export type ServiceAccount = components['schemas']['ServiceAccount'];
export type ServiceAccountChanges = components['schemas']['ServiceAccountChanges'];
export type ServiceAccountCreation = components['schemas']['ServiceAccountCreation'];
export type ServiceAccountPage = components['schemas']['ServiceAccountPage'];
export type Session = components['schemas']['Session'];
export type SessionPage = components['schemas']['SessionPage'];
export type Status = components['schemas']['Status'];
export type Timestamp = components['schemas']['Timestamp'];
export type TokenPair = components['schemas']['TokenPair'];
export type Usage = components['schemas']['Usage'];
export type UsageBucket = components['schemas']['UsageBucket'];
export type UsageRecord = components['schemas']['UsageRecord'];
export type UsageReport = components['schemas']['UsageReport'];
export type UsageTotals = components['schemas']['UsageTotals'];
export type User = components['schemas']['User'];
export type UserChanges = components['schemas']['UserChanges'];
export type UserCreation = components['schemas']['UserCreation'];
export type UserPage = components['schemas']['UserPage'];
export type UserRole = components['schemas']['UserRole'];
export type ResponseBadRequest = components['responses']['BadRequest'];
export type ResponseConversationBusy = components['responses']['ConversationBusy'];
export type ResponseEmailTaken = components['responses']['EmailTaken'];
export type ResponseForbidden = components['responses']['Forbidden'];
export type ResponseGenerationExpired = components['responses']['GenerationExpired'];
export type ResponseIdempotencyInProgress = components['responses']['IdempotencyInProgress'];
export type ResponseIdempotencyKeyReused = components['responses']['IdempotencyKeyReused'];
export type ResponseInternal = components['responses']['Internal'];
export type ResponseInvalidCredentials = components['responses']['InvalidCredentials'];
export type ResponseMoved = components['responses']['Moved'];
export type ResponseNotAcceptable = components['responses']['NotAcceptable'];
export type ResponseNotFound = components['responses']['NotFound'];
export type ResponseNotModified = components['responses']['NotModified'];
export type ResponsePayloadTooLarge = components['responses']['PayloadTooLarge'];
export type ResponsePreconditionFailed = components['responses']['PreconditionFailed'];
export type ResponseQuotaExceeded = components['responses']['QuotaExceeded'];
export type ResponseRequestTimeout = components['responses']['RequestTimeout'];
export type ResponseTooManyStreams = components['responses']['TooManyStreams'];
export type ResponseUnauthorized = components['responses']['Unauthorized'];
export type ResponseUnavailable = components['responses']['Unavailable'];
export type ResponseUncountedBadRequest = components['responses']['UncountedBadRequest'];
export type ResponseUncountedForbidden = components['responses']['UncountedForbidden'];
export type ResponseUncountedNotAcceptable = components['responses']['UncountedNotAcceptable'];
export type ResponseUncountedNotFound = components['responses']['UncountedNotFound'];
export type ResponseUnsupportedMediaType = components['responses']['UnsupportedMediaType'];
export type ResponseUpstreamFailed = components['responses']['UpstreamFailed'];
export type ResponseUpstreamTimeout = components['responses']['UpstreamTimeout'];
export type ResponseWeakPassword = components['responses']['WeakPassword'];
export type ParameterApiKeyId = components['parameters']['ApiKeyId'];
export type ParameterConversationId = components['parameters']['ConversationId'];
export type ParameterCursor = components['parameters']['Cursor'];
export type ParameterGenerationId = components['parameters']['GenerationId'];
export type ParameterIdempotencyKey = components['parameters']['IdempotencyKey'];
export type ParameterIfMatch = components['parameters']['IfMatch'];
export type ParameterIfNoneMatch = components['parameters']['IfNoneMatch'];
export type ParameterLastEventId = components['parameters']['LastEventId'];
export type ParameterLimit = components['parameters']['Limit'];
export type ParameterServiceAccountId = components['parameters']['ServiceAccountId'];
export type ParameterUserId = components['parameters']['UserId'];
export type HeaderAccelBuffering = components['headers']['AccelBuffering'];
export type HeaderContentEncoding = components['headers']['ContentEncoding'];
export type HeaderDeprecation = components['headers']['Deprecation'];
export type HeaderETag = components['headers']['ETag'];
export type HeaderIdempotencyReplayed = components['headers']['IdempotencyReplayed'];
export type HeaderLink = components['headers']['Link'];
export type HeaderLocation = components['headers']['Location'];
export type HeaderNoStore = components['headers']['NoStore'];
export type HeaderNoStoreNoTransform = components['headers']['NoStoreNoTransform'];
export type HeaderRateLimit = components['headers']['RateLimit'];
export type HeaderRateLimitIfCounted = components['headers']['RateLimitIfCounted'];
export type HeaderRateLimitPolicy = components['headers']['RateLimitPolicy'];
export type HeaderRateLimitPolicyIfCounted = components['headers']['RateLimitPolicyIfCounted'];
export type HeaderRequestId = components['headers']['RequestId'];
export type HeaderRetryAfter = components['headers']['RetryAfter'];
export type HeaderRetryAfterFailure = components['headers']['RetryAfterFailure'];
export type HeaderRevalidate = components['headers']['Revalidate'];
export type HeaderSunset = components['headers']['Sunset'];
export type HeaderWwwAuthenticate = components['headers']['WwwAuthenticate'];
export type $defs = Record<string, never>;
export interface operations {
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The process is alive. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "status": "up"
                     *     }
                     */
                    "application/json": components["schemas"]["Health"];
                };
            };
            400: components["responses"]["UncountedBadRequest"];
            406: components["responses"]["UncountedNotAcceptable"];
            500: components["responses"]["Internal"];
        };
    };
    getReadiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The server can serve requests. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "status": "ready",
                     *       "checks": [
                     *         {
                     *           "name": "database",
                     *           "status": "up"
                     *         },
                     *         {
                     *           "name": "schema",
                     *           "status": "up"
                     *         },
                     *         {
                     *           "name": "limits",
                     *           "status": "up"
                     *         },
                     *         {
                     *           "name": "engine",
                     *           "status": "up"
                     *         },
                     *         {
                     *           "name": "listener",
                     *           "status": "up"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            400: components["responses"]["UncountedBadRequest"];
            406: components["responses"]["UncountedNotAcceptable"];
            500: components["responses"]["Internal"];
            /** @description The server cannot serve requests now. This is the only `503` that is not a problem. */
            503: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "Retry-After": components["headers"]["RetryAfter"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "status": "unavailable",
                     *       "checks": [
                     *         {
                     *           "name": "database",
                     *           "status": "down"
                     *         },
                     *         {
                     *           "name": "schema",
                     *           "status": "up"
                     *         },
                     *         {
                     *           "name": "limits",
                     *           "status": "up"
                     *         },
                     *         {
                     *           "name": "engine",
                     *           "status": "up"
                     *         },
                     *         {
                     *           "name": "listener",
                     *           "status": "up"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Readiness"];
                };
            };
        };
    };
    getStatus: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The status of the server. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "name": "Parley",
                     *       "version": "1.0.0",
                     *       "startedAt": "2026-11-23T09:00:00.000Z",
                     *       "uptimeSeconds": 3,
                     *       "engine": {
                     *         "kind": "builtin",
                     *         "model": "parley-rules-1",
                     *         "ruleBased": true
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Status"];
                };
            };
            308: components["responses"]["Moved"];
            400: components["responses"]["BadRequest"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
        };
    };
    listModes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All modes. Exactly one is the default. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "id": "balanced",
                     *           "title": "Balanced",
                     *           "description": "Clear, complete answers in a friendly tone.",
                     *           "default": true
                     *         },
                     *         {
                     *           "id": "concise",
                     *           "title": "Concise",
                     *           "description": "The answer and nothing else, in a sentence or two.",
                     *           "default": false
                     *         },
                     *         {
                     *           "id": "creative",
                     *           "title": "Creative",
                     *           "description": "Vivid, playful answers with images and surprises.",
                     *           "default": false
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["ModeList"];
                };
            };
            308: components["responses"]["Moved"];
            400: components["responses"]["BadRequest"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
        };
    };
    getRateLimits: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The limits that count you. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "policy": "user",
                     *           "quota": 1000,
                     *           "windowSeconds": 3600,
                     *           "remaining": 997,
                     *           "resetsAt": "2026-11-23T10:00:11.250Z"
                     *         },
                     *         {
                     *           "policy": "chat",
                     *           "quota": 10,
                     *           "windowSeconds": 60,
                     *           "remaining": 10,
                     *           "resetsAt": "2026-11-23T09:01:15.000Z"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["LimitStateList"];
                };
            };
            400: components["responses"]["UncountedBadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["UncountedForbidden"];
            406: components["responses"]["UncountedNotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    logIn: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description The email and password to log in with. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "email": "ada@example.com",
                 *       "password": "correct horse battery staple"
                 *     }
                 */
                "application/json": components["schemas"]["Credentials"];
            };
        };
        responses: {
            /** @description The session is open. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "accessToken": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMTk5YjNhNCJ9.c2lnbmF0dXJl",
                     *       "refreshToken": "parley_refresh_AZmzpAAAfAiAAAAAAAAAAAAAAAB3eHl6",
                     *       "tokenType": "Bearer",
                     *       "expiresIn": 900,
                     *       "refreshExpiresIn": 604800,
                     *       "sessionId": "01a207a2-54ae-700b-9c6c-90502c024b3c"
                     *     }
                     */
                    "application/json": components["schemas"]["TokenPair"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["InvalidCredentials"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    refreshTokens: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description Your current refresh token. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "refreshToken": "parley_refresh_AZmzpAAAfAiAAAAAAAAAAAAAAAB3eHl6"
                 *     }
                 */
                "application/json": components["schemas"]["RefreshRequest"];
            };
        };
        responses: {
            /** @description The next pair of tokens. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "accessToken": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMTk5YjNhNCJ9.c2lnbmF0dXJl",
                     *       "refreshToken": "parley_refresh_AZmzpAAAfAiAAAAAAAAAAAAAAAB3eHl6",
                     *       "tokenType": "Bearer",
                     *       "expiresIn": 900,
                     *       "refreshExpiresIn": 604800,
                     *       "sessionId": "01a207a2-54ae-700b-9c6c-90502c024b3c"
                     *     }
                     */
                    "application/json": components["schemas"]["TokenPair"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    logOutByLink: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session has ended. Its tokens are refused from now on. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    Deprecation: components["headers"]["Deprecation"];
                    Sunset: components["headers"]["Sunset"];
                    Link: components["headers"]["Link"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    logOut: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description The sessions to end. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "scope": "current"
                 *     }
                 */
                "application/json": components["schemas"]["LogoutRequest"];
            };
        };
        responses: {
            /** @description The sessions have ended. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            408: components["responses"]["RequestTimeout"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    register: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description Your account details. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "email": "ada@example.com",
                 *       "password": "correct horse battery staple",
                 *       "displayName": "Ada"
                 *     }
                 */
                "application/json": components["schemas"]["Registration"];
            };
        };
        responses: {
            /** @description The account was created. Log in with it. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    Location: components["headers"]["Location"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-4fcc-7008-a551-6fae042b6e86",
                     *       "email": "ada@example.com",
                     *       "displayName": "Ada",
                     *       "role": "user",
                     *       "scopes": [
                     *         "chat:write",
                     *         "conversations:read",
                     *         "conversations:write",
                     *         "feedback:read",
                     *         "feedback:write",
                     *         "profile:read",
                     *         "profile:write",
                     *         "usage:read"
                     *       ],
                     *       "preferences": {},
                     *       "createdAt": "2026-11-23T09:00:07.500Z",
                     *       "updatedAt": "2026-11-23T09:00:07.500Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Profile"];
                };
            };
            400: components["responses"]["BadRequest"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["EmailTaken"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["WeakPassword"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    changePassword: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description Your current password and the new one. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "currentPassword": "correct horse battery staple",
                 *       "newPassword": "wrong zebra battery staple"
                 *     }
                 */
                "application/json": components["schemas"]["PasswordChange"];
            };
        };
        responses: {
            /** @description The password was changed. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            408: components["responses"]["RequestTimeout"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["WeakPassword"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    listSessions: {
        parameters: {
            query?: {
                /**
                 * @description The maximum number of entries on a page. A page may hold fewer and be followed by more: continue
                 *     as long as there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the previous page. Leave it out for the first page.
                 * @example NRGxQUSCZNvyieh45NhPdYvNGknVkAgbjUUxNlsxNzk1NDI0NDI2MjUwLCIwMWEyMDdhMi05OTBhLTcwMjgtODM3Yi1mOGUxYTkyN2Y1YTUiXQ
                 */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of sessions. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "id": "01a207a3-48d2-705c-a06d-8e3c90f4cda3",
                     *           "createdAt": "2026-11-23T09:01:11.250Z",
                     *           "lastUsedAt": "2026-11-23T09:01:11.250Z",
                     *           "expiresAt": "2026-11-30T09:01:11.250Z",
                     *           "address": "127.0.0.1",
                     *           "userAgent": "ExampleApp/1.0",
                     *           "current": false
                     *         },
                     *         {
                     *           "id": "01a207a2-54ae-700b-9c6c-90502c024b3c",
                     *           "createdAt": "2026-11-23T09:00:08.750Z",
                     *           "lastUsedAt": "2026-11-23T09:00:10.000Z",
                     *           "expiresAt": "2026-11-30T09:00:10.000Z",
                     *           "address": "127.0.0.1",
                     *           "userAgent": "ExampleApp/1.0",
                     *           "current": true
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["SessionPage"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    endSession: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the session.
                 * @example 01a207a3-48d2-705c-a06d-8e3c90f4cda3
                 */
                sessionId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session has ended. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    listConversations: {
        parameters: {
            query?: {
                /**
                 * @description Return only conversations whose title contains this text. The comparison ignores case and
                 *     treats composed and decomposed characters (NFC, NFD) alike.
                 * @example holiday
                 */
                q?: string;
                /**
                 * @description Return only archived conversations (`true`) or only the others (`false`). Without it, both
                 *     are returned.
                 * @example false
                 */
                archived?: boolean;
                /**
                 * @description The maximum number of entries on a page. A page may hold fewer and be followed by more: continue
                 *     as long as there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the previous page. Leave it out for the first page.
                 * @example NRGxQUSCZNvyieh45NhPdYvNGknVkAgbjUUxNlsxNzk1NDI0NDI2MjUwLCIwMWEyMDdhMi05OTBhLTcwMjgtODM3Yi1mOGUxYTkyN2Y1YTUiXQ
                 */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of conversations. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "id": "01a207a2-990a-7028-837b-f8e1a927f5a5",
                     *           "title": "A holiday at home",
                     *           "mode": "balanced",
                     *           "archived": false,
                     *           "pinned": false,
                     *           "messageCount": 0,
                     *           "createdAt": "2026-11-23T09:00:26.250Z",
                     *           "updatedAt": "2026-11-23T09:00:26.250Z"
                     *         }
                     *       ],
                     *       "nextCursor": "NRGxQUSCZNvyieh45NhPdYvNGknVkAgbjUUxNlsxNzk1NDI0NDI2MjUwLCIwMWEyMDdhMi05OTBhLTcwMjgtODM3Yi1mOGUxYTkyN2Y1YTUiXQ"
                     *     }
                     */
                    "application/json": components["schemas"]["ConversationPage"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    createConversation: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description A key that you choose for this request, so that you can repeat it if the response was lost: the
                 *     repetition returns the response of the first request. Keys are kept for 24 hours. See *Repeating
                 *     a call* above.
                 * @example chat-1
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        /** @description The properties of the conversation. An empty object is valid. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "title": "Plans for the holiday",
                 *       "mode": "balanced"
                 *     }
                 */
                "application/json": components["schemas"]["ConversationCreation"];
            };
        };
        responses: {
            /** @description The conversation was created. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStoreNoTransform"];
                    "Content-Encoding": components["headers"]["ContentEncoding"];
                    ETag: components["headers"]["ETag"];
                    Location: components["headers"]["Location"];
                    "Idempotency-Replayed": components["headers"]["IdempotencyReplayed"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-71fa-7014-81bd-fd84d9fbfe10",
                     *       "title": "Plans for the holiday",
                     *       "mode": "balanced",
                     *       "archived": false,
                     *       "pinned": false,
                     *       "messageCount": 0,
                     *       "createdAt": "2026-11-23T09:00:16.250Z",
                     *       "updatedAt": "2026-11-23T09:00:16.250Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Conversation"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["IdempotencyInProgress"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["IdempotencyKeyReused"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    getConversation: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Return `304` if the resource still has one of these versions (`ETag`).
                 * @example "1"
                 */
                "If-None-Match"?: components["parameters"]["IfNoneMatch"];
            };
            path: {
                /**
                 * @description The id of the conversation.
                 * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
                 */
                conversationId: components["parameters"]["ConversationId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The conversation. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["Revalidate"];
                    "Content-Encoding": components["headers"]["ContentEncoding"];
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *       "title": "Hello! My name is Ada.",
                     *       "mode": "balanced",
                     *       "archived": false,
                     *       "pinned": false,
                     *       "messageCount": 4,
                     *       "createdAt": "2026-11-23T09:00:18.750Z",
                     *       "updatedAt": "2026-11-23T09:00:25.000Z",
                     *       "messages": [
                     *         {
                     *           "id": "01a207a2-7bbe-7019-aff4-45631e0f46a0",
                     *           "conversationId": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *           "role": "user",
                     *           "content": "Hello! My name is Ada.",
                     *           "status": "complete",
                     *           "createdAt": "2026-11-23T09:00:18.750Z"
                     *         },
                     *         {
                     *           "id": "01a207a2-7bbe-701a-acfd-53d84e82718c",
                     *           "conversationId": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *           "role": "assistant",
                     *           "content": "Nice to meet you, Ada! What would you like to talk about?",
                     *           "status": "complete",
                     *           "mode": "balanced",
                     *           "model": "parley-rules-1",
                     *           "finishReason": "stop",
                     *           "usage": {
                     *             "inputTokens": 6,
                     *             "outputTokens": 15,
                     *             "totalTokens": 21,
                     *             "source": "estimated"
                     *           },
                     *           "createdAt": "2026-11-23T09:00:18.750Z"
                     *         },
                     *         {
                     *           "id": "01a207a2-8f46-7024-8f57-cb210477c892",
                     *           "conversationId": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *           "role": "user",
                     *           "content": "Tell me a long story.",
                     *           "status": "complete",
                     *           "createdAt": "2026-11-23T09:00:23.750Z"
                     *         },
                     *         {
                     *           "id": "01a207a2-8f46-7025-8c60-d654501825a5",
                     *           "conversationId": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *           "role": "assistant",
                     *           "content": "Once upon a time",
                     *           "status": "cancelled",
                     *           "mode": "balanced",
                     *           "usage": {
                     *             "inputTokens": 27,
                     *             "outputTokens": 4,
                     *             "totalTokens": 31,
                     *             "source": "estimated"
                     *           },
                     *           "createdAt": "2026-11-23T09:00:23.750Z"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["ConversationDetail"];
                };
            };
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    deleteConversation: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Apply the change only if the resource still has one of these versions (`ETag`), or `*`. The
                 *     comparison is strong: a weak tag (`W/"1"`) never matches. A suffix that a compressing proxy
                 *     appends to a tag (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /**
                 * @description The id of the conversation.
                 * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
                 */
                conversationId: components["parameters"]["ConversationId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The conversation was deleted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            412: components["responses"]["PreconditionFailed"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    changeConversation: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Apply the change only if the resource still has one of these versions (`ETag`), or `*`. The
                 *     comparison is strong: a weak tag (`W/"1"`) never matches. A suffix that a compressing proxy
                 *     appends to a tag (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /**
                 * @description The id of the conversation.
                 * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
                 */
                conversationId: components["parameters"]["ConversationId"];
            };
            cookie?: never;
        };
        /** @description The properties to change. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "title": "Two weeks in Jeju",
                 *       "pinned": true
                 *     }
                 */
                "application/json": components["schemas"]["ConversationChanges"];
            };
        };
        responses: {
            /** @description The conversation after the change. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStoreNoTransform"];
                    "Content-Encoding": components["headers"]["ContentEncoding"];
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *       "title": "Two weeks in Jeju",
                     *       "mode": "balanced",
                     *       "archived": false,
                     *       "pinned": true,
                     *       "messageCount": 4,
                     *       "createdAt": "2026-11-23T09:00:18.750Z",
                     *       "updatedAt": "2026-11-23T09:00:35.000Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Conversation"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            412: components["responses"]["PreconditionFailed"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    exportConversation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the conversation.
                 * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
                 */
                conversationId: components["parameters"]["ConversationId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The records, one per line. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "conversation",
                     *       "conversation": {
                     *         "id": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *         "title": "Hello! My name is Ada.",
                     *         "mode": "balanced",
                     *         "archived": false,
                     *         "pinned": false,
                     *         "messageCount": 4,
                     *         "createdAt": "2026-11-23T09:00:18.750Z",
                     *         "updatedAt": "2026-11-23T09:00:25.000Z"
                     *       }
                     *     }
                     */
                    "application/x-ndjson": components["schemas"]["ExportRecord"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    listMessages: {
        parameters: {
            query?: {
                /**
                 * @description The maximum number of entries on a page. A page may hold fewer and be followed by more: continue
                 *     as long as there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the previous page. Leave it out for the first page.
                 * @example NRGxQUSCZNvyieh45NhPdYvNGknVkAgbjUUxNlsxNzk1NDI0NDI2MjUwLCIwMWEyMDdhMi05OTBhLTcwMjgtODM3Yi1mOGUxYTkyN2Y1YTUiXQ
                 */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path: {
                /**
                 * @description The id of the conversation.
                 * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
                 */
                conversationId: components["parameters"]["ConversationId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of messages. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "id": "01a207a2-7bbe-7019-aff4-45631e0f46a0",
                     *           "conversationId": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *           "role": "user",
                     *           "content": "Hello! My name is Ada.",
                     *           "status": "complete",
                     *           "createdAt": "2026-11-23T09:00:18.750Z"
                     *         },
                     *         {
                     *           "id": "01a207a2-7bbe-701a-acfd-53d84e82718c",
                     *           "conversationId": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *           "role": "assistant",
                     *           "content": "Nice to meet you, Ada! What would you like to talk about?",
                     *           "status": "complete",
                     *           "mode": "balanced",
                     *           "model": "parley-rules-1",
                     *           "finishReason": "stop",
                     *           "usage": {
                     *             "inputTokens": 6,
                     *             "outputTokens": 15,
                     *             "totalTokens": 21,
                     *             "source": "estimated"
                     *           },
                     *           "createdAt": "2026-11-23T09:00:18.750Z"
                     *         }
                     *       ],
                     *       "nextCursor": "FvnsjmDSmjbKkl-UPZg-O1xR9D2aVRAIOvJGI1syXQ"
                     *     }
                     */
                    "application/json": components["schemas"]["MessagePage"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    sendMessage: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description A key that you choose for this request, so that you can repeat it if the response was lost: the
                 *     repetition returns the response of the first request. Keys are kept for 24 hours. See *Repeating
                 *     a call* above.
                 * @example chat-1
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        /** @description The message. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "message": "Hello! My name is Ada.",
                 *       "mode": "balanced"
                 *     }
                 */
                "application/json": components["schemas"]["ChatRequest"];
            };
        };
        responses: {
            /** @description The answer, complete and stored. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    "Idempotency-Replayed": components["headers"]["IdempotencyReplayed"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "generationId": "01a207a2-7bbe-7017-b5e2-2e486a2b89f1",
                     *       "conversationId": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *       "userMessage": {
                     *         "id": "01a207a2-7bbe-7019-aff4-45631e0f46a0",
                     *         "conversationId": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *         "role": "user",
                     *         "content": "Hello! My name is Ada.",
                     *         "status": "complete",
                     *         "createdAt": "2026-11-23T09:00:18.750Z"
                     *       },
                     *       "message": {
                     *         "id": "01a207a2-7bbe-701a-acfd-53d84e82718c",
                     *         "conversationId": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *         "role": "assistant",
                     *         "content": "Nice to meet you, Ada! What would you like to talk about?",
                     *         "status": "complete",
                     *         "mode": "balanced",
                     *         "model": "parley-rules-1",
                     *         "finishReason": "stop",
                     *         "usage": {
                     *           "inputTokens": 6,
                     *           "outputTokens": 15,
                     *           "totalTokens": 21,
                     *           "source": "estimated"
                     *         },
                     *         "createdAt": "2026-11-23T09:00:18.750Z"
                     *       },
                     *       "usage": {
                     *         "inputTokens": 6,
                     *         "outputTokens": 15,
                     *         "totalTokens": 21,
                     *         "source": "estimated"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["ChatReply"];
                };
            };
            308: components["responses"]["Moved"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["ConversationBusy"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["IdempotencyKeyReused"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            502: components["responses"]["UpstreamFailed"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["UpstreamTimeout"];
        };
    };
    streamMessage: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description A key that you choose for this request, so that you can repeat it if the response was lost: the
                 *     repetition returns the response of the first request. Keys are kept for 24 hours. See *Repeating
                 *     a call* above.
                 * @example chat-1
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        /** @description The message. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "message": "What is 6 times 7?",
                 *       "onDisconnect": "continue"
                 *     }
                 */
                "application/json": components["schemas"]["ChatRequest"];
            };
        };
        responses: {
            /** @description The engine has begun to answer. The `data` of each event is one `ChatStreamEvent` as JSON. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStoreNoTransform"];
                    "X-Accel-Buffering": components["headers"]["AccelBuffering"];
                    "Idempotency-Replayed": components["headers"]["IdempotencyReplayed"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "message.delta",
                     *       "text": "That "
                     *     }
                     */
                    "text/event-stream": components["schemas"]["ChatStreamEvent"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["ConversationBusy"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["IdempotencyKeyReused"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            502: components["responses"]["UpstreamFailed"];
            503: components["responses"]["Unavailable"];
            504: components["responses"]["UpstreamTimeout"];
        };
    };
    getGeneration: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the generation.
                 * @example 01a207a2-80a0-701c-a70f-68894adc5d2f
                 */
                generationId: components["parameters"]["GenerationId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The generation. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-7bbe-7017-b5e2-2e486a2b89f1",
                     *       "conversationId": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *       "messageId": "01a207a2-7bbe-701a-acfd-53d84e82718c",
                     *       "status": "completed",
                     *       "startedAt": "2026-11-23T09:00:18.750Z",
                     *       "endedAt": "2026-11-23T09:00:18.750Z",
                     *       "usage": {
                     *         "inputTokens": 6,
                     *         "outputTokens": 15,
                     *         "totalTokens": 21,
                     *         "source": "estimated"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Generation"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    cancelGeneration: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the generation.
                 * @example 01a207a2-80a0-701c-a70f-68894adc5d2f
                 */
                generationId: components["parameters"]["GenerationId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The message as it is stored. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-8f46-7025-8c60-d654501825a5",
                     *       "conversationId": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *       "role": "assistant",
                     *       "content": "Once upon a time",
                     *       "status": "cancelled",
                     *       "mode": "balanced",
                     *       "usage": {
                     *         "inputTokens": 27,
                     *         "outputTokens": 4,
                     *         "totalTokens": 31,
                     *         "source": "estimated"
                     *       },
                     *       "createdAt": "2026-11-23T09:00:23.750Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Message"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    resumeStream: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description The id of the last event that you have seen. If you leave it out, the stream begins with the
                 *     first event. A number that no event has had is not refused: another instance may have sent more
                 *     events than this one knows of.
                 * @example 01a207a2-80a0-701c-a70f-68894adc5d2f:1
                 */
                "Last-Event-ID"?: components["parameters"]["LastEventId"];
            };
            path: {
                /**
                 * @description The id of the generation.
                 * @example 01a207a2-80a0-701c-a70f-68894adc5d2f
                 */
                generationId: components["parameters"]["GenerationId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The events. The `data` of each is one `ChatStreamEvent` as JSON. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "Cache-Control": components["headers"]["NoStoreNoTransform"];
                    "X-Accel-Buffering": components["headers"]["AccelBuffering"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "message.delta",
                     *       "text": "That "
                     *     }
                     */
                    "text/event-stream": components["schemas"]["ChatStreamEvent"];
                };
            };
            /** @description You have seen all events. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["UncountedBadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["UncountedForbidden"];
            404: components["responses"]["UncountedNotFound"];
            406: components["responses"]["UncountedNotAcceptable"];
            410: components["responses"]["GenerationExpired"];
            429: components["responses"]["TooManyStreams"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    listFeedback: {
        parameters: {
            query?: {
                /**
                 * @description The maximum number of entries on a page. A page may hold fewer and be followed by more: continue
                 *     as long as there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the previous page. Leave it out for the first page.
                 * @example NRGxQUSCZNvyieh45NhPdYvNGknVkAgbjUUxNlsxNzk1NDI0NDI2MjUwLCIwMWEyMDdhMi05OTBhLTcwMjgtODM3Yi1mOGUxYTkyN2Y1YTUiXQ
                 */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of feedback. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "id": "01a207a2-c01a-7030-a8cd-64b3c2c6ee0f",
                     *           "messageId": "01a207a2-7bbe-701a-acfd-53d84e82718c",
                     *           "rating": "up",
                     *           "tags": [
                     *             "helpful"
                     *           ],
                     *           "comment": "It remembered my name.",
                     *           "createdAt": "2026-11-23T09:00:36.250Z",
                     *           "updatedAt": "2026-11-23T09:00:36.250Z"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["FeedbackPage"];
                };
            };
            308: components["responses"]["Moved"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    giveFeedback: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description A key that you choose for this request, so that you can repeat it if the response was lost: the
                 *     repetition returns the response of the first request. Keys are kept for 24 hours. See *Repeating
                 *     a call* above.
                 * @example chat-1
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        /** @description Your feedback on the answer. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "messageId": "01a207a2-7bbe-701a-acfd-53d84e82718c",
                 *       "rating": "up",
                 *       "tags": [
                 *         "helpful"
                 *       ],
                 *       "comment": "It remembered my name."
                 *     }
                 */
                "application/json": components["schemas"]["FeedbackCreation"];
            };
        };
        responses: {
            /** @description The feedback as it is stored. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    "Idempotency-Replayed": components["headers"]["IdempotencyReplayed"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-c01a-7030-a8cd-64b3c2c6ee0f",
                     *       "messageId": "01a207a2-7bbe-701a-acfd-53d84e82718c",
                     *       "rating": "up",
                     *       "tags": [
                     *         "helpful"
                     *       ],
                     *       "comment": "It remembered my name.",
                     *       "createdAt": "2026-11-23T09:00:36.250Z",
                     *       "updatedAt": "2026-11-23T09:00:36.250Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Feedback"];
                };
            };
            308: components["responses"]["Moved"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["IdempotencyInProgress"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["IdempotencyKeyReused"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    deleteFeedback: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the feedback.
                 * @example 01a207a2-c01a-7030-a8cd-64b3c2c6ee0f
                 */
                feedbackId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The feedback was deleted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    getProfile: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Return `304` if the resource still has one of these versions (`ETag`).
                 * @example "1"
                 */
                "If-None-Match"?: components["parameters"]["IfNoneMatch"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The profile. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["Revalidate"];
                    "Content-Encoding": components["headers"]["ContentEncoding"];
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-4fcc-7008-a551-6fae042b6e86",
                     *       "email": "ada@example.com",
                     *       "displayName": "Ada",
                     *       "role": "user",
                     *       "scopes": [
                     *         "chat:write",
                     *         "conversations:read",
                     *         "conversations:write",
                     *         "feedback:read",
                     *         "feedback:write",
                     *         "profile:read",
                     *         "profile:write",
                     *         "usage:read"
                     *       ],
                     *       "preferences": {},
                     *       "createdAt": "2026-11-23T09:00:07.500Z",
                     *       "updatedAt": "2026-11-23T09:00:07.500Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Profile"];
                };
            };
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    replaceProfile: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Apply the change only if the resource still has one of these versions (`ETag`), or `*`. The
                 *     comparison is strong: a weak tag (`W/"1"`) never matches. A suffix that a compressing proxy
                 *     appends to a tag (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path?: never;
            cookie?: never;
        };
        /** @description The new profile. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "displayName": "Ada L.",
                 *       "preferences": {
                 *         "defaultMode": "balanced",
                 *         "locale": "ko-KR",
                 *         "timeZone": "Asia/Seoul"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["ProfileChanges"];
            };
        };
        responses: {
            /** @description The profile after the change. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStoreNoTransform"];
                    "Content-Encoding": components["headers"]["ContentEncoding"];
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-4fcc-7008-a551-6fae042b6e86",
                     *       "email": "ada@example.com",
                     *       "displayName": "Ada L.",
                     *       "role": "user",
                     *       "scopes": [
                     *         "chat:write",
                     *         "conversations:read",
                     *         "conversations:write",
                     *         "feedback:read",
                     *         "feedback:write",
                     *         "profile:read",
                     *         "profile:write",
                     *         "usage:read"
                     *       ],
                     *       "preferences": {
                     *         "defaultMode": "balanced",
                     *         "locale": "ko-KR",
                     *         "timeZone": "Asia/Seoul"
                     *       },
                     *       "createdAt": "2026-11-23T09:00:07.500Z",
                     *       "updatedAt": "2026-11-23T09:00:13.750Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Profile"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            412: components["responses"]["PreconditionFailed"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    closeAccount: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Apply the change only if the resource still has one of these versions (`ETag`), or `*`. The
                 *     comparison is strong: a weak tag (`W/"1"`) never matches. A suffix that a compressing proxy
                 *     appends to a tag (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The account is closed. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            412: components["responses"]["PreconditionFailed"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    exportAccount: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The records, one per line. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "profile",
                     *       "profile": {
                     *         "id": "01a207a2-4fcc-7008-a551-6fae042b6e86",
                     *         "email": "ada@example.com",
                     *         "displayName": "Ada L.",
                     *         "role": "user",
                     *         "scopes": [
                     *           "chat:write",
                     *           "conversations:read",
                     *           "conversations:write",
                     *           "feedback:read",
                     *           "feedback:write",
                     *           "profile:read",
                     *           "profile:write",
                     *           "usage:read"
                     *         ],
                     *         "preferences": {
                     *           "defaultMode": "balanced",
                     *           "locale": "ko-KR",
                     *           "timeZone": "Asia/Seoul"
                     *         },
                     *         "createdAt": "2026-11-23T09:00:07.500Z",
                     *         "updatedAt": "2026-11-23T09:00:13.750Z"
                     *       }
                     *     }
                     */
                    "application/x-ndjson": components["schemas"]["ExportRecord"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    getUsage: {
        parameters: {
            query?: {
                /**
                 * @description The start of the period. The default is 30 days before `to`.
                 * @example 2026-11-01T00:00:00Z
                 */
                from?: string;
                /**
                 * @description The end of the period, itself excluded. The default is now.
                 * @example 2026-12-01T00:00:00Z
                 */
                to?: string;
                /**
                 * @description The width of a bucket. With `hour`, `from` and `to` may be up to 31 days apart. With `day`,
                 *     they may be up to 366 days apart.
                 * @example day
                 */
                granularity?: components["schemas"]["Granularity"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The usage. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "from": "2026-11-01T00:00:00.000Z",
                     *       "to": "2026-12-01T00:00:00.000Z",
                     *       "granularity": "day",
                     *       "totals": {
                     *         "requests": 3,
                     *         "messages": 3,
                     *         "inputTokens": 38,
                     *         "outputTokens": 25,
                     *         "totalTokens": 63
                     *       },
                     *       "buckets": [
                     *         {
                     *           "startAt": "2026-11-23T00:00:00.000Z",
                     *           "requests": 3,
                     *           "messages": 3,
                     *           "inputTokens": 38,
                     *           "outputTokens": 25,
                     *           "totalTokens": 63
                     *         }
                     *       ],
                     *       "limits": [
                     *         {
                     *           "policy": "user",
                     *           "quota": 1000,
                     *           "windowSeconds": 3600,
                     *           "remaining": 976,
                     *           "resetsAt": "2026-11-23T10:00:11.250Z"
                     *         },
                     *         {
                     *           "policy": "chat",
                     *           "quota": 10,
                     *           "windowSeconds": 60,
                     *           "remaining": 7,
                     *           "resetsAt": "2026-11-23T09:01:18.750Z"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["UsageReport"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    listUsers: {
        parameters: {
            query?: {
                /**
                 * @description Return only users whose email or display name contains this text. The comparison ignores
                 *     case and treats composed and decomposed characters (NFC, NFD) alike.
                 * @example grace
                 */
                q?: string;
                /**
                 * @description Return only users with this role.
                 * @example user
                 */
                role?: components["schemas"]["UserRole"];
                /**
                 * @description Return only disabled users (`true`) or only the others (`false`). Without it, both are
                 *     returned.
                 * @example false
                 */
                disabled?: boolean;
                /**
                 * @description The maximum number of entries on a page. A page may hold fewer and be followed by more: continue
                 *     as long as there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the previous page. Leave it out for the first page.
                 * @example NRGxQUSCZNvyieh45NhPdYvNGknVkAgbjUUxNlsxNzk1NDI0NDI2MjUwLCIwMWEyMDdhMi05OTBhLTcwMjgtODM3Yi1mOGUxYTkyN2Y1YTUiXQ
                 */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of users. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "id": "01a207a2-d3a2-7037-940c-b9902bf68d01",
                     *           "email": "grace@example.com",
                     *           "displayName": "Grace",
                     *           "role": "user",
                     *           "disabled": false,
                     *           "limits": {},
                     *           "createdAt": "2026-11-23T09:00:41.250Z",
                     *           "updatedAt": "2026-11-23T09:00:41.250Z"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["UserPage"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    createUser: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description The properties of the user. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "email": "grace@example.com",
                 *       "password": "correct horse battery staple",
                 *       "displayName": "Grace",
                 *       "role": "user"
                 *     }
                 */
                "application/json": components["schemas"]["UserCreation"];
            };
        };
        responses: {
            /** @description The user was created. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStoreNoTransform"];
                    "Content-Encoding": components["headers"]["ContentEncoding"];
                    ETag: components["headers"]["ETag"];
                    Location: components["headers"]["Location"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-d3a2-7037-940c-b9902bf68d01",
                     *       "email": "grace@example.com",
                     *       "displayName": "Grace",
                     *       "role": "user",
                     *       "disabled": false,
                     *       "limits": {},
                     *       "createdAt": "2026-11-23T09:00:41.250Z",
                     *       "updatedAt": "2026-11-23T09:00:41.250Z"
                     *     }
                     */
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            409: components["responses"]["EmailTaken"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["WeakPassword"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    getUser: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Return `304` if the resource still has one of these versions (`ETag`).
                 * @example "1"
                 */
                "If-None-Match"?: components["parameters"]["IfNoneMatch"];
            };
            path: {
                /**
                 * @description The id of the user.
                 * @example 01a207a2-d3a2-7037-940c-b9902bf68d01
                 */
                userId: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["Revalidate"];
                    "Content-Encoding": components["headers"]["ContentEncoding"];
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-d3a2-7037-940c-b9902bf68d01",
                     *       "email": "grace@example.com",
                     *       "displayName": "Grace",
                     *       "role": "user",
                     *       "disabled": true,
                     *       "limits": {},
                     *       "createdAt": "2026-11-23T09:00:41.250Z",
                     *       "updatedAt": "2026-11-23T09:00:43.750Z"
                     *     }
                     */
                    "application/json": components["schemas"]["User"];
                };
            };
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    deleteUser: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Apply the change only if the resource still has one of these versions (`ETag`), or `*`. The
                 *     comparison is strong: a weak tag (`W/"1"`) never matches. A suffix that a compressing proxy
                 *     appends to a tag (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /**
                 * @description The id of the user.
                 * @example 01a207a2-d3a2-7037-940c-b9902bf68d01
                 */
                userId: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user was deleted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            412: components["responses"]["PreconditionFailed"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    changeUser: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Apply the change only if the resource still has one of these versions (`ETag`), or `*`. The
                 *     comparison is strong: a weak tag (`W/"1"`) never matches. A suffix that a compressing proxy
                 *     appends to a tag (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /**
                 * @description The id of the user.
                 * @example 01a207a2-d3a2-7037-940c-b9902bf68d01
                 */
                userId: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        /** @description The properties to change. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "disabled": true
                 *     }
                 */
                "application/json": components["schemas"]["UserChanges"];
            };
        };
        responses: {
            /** @description The user after the change. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStoreNoTransform"];
                    "Content-Encoding": components["headers"]["ContentEncoding"];
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-d3a2-7037-940c-b9902bf68d01",
                     *       "email": "grace@example.com",
                     *       "displayName": "Grace",
                     *       "role": "user",
                     *       "disabled": true,
                     *       "limits": {},
                     *       "createdAt": "2026-11-23T09:00:41.250Z",
                     *       "updatedAt": "2026-11-23T09:00:43.750Z"
                     *     }
                     */
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            412: components["responses"]["PreconditionFailed"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    listServiceAccounts: {
        parameters: {
            query?: {
                /**
                 * @description Return only service accounts whose name contains this text. The comparison ignores case and
                 *     treats composed and decomposed characters (NFC, NFD) alike.
                 * @example desk
                 */
                q?: string;
                /**
                 * @description Return only disabled service accounts (`true`) or only the others (`false`). Without it,
                 *     both are returned.
                 * @example false
                 */
                disabled?: boolean;
                /**
                 * @description The maximum number of entries on a page. A page may hold fewer and be followed by more: continue
                 *     as long as there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the previous page. Leave it out for the first page.
                 * @example NRGxQUSCZNvyieh45NhPdYvNGknVkAgbjUUxNlsxNzk1NDI0NDI2MjUwLCIwMWEyMDdhMi05OTBhLTcwMjgtODM3Yi1mOGUxYTkyN2Y1YTUiXQ
                 */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of service accounts. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "id": "01a207a2-e248-703d-8243-02bc17cd804d",
                     *           "name": "Help desk",
                     *           "scopes": [
                     *             "chat:write"
                     *           ],
                     *           "disabled": false,
                     *           "createdAt": "2026-11-23T09:00:45.000Z",
                     *           "updatedAt": "2026-11-23T09:00:46.250Z"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["ServiceAccountPage"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    createServiceAccount: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description The properties of the service account. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "name": "Help desk",
                 *       "scopes": [
                 *         "chat:write",
                 *         "conversations:read"
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["ServiceAccountCreation"];
            };
        };
        responses: {
            /** @description The service account was created. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStoreNoTransform"];
                    "Content-Encoding": components["headers"]["ContentEncoding"];
                    ETag: components["headers"]["ETag"];
                    Location: components["headers"]["Location"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-e248-703d-8243-02bc17cd804d",
                     *       "name": "Help desk",
                     *       "scopes": [
                     *         "chat:write",
                     *         "conversations:read"
                     *       ],
                     *       "disabled": false,
                     *       "createdAt": "2026-11-23T09:00:45.000Z",
                     *       "updatedAt": "2026-11-23T09:00:45.000Z"
                     *     }
                     */
                    "application/json": components["schemas"]["ServiceAccount"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    getServiceAccount: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Return `304` if the resource still has one of these versions (`ETag`).
                 * @example "1"
                 */
                "If-None-Match"?: components["parameters"]["IfNoneMatch"];
            };
            path: {
                /**
                 * @description The id of the service account.
                 * @example 01a207a2-e248-703d-8243-02bc17cd804d
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The service account. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["Revalidate"];
                    "Content-Encoding": components["headers"]["ContentEncoding"];
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-e248-703d-8243-02bc17cd804d",
                     *       "name": "Help desk",
                     *       "scopes": [
                     *         "chat:write"
                     *       ],
                     *       "disabled": false,
                     *       "createdAt": "2026-11-23T09:00:45.000Z",
                     *       "updatedAt": "2026-11-23T09:00:46.250Z"
                     *     }
                     */
                    "application/json": components["schemas"]["ServiceAccount"];
                };
            };
            304: components["responses"]["NotModified"];
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    deleteServiceAccount: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Apply the change only if the resource still has one of these versions (`ETag`), or `*`. The
                 *     comparison is strong: a weak tag (`W/"1"`) never matches. A suffix that a compressing proxy
                 *     appends to a tag (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /**
                 * @description The id of the service account.
                 * @example 01a207a2-e248-703d-8243-02bc17cd804d
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The service account was deleted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            412: components["responses"]["PreconditionFailed"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    changeServiceAccount: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Apply the change only if the resource still has one of these versions (`ETag`), or `*`. The
                 *     comparison is strong: a weak tag (`W/"1"`) never matches. A suffix that a compressing proxy
                 *     appends to a tag (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /**
                 * @description The id of the service account.
                 * @example 01a207a2-e248-703d-8243-02bc17cd804d
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
            };
            cookie?: never;
        };
        /** @description The properties to change. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "scopes": [
                 *         "chat:write"
                 *       ]
                 *     }
                 */
                "application/json": components["schemas"]["ServiceAccountChanges"];
            };
        };
        responses: {
            /** @description The service account after the change. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStoreNoTransform"];
                    "Content-Encoding": components["headers"]["ContentEncoding"];
                    ETag: components["headers"]["ETag"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-e248-703d-8243-02bc17cd804d",
                     *       "name": "Help desk",
                     *       "scopes": [
                     *         "chat:write"
                     *       ],
                     *       "disabled": false,
                     *       "createdAt": "2026-11-23T09:00:45.000Z",
                     *       "updatedAt": "2026-11-23T09:00:46.250Z"
                     *     }
                     */
                    "application/json": components["schemas"]["ServiceAccount"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            412: components["responses"]["PreconditionFailed"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    listApiKeys: {
        parameters: {
            query?: {
                /**
                 * @description The maximum number of entries on a page. A page may hold fewer and be followed by more: continue
                 *     as long as there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the previous page. Leave it out for the first page.
                 * @example NRGxQUSCZNvyieh45NhPdYvNGknVkAgbjUUxNlsxNzk1NDI0NDI2MjUwLCIwMWEyMDdhMi05OTBhLTcwMjgtODM3Yi1mOGUxYTkyN2Y1YTUiXQ
                 */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path: {
                /**
                 * @description The id of the service account.
                 * @example 01a207a2-e248-703d-8243-02bc17cd804d
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of keys. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "id": "01a207a2-f5d0-7046-a49d-79b7311626d8",
                     *           "name": "production",
                     *           "prefix": "parley_live_0aB3cD4eF5gH",
                     *           "scopes": [
                     *             "chat:write"
                     *           ],
                     *           "createdAt": "2026-11-23T09:00:50.000Z",
                     *           "expiresAt": "2027-11-23T09:00:01.250Z"
                     *         },
                     *         {
                     *           "id": "01a207a2-f0ee-7042-b079-490bd61fa8c1",
                     *           "name": "production",
                     *           "prefix": "parley_live_0aB3cD4eF5gH",
                     *           "scopes": [
                     *             "chat:write"
                     *           ],
                     *           "createdAt": "2026-11-23T09:00:48.750Z",
                     *           "expiresAt": "2027-11-23T09:00:00.000Z",
                     *           "overlapEndsAt": "2026-11-24T09:00:50.000Z"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["ApiKeyPage"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    createApiKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the service account.
                 * @example 01a207a2-e248-703d-8243-02bc17cd804d
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
            };
            cookie?: never;
        };
        /** @description The properties of the key. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "name": "production",
                 *       "expiresAt": "2027-11-23T09:00:00Z"
                 *     }
                 */
                "application/json": components["schemas"]["ApiKeyCreation"];
            };
        };
        responses: {
            /** @description The key, with its secret. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-f0ee-7042-b079-490bd61fa8c1",
                     *       "name": "production",
                     *       "prefix": "parley_live_0aB3cD4eF5gH",
                     *       "scopes": [
                     *         "chat:write"
                     *       ],
                     *       "createdAt": "2026-11-23T09:00:48.750Z",
                     *       "expiresAt": "2027-11-23T09:00:00.000Z",
                     *       "secret": "parley_live_0aB3cD4eF5gH_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM"
                     *     }
                     */
                    "application/json": components["schemas"]["ApiKeyWithSecret"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    revokeApiKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the service account.
                 * @example 01a207a2-e248-703d-8243-02bc17cd804d
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
                /**
                 * @description The id of the API key.
                 * @example 01a207a2-f0ee-7042-b079-490bd61fa8c1
                 */
                apiKeyId: components["parameters"]["ApiKeyId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The key is revoked. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    rotateApiKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The id of the service account.
                 * @example 01a207a2-e248-703d-8243-02bc17cd804d
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
                /**
                 * @description The id of the API key.
                 * @example 01a207a2-f0ee-7042-b079-490bd61fa8c1
                 */
                apiKeyId: components["parameters"]["ApiKeyId"];
            };
            cookie?: never;
        };
        /** @description How long the old key stays valid. */
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "overlapSeconds": 86400
                 *     }
                 */
                "application/json": components["schemas"]["ApiKeyRotation"];
            };
        };
        responses: {
            /** @description The new key, with its secret. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "01a207a2-f5d0-7046-a49d-79b7311626d8",
                     *       "name": "production",
                     *       "prefix": "parley_live_0aB3cD4eF5gH",
                     *       "scopes": [
                     *         "chat:write"
                     *       ],
                     *       "createdAt": "2026-11-23T09:00:50.000Z",
                     *       "expiresAt": "2027-11-23T09:00:01.250Z",
                     *       "secret": "parley_live_0aB3cD4eF5gH_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM"
                     *     }
                     */
                    "application/json": components["schemas"]["ApiKeyWithSecret"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            406: components["responses"]["NotAcceptable"];
            408: components["responses"]["RequestTimeout"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    listAuditEvents: {
        parameters: {
            query?: {
                /**
                 * @description Return only events with this name.
                 * @example user.created
                 */
                event?: components["schemas"]["AuditEventName"];
                /**
                 * @description Return only events that this account caused.
                 * @example 01a207a2-3280-7000-bd09-0faec63be8f8
                 */
                actorId?: string;
                /**
                 * @description Return only events with this target.
                 * @example 01a207a2-d3a2-7037-940c-b9902bf68d01
                 */
                targetId?: string;
                /**
                 * @description The maximum number of entries on a page. A page may hold fewer and be followed by more: continue
                 *     as long as there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the previous page. Leave it out for the first page.
                 * @example NRGxQUSCZNvyieh45NhPdYvNGknVkAgbjUUxNlsxNzk1NDI0NDI2MjUwLCIwMWEyMDdhMi05OTBhLTcwMjgtODM3Yi1mOGUxYTkyN2Y1YTUiXQ
                 */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of events. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "id": "01a207a2-d3a2-7038-9115-c4d00b131701",
                     *           "at": "2026-11-23T09:00:41.250Z",
                     *           "event": "user.created",
                     *           "outcome": "done",
                     *           "actor": {
                     *             "kind": "user",
                     *             "id": "01a207a2-3280-7000-bd09-0faec63be8f8"
                     *           },
                     *           "target": {
                     *             "kind": "user",
                     *             "id": "01a207a2-d3a2-7037-940c-b9902bf68d01"
                     *           },
                     *           "address": "127.0.0.1",
                     *           "requestId": "01a207a2-d3a2-7036-9703-ad2684910ded"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["AuditEventPage"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    listAllFeedback: {
        parameters: {
            query?: {
                /**
                 * @description Return only feedback with this rating.
                 * @example up
                 */
                rating?: components["schemas"]["Rating"];
                /**
                 * @description The maximum number of entries on a page. A page may hold fewer and be followed by more: continue
                 *     as long as there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the previous page. Leave it out for the first page.
                 * @example NRGxQUSCZNvyieh45NhPdYvNGknVkAgbjUUxNlsxNzk1NDI0NDI2MjUwLCIwMWEyMDdhMi05OTBhLTcwMjgtODM3Yi1mOGUxYTkyN2Y1YTUiXQ
                 */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One page of feedback. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "data": [
                     *         {
                     *           "id": "01a207a2-c01a-7030-a8cd-64b3c2c6ee0f",
                     *           "userId": "01a207a2-4fcc-7008-a551-6fae042b6e86",
                     *           "messageId": "01a207a2-7bbe-701a-acfd-53d84e82718c",
                     *           "rating": "up",
                     *           "tags": [
                     *             "helpful"
                     *           ],
                     *           "comment": "It remembered my name.",
                     *           "createdAt": "2026-11-23T09:00:36.250Z",
                     *           "updatedAt": "2026-11-23T09:00:36.250Z"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["AdminFeedbackPage"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    getAllUsage: {
        parameters: {
            query?: {
                /**
                 * @description The start of the period. The default is 30 days before `to`.
                 * @example 2026-11-01T00:00:00Z
                 */
                from?: string;
                /**
                 * @description The end of the period, itself excluded. The default is now.
                 * @example 2026-12-01T00:00:00Z
                 */
                to?: string;
                /**
                 * @description The width of a bucket. With `hour`, `from` and `to` may be up to 31 days apart. With `day`,
                 *     they may be up to 366 days apart.
                 * @example day
                 */
                granularity?: components["schemas"]["Granularity"];
                /**
                 * @description Return only the usage of this user or service account.
                 * @example 01a207a2-4fcc-7008-a551-6fae042b6e86
                 */
                accountId?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The usage. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["RequestId"];
                    "RateLimit-Policy": components["headers"]["RateLimitPolicy"];
                    RateLimit: components["headers"]["RateLimit"];
                    "Cache-Control": components["headers"]["NoStore"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "from": "2026-11-01T00:00:00.000Z",
                     *       "to": "2026-12-01T00:00:00.000Z",
                     *       "granularity": "day",
                     *       "totals": {
                     *         "requests": 3,
                     *         "messages": 3,
                     *         "inputTokens": 38,
                     *         "outputTokens": 25,
                     *         "totalTokens": 63
                     *       },
                     *       "buckets": [
                     *         {
                     *           "startAt": "2026-11-23T00:00:00.000Z",
                     *           "requests": 3,
                     *           "messages": 3,
                     *           "inputTokens": 38,
                     *           "outputTokens": 25,
                     *           "totalTokens": 63
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["AdminUsageReport"];
                };
            };
            400: components["responses"]["BadRequest"];
            401: components["responses"]["Unauthorized"];
            403: components["responses"]["Forbidden"];
            406: components["responses"]["NotAcceptable"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    testServer: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            308: components["responses"]["Moved"];
            429: components["responses"]["QuotaExceeded"];
            500: components["responses"]["Internal"];
        };
    };
}
