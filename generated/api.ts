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
         * Is the process alive?
         * @description Answers at once and asks nothing else: not the database, not the engine. For supervisors and
         *     load balancers that restart a process that does not answer. Costs nothing.
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
         * Can the server take calls?
         * @description Asks each thing that the server depends on. `200` when calls can be served, `503` when they
         *     cannot, with the same body. An engine that is down shows as `degraded` with `200`: everything
         *     but chat still works. So does `schema`, which is down on a database that a newer version of the
         *     server has brought further than this one knows. While the server shuts down it answers `503`, so that a load balancer
         *     stops sending. Costs nothing.
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
         * What server is this?
         * @description The version, since when it runs, and which engine answers. `ruleBased` is true when the
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
         * @description A mode is a manner of answering: a system prompt and a sampling preset under a name. Send its
         *     `id` as `mode` with a message, or set it on a conversation or in your profile.
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
         * Read your limits
         * @description What the limits leave you just now, free of charge. With a credential those that count you,
         *     without one the one that counts your address.
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
         * @description Opens a session and answers its first pair of tokens. A wrong password and an unknown email
         *     answer alike, in words and in time. After five failures for one account from one address
         *     within 15 minutes further tries from there are refused with `429`; the account's owner at
         *     another address is not affected.
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
         * @description Answers the next pair of the session and ends the refresh token that was sent. If this answer
         *     is lost, the same token may be sent again within 30 seconds and gets the same successor. Any
         *     other second use ends the session. A session slides by seven days with each refresh, up to 30
         *     days after its login.
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
         * Log out (by GET)
         * @deprecated
         * @description Ends the session of the access token. Kept for clients of the first plan; `POST /auth/logout`
         *     does the same, and more. A GET that changes something can be set off by a mere link, so it
         *     goes away on the day that `Sunset` names. For the same reason it has no `HEAD`.
         */
        get: operations["logOutByLink"];
        put?: never;
        /**
         * Log out
         * @description Ends sessions of the caller: the `current` one, all `others`, or `all`. Their access tokens
         *     and refresh tokens are refused at once.
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
         * Register
         * @description Makes an account for yourself, where the operator has opened registration; elsewhere it answers
         *     `registration-closed`. The password has 8 to 256 characters and is none of the commonest.
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
         * @description Sets a new password and ends every other session of yours. The current one goes on. A wrong current
         *     password counts as a failed sign-in.
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
         * @description Where you are logged in, the last used first.
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
                 * @description The session.
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
         * @description Ends one of your sessions, this one or another. Its tokens are refused at once.
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
         * @description The caller's conversations, the latest activity first. Follow `nextCursor` to the end; it is
         *     bound to the filters it was given for.
         */
        get: operations["listConversations"];
        put?: never;
        /**
         * Create a conversation
         * @description An empty conversation. Without a `mode` it takes the default mode of your profile. You need
         *     not call this to chat: a message without a `conversationId` makes its own conversation.
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
                 * @description The conversation.
                 * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
                 */
                conversationId: components["parameters"]["ConversationId"];
            };
            cookie?: never;
        };
        /**
         * Read a conversation
         * @description The conversation with its latest messages, oldest first: 50 of them, or as many as make 256 kB
         *     of text, and one at least. When there are earlier ones, `messagesCursor` is given: `GET …/messages`
         *     reads the whole conversation from its start.
         */
        get: operations["getConversation"];
        put?: never;
        post?: never;
        /**
         * Delete a conversation
         * @description Removes the conversation with its messages and their feedback, for good. An answer that is
         *     still being made is stopped. Usage that was counted stays counted.
         */
        delete: operations["deleteConversation"];
        options?: never;
        head?: never;
        /**
         * Change a conversation
         * @description Changes the properties that are sent and leaves the others. Send `If-Match` with the `ETag`
         *     that you read, and the change is refused (`412`) if somebody was faster.
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
                 * @description The conversation.
                 * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
                 */
                conversationId: components["parameters"]["ConversationId"];
            };
            cookie?: never;
        };
        /**
         * Export a conversation
         * @description The conversation and then each of its messages, oldest first, one JSON record a line. The last
         *     line is the record `end`, which counts the others: an export without it was cut off on its way.
         *     Messages that come while it is read are left out.
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
                 * @description The conversation.
                 * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
                 */
                conversationId: components["parameters"]["ConversationId"];
            };
            cookie?: never;
        };
        /**
         * List messages
         * @description The messages of a conversation, oldest first. Follow `nextCursor` to the end: a page ends at
         *     `limit` messages or at 256 kB of text, and holds one at least. An answer that is still being made
         *     has the status `inProgress` and no text yet: its text is on its stream.
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
         * Send a message, receive the whole answer
         * @description Adds your message to the conversation and answers when the engine's answer is complete and
         *     kept. Without a `conversationId` a conversation is made, titled after the message.
         *     A problem of 5xx before the engine began means that nothing was kept. If the engine breaks
         *     off later, you receive `200` and a message with the status `failed` and the text so far.
         *     While the database is away an answer that is made waits for it, and so does your call.
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
         * Send a message, receive the answer as it is made
         * @description As `POST /chat`, but the answer arrives word by word as `text/event-stream`. See *Streaming*
         *     above for the events. Exactly one terminal event ends the stream on every way out.
         *     If you hang up, the answer is finished and kept without you, unless you asked for
         *     `onDisconnect: cancel`: then it stops within a second and the text so far is kept.
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
                 * @description The making of an answer.
                 * @example 01a207a2-80a0-701c-a70f-68894adc5d2f
                 */
                generationId: components["parameters"]["GenerationId"];
            };
            cookie?: never;
        };
        /**
         * Read a generation
         * @description A generation is the making of one answer. It belongs to the server: it goes on whether or not anybody
         *     reads its stream, and it is here for as long as its message is.
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
                 * @description The making of an answer.
                 * @example 01a207a2-80a0-701c-a70f-68894adc5d2f
                 */
                generationId: components["parameters"]["GenerationId"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Stop an answer
         * @description Stops the engine and keeps the text so far, wherever the answer is being made. Answers the message as it is
         *     kept. Stopping what has ended changes nothing and answers the same: call it as often as you like.
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
                 * @description The making of an answer.
                 * @example 01a207a2-80a0-701c-a70f-68894adc5d2f
                 */
                generationId: components["parameters"]["GenerationId"];
            };
            cookie?: never;
        };
        /**
         * Follow a stream again
         * @description The events of an answer, from the first or from behind `Last-Event-ID` on, and then live until its end;
         *     on any instance, and free of charge. Every event comes with the same id and the same content as the
         *     first time. `204` says that you have seen the end. Whoever has not is sent exactly one terminal event,
         *     whatever number the id had: one beyond all events skips to the end. Up to 10 minutes after the end of the
         *     answer; then `410`, and `GET /chat/generations/{generationId}` and the messages of the conversation say
         *     how it ended. If the server broke off in the middle, what was saved is replayed and `message.error` ends it.
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
         * @description What you said of answers, the latest first. Follow `nextCursor` to the end: a page ends at
         *     `limit` things or at 256 kB of comments.
         */
        get: operations["listFeedback"];
        put?: never;
        /**
         * Give feedback on an answer
         * @description One feedback per person and message: a second one replaces the first and keeps its `id`.
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
                 * @description The feedback.
                 * @example 01a207a2-c4fc-7031-a5d6-71b8d908c53f
                 */
                feedbackId: string;
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Take feedback back
         * @description Removes your feedback for good.
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
         * @description Who you are to the server, and what you may do: `scopes` lists it.
         */
        get: operations["getProfile"];
        /**
         * Replace your profile
         * @description Sets your display name and your preferences as a whole: a preference that is left out is
         *     unset. Send `If-Match` with the `ETag` that you read, and the change is refused (`412`) if
         *     the profile was changed in the meantime. A new display name is recorded in the audit log, as one
         *     that an administrator gives; preferences are not.
         */
        put: operations["replaceProfile"];
        post?: never;
        /**
         * Close your account
         * @description Removes you and everything that is yours for good: conversations, messages, feedback, sessions.
         *     Every token of yours is refused at once. What the audit log says of you stays without your
         *     address and your name, and your usage stays counted in the totals of the server without you. The
         *     last administrator cannot leave (`400`).
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
         * @description Everything that is kept of you, one JSON record a line: your profile, your open sessions, your
         *     conversations each followed by its messages, your feedback, your usage, and the audit events of
         *     your own acts. The last line is the record `end`, which counts the others: an export without it
         *     was cut off on its way. Conversations and messages that come while it is read are left out. Long
         *     exports are streamed; nothing of them is held in memory. An export is recorded in the audit log,
         *     so it has no `HEAD`.
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
         * @description What you have used, by hour or by day, in UTC. `totals` is always the sum of the buckets, and
         *     the buckets the sum of what was generated: deleting a conversation does not undo it. A bucket
         *     without usage is left out. `limits` shows what you have left just now.
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
         * @description Everybody who can log in, the newest first.
         */
        get: operations["listUsers"];
        put?: never;
        /**
         * Create a user
         * @description An account that can log in with this email and password. An admin gives only what the admin holds:
         *     whoever lacks a scope of the role is refused with `insufficient-scope`.
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
                 * @description The user.
                 * @example 01a207a2-d3a2-7037-940c-b9902bf68d01
                 */
                userId: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        /**
         * Read a user
         * @description One user.
         */
        get: operations["getUser"];
        put?: never;
        post?: never;
        /**
         * Delete a user
         * @description Removes the user and everything that is theirs for good, as closing the account does. The last
         *     administrator who is not disabled cannot be demoted, disabled or deleted (`400`).
         */
        delete: operations["deleteUser"];
        options?: never;
        head?: never;
        /**
         * Change a user
         * @description Name, role, whether the user is disabled, and personal limits. It takes effect at once, also for
         *     access tokens that are out: a disabled user is refused with `account-disabled`, and a changed role
         *     changes the scopes. `limits` is replaced as a whole. Nobody changes a user who may do more than
         *     they may (`insufficient-scope`), or gives a role that does. The last
         *     administrator who is not disabled cannot be demoted, disabled or deleted (`400`).
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
         * @description A service account is a program that calls Parley with API keys. The newest first.
         */
        get: operations["listServiceAccounts"];
        put?: never;
        /**
         * Create a service account
         * @description It can do what its scopes say, once it has an API key, and it owns the conversations that it makes. An
         *     admin gives only scopes that the admin holds (`insufficient-scope`).
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
                 * @description The service account.
                 * @example 01a207a2-e72a-703d-bf4c-0d7969701b1f
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
            };
            cookie?: never;
        };
        /**
         * Read a service account
         * @description One service account.
         */
        get: operations["getServiceAccount"];
        put?: never;
        post?: never;
        /**
         * Delete a service account
         * @description Removes it with its keys and everything that it owns, for good.
         */
        delete: operations["deleteServiceAccount"];
        options?: never;
        head?: never;
        /**
         * Change a service account
         * @description Name, scopes, and whether it is disabled. It takes effect at once for all its keys. Nobody changes a
         *     service account that may do more than they may (`insufficient-scope`), or gives it a scope that they lack.
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
                 * @description The service account.
                 * @example 01a207a2-e72a-703d-bf4c-0d7969701b1f
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
            };
            cookie?: never;
        };
        /**
         * List API keys
         * @description The keys of a service account, the newest first, without their secrets. Revoked and expired ones stay in
         *     the list. `lastUsedAt` may lag a minute behind.
         */
        get: operations["listApiKeys"];
        put?: never;
        /**
         * Create an API key
         * @description A new key of a service account. `secret` is the whole key: it is shown this once and not kept in clear,
         *     so store it now. Send it as `X-API-Key`, or as a bearer token. Nobody makes a key that may do more
         *     than they may (`insufficient-scope`).
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
                 * @description The service account.
                 * @example 01a207a2-e72a-703d-bf4c-0d7969701b1f
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
                /**
                 * @description The API key.
                 * @example 01a207a2-fab2-7044-aa8b-61f03dc9493a
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
         * @description The key is refused from now on. It stays in the list, as revoked.
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
                 * @description The service account.
                 * @example 01a207a2-e72a-703d-bf4c-0d7969701b1f
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
                /**
                 * @description The API key.
                 * @example 01a207a2-fab2-7044-aa8b-61f03dc9493a
                 */
                apiKeyId: components["parameters"]["ApiKeyId"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Rotate an API key
         * @description Answers a new key in the place of this one, with the same name and the same length of life. The old one
         *     goes on for `overlapSeconds`, and is refused then. A key that is rotated, revoked or expired cannot be
         *     rotated (`404`): rotate its successor.
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
         * @description Every act of identity and administration: who did what to whom, from where and when. The newest first.
         *     Nothing is ever changed or removed, except that the addresses of an account are forgotten when it is
         *     closed.
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
         * @description What everybody thought of answers, the latest change first. Follow `nextCursor` to the end: a
         *     page ends at `limit` things or at 256 kB of comments.
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
         * Read the usage of everybody
         * @description What everybody has used, by hour or by day, in UTC; or one account. Closed accounts stay in the sum.
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
         * Find the health check
         * @deprecated
         * @description The first server's way to see whether it lives. It is `GET /api/v1/health` now. The other
         *     paths of the first server (`/chat`, `/feedback`, `/status` and `/modes`) are described with
         *     their successors: their second server entry is the old place.
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
        /** @description Feedback, and whose it is. */
        AdminFeedback: {
            /** Format: uuid */
            id: string;
            /**
             * Format: uuid
             * @description The user or service account that gave it.
             */
            userId: string;
            /**
             * Format: uuid
             * @description The answer that it is about.
             */
            messageId: string;
            rating: components["schemas"]["Rating"];
            tags?: components["schemas"]["FeedbackTags"];
            comment?: components["schemas"]["FeedbackComment"];
            createdAt: components["schemas"]["Timestamp"];
            updatedAt: components["schemas"]["Timestamp"];
        };
        /** @description One page of everybody's feedback. */
        AdminFeedbackPage: {
            data: components["schemas"]["AdminFeedback"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description What was used in a span of time. */
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
            /** @description How the key begins; enough to know it by, not to use it. */
            prefix: string;
            scopes: components["schemas"]["ScopeList"];
            createdAt: components["schemas"]["Timestamp"];
            expiresAt?: components["schemas"]["Timestamp"];
            lastUsedAt?: components["schemas"]["Timestamp"];
            overlapEndsAt?: components["schemas"]["Timestamp"];
            revokedAt?: components["schemas"]["Timestamp"];
        };
        /** @description A key to be made. */
        ApiKeyCreation: {
            name: components["schemas"]["ApiKeyName"];
            /**
             * Format: date-time
             * @description When it ends, in the future. Left out, it does not end by itself.
             */
            expiresAt?: string;
        };
        /**
         * @description What the key is for. One line: no control characters, no line ends, no bidirectional
         *     embeddings, overrides or isolates. White space around it is cut, and more must be left.
         */
        ApiKeyName: string;
        /** @description One page of keys. */
        ApiKeyPage: {
            data: components["schemas"]["ApiKey"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description How a key is replaced. */
        ApiKeyRotation: {
            /** @description For how long the old key goes on, up to 30 days. */
            overlapSeconds: number;
        };
        /** @description A key with its secret, shown this once. */
        ApiKeyWithSecret: {
            /** Format: uuid */
            id: string;
            name: string;
            /** @description How the key begins; enough to know it by, not to use it. */
            prefix: string;
            scopes: components["schemas"]["ScopeList"];
            createdAt: components["schemas"]["Timestamp"];
            expiresAt?: components["schemas"]["Timestamp"];
            lastUsedAt?: components["schemas"]["Timestamp"];
            overlapEndsAt?: components["schemas"]["Timestamp"];
            revokedAt?: components["schemas"]["Timestamp"];
            /** @description The whole key. Store it now, it is not shown again. */
            secret: string;
        };
        /**
         * @description Whose the target is, where it is a session or a key: what is done to these is done to their account.
         *     Events from before this was recorded have none.
         */
        AuditAccount: {
            /** @enum {string} */
            kind: "user" | "service-account";
            /** Format: uuid */
            id: string;
        };
        /**
         * @description Who did it. Left out where nobody knows: a wrong password, and a refresh token that was used a second
         *     time, may come from anybody.
         */
        AuditActor: {
            /** @enum {string} */
            kind: "user" | "service-account";
            /** Format: uuid */
            id: string;
        };
        /** @description One act of identity or administration. */
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
            /** @description The properties that a change touched. */
            changed?: components["schemas"]["AuditedProperty"][];
            /** @description From where. Left out once the account is closed. */
            address?: string;
            /** @description The `X-Request-Id` of the call. */
            requestId: string;
        };
        /**
         * @description The closed list of what is recorded. `x-audit` names those of each operation. `password.reset` is
         *     what an operator does on the server's own machine: no account acts, and no call was made.
         * @enum {string}
         */
        AuditEventName: "account.closed" | "api-key.created" | "api-key.revoked" | "api-key.rotated" | "data.exported" | "password.changed" | "password.refused" | "password.reset" | "refresh-token.reused" | "service-account.changed" | "service-account.created" | "service-account.deleted" | "session.created" | "session.refused" | "session.revoked" | "user.changed" | "user.created" | "user.deleted";
        /** @description One page of audit events. */
        AuditEventPage: {
            data: components["schemas"]["AuditEvent"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description What it was done to. */
        AuditTarget: {
            /** @enum {string} */
            kind: "user" | "service-account" | "session" | "api-key";
            /** Format: uuid */
            id: string;
        };
        /**
         * @description A property whose changes are told in the audit log.
         * @enum {string}
         */
        AuditedProperty: "disabled" | "displayName" | "limits" | "name" | "role" | "scopes";
        /** @description A message and its answer, both kept. */
        ChatReply: {
            /**
             * Format: uuid
             * @description The making of this answer.
             */
            generationId: string;
            /**
             * Format: uuid
             * @description The conversation, made by this call if none was named.
             */
            conversationId: string;
            userMessage: components["schemas"]["Message"];
            message: components["schemas"]["Message"];
            usage: components["schemas"]["Usage"];
        };
        /** @description A message to be answered. */
        ChatRequest: {
            /** @description What you say. Anything but mere white space. */
            message: string;
            /**
             * Format: uuid
             * @description The conversation that it belongs to. Left out, a new one is made.
             */
            conversationId?: string;
            mode?: components["schemas"]["ModeId"];
            onDisconnect?: components["schemas"]["OnDisconnect"];
        };
        /** @description One event of a stream. `type` equals the event's name. */
        ChatStreamEvent: components["schemas"]["MessageStartEvent"] | components["schemas"]["MessageDeltaEvent"] | components["schemas"]["MessageEndEvent"] | components["schemas"]["MessageCancelledEvent"] | components["schemas"]["MessageErrorEvent"];
        /** @description An ordered list of messages with a title. */
        Conversation: {
            /** Format: uuid */
            id: string;
            title: string;
            mode: components["schemas"]["ModeId"];
            /** @description Put away by its owner. */
            archived: boolean;
            /** @description Kept in view by its owner. It does not change the order of lists. */
            pinned: boolean;
            /** @description How many messages it holds, of both sides. */
            messageCount: number;
            createdAt: components["schemas"]["Timestamp"];
            updatedAt: components["schemas"]["Timestamp"];
        };
        /** @description What is to change. A property that is left out stays as it is. */
        ConversationChanges: {
            title?: components["schemas"]["ConversationTitle"];
            mode?: components["schemas"]["ModeId"];
            /** @description Put it away, or fetch it back. */
            archived?: boolean;
            /** @description Keep it in view, or let it go. */
            pinned?: boolean;
        };
        /** @description A conversation to be made. */
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
            /** @description Put away by its owner. */
            archived: boolean;
            /** @description Kept in view by its owner. */
            pinned: boolean;
            /** @description How many messages it holds, of both sides. */
            messageCount: number;
            createdAt: components["schemas"]["Timestamp"];
            updatedAt: components["schemas"]["Timestamp"];
            /** @description The latest messages, oldest first, as many as make 256 kB of text. */
            messages: components["schemas"]["Message"][];
            /**
             * @description Given when there are messages before these. As `cursor` of `GET …/messages` it reads from
             *     the start of the conversation.
             */
            messagesCursor?: string;
        };
        /** @description One page of conversations. */
        ConversationPage: {
            data: components["schemas"]["Conversation"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /**
         * @description A name for people. One line: no control characters, no line ends, no bidirectional
         *     embeddings, overrides or isolates. White space around it is cut, and more must be left.
         */
        ConversationTitle: string;
        Count: number;
        /** @description Who logs in. */
        Credentials: {
            email: components["schemas"]["Email"];
            /** Format: password */
            password: string;
        };
        /**
         * @description How somebody, or a program, is called. One line: no control characters, no line ends, no
         *     bidirectional embeddings, overrides or isolates. White space around it is cut, and more must
         *     be left.
         */
        DisplayName: string;
        /**
         * @description An ASCII email address. White space around it, line ends too, is cut, and the case of its
         *     letters does not count.
         */
        Email: string;
        /** @description What answers. */
        EngineDescription: {
            /**
             * @description The built-in rules, or a model server behind Parley.
             * @enum {string}
             */
            kind: "builtin" | "openai-compatible";
            /** @description The model that answers, where it is known. */
            model?: string;
            /** @description True when the answers follow rules and no language model is behind them. */
            ruleBased: boolean;
        };
        /** @description That the export is complete. The last record. */
        ExportEnd: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "end";
            records: components["schemas"]["Count"];
        };
        /**
         * @description One line of an export. An account's records come in the order of this list; each conversation
         *     is followed by its messages.
         */
        ExportRecord: components["schemas"]["ExportedProfile"] | components["schemas"]["ExportedSession"] | components["schemas"]["ExportedConversation"] | components["schemas"]["ExportedMessage"] | components["schemas"]["ExportedFeedback"] | components["schemas"]["ExportedUsage"] | components["schemas"]["ExportedAuditEvent"] | components["schemas"]["ExportEnd"];
        /** @description Something that you did. */
        ExportedAuditEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "audit-event";
            auditEvent: components["schemas"]["AuditEvent"];
        };
        /** @description A conversation; its messages follow. */
        ExportedConversation: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "conversation";
            conversation: components["schemas"]["Conversation"];
        };
        /** @description What you thought of an answer. */
        ExportedFeedback: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "feedback";
            feedback: components["schemas"]["Feedback"];
        };
        /** @description A message of the conversation before it. */
        ExportedMessage: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message";
            message: components["schemas"]["Message"];
        };
        /** @description Who you are. The first record of an account. */
        ExportedProfile: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "profile";
            profile: components["schemas"]["Profile"];
        };
        /** @description A place where you are logged in. */
        ExportedSession: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "session";
            session: components["schemas"]["Session"];
        };
        /** @description What one answer took. */
        ExportedUsage: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "usage";
            usage: components["schemas"]["UsageRecord"];
        };
        /** @description What a person thought of an answer. */
        Feedback: {
            /** Format: uuid */
            id: string;
            /**
             * Format: uuid
             * @description The answer that it is about.
             */
            messageId: string;
            rating: components["schemas"]["Rating"];
            tags?: components["schemas"]["FeedbackTags"];
            comment?: components["schemas"]["FeedbackComment"];
            createdAt: components["schemas"]["Timestamp"];
            updatedAt: components["schemas"]["Timestamp"];
        };
        /** @description In a person's own words. */
        FeedbackComment: string;
        /** @description Feedback to be kept. */
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
        /** @description Short labels of your own choice. */
        FeedbackTags: string[];
        /**
         * @description Why a complete answer ended, as far as it is known: `stop` when the model had said all, `length`
         *     when the answer reached the greatest length and breaks off there, `contentFilter` when a policy
         *     of the model server held back the rest.
         * @enum {string}
         */
        FinishReason: "stop" | "length" | "contentFilter";
        /** @description The making of one answer. */
        Generation: {
            /** Format: uuid */
            id: string;
            /** Format: uuid */
            conversationId: string;
            /**
             * Format: uuid
             * @description The answer that it makes.
             */
            messageId: string;
            /**
             * @description `running`; `completed`; `cancelled` when it was stopped, `failed` when the engine broke off
             *     and `interrupted` when the server did.
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
        /** @description That the process is alive. */
        Health: {
            /** @enum {string} */
            status: "up";
        };
        /** @description What is left of one limit. */
        LimitState: {
            policy: components["schemas"]["PolicyName"];
            /** @description Calls in a window. */
            quota: number;
            windowSeconds: number;
            remaining: number;
            resetsAt: components["schemas"]["Timestamp"];
        };
        /** @description What is left of each limit that counts the caller. */
        LimitStateList: {
            data: components["schemas"]["LimitState"][];
        };
        /** @description Which sessions end. */
        LogoutRequest: {
            /**
             * @description This session, every other one of yours, or all of them.
             * @enum {string}
             */
            scope: "current" | "others" | "all";
        };
        /** @description One thing that was said. */
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
             * @description `complete`; `inProgress` while the answer is being made; `cancelled` when it was stopped,
             *     `failed` when the engine broke off and `interrupted` when the server did, each with the
             *     text that was kept.
             * @enum {string}
             */
            status: "complete" | "inProgress" | "cancelled" | "failed" | "interrupted";
            mode?: components["schemas"]["ModeId"];
            /** @description The model that made the answer. */
            model?: string;
            finishReason?: components["schemas"]["FinishReason"];
            /**
             * Format: int32
             * @description How many messages at the beginning of the conversation the model did not see when it
             *     answered, since the conversation has grown too long for it. Left out when it saw all.
             */
            omittedMessages?: number;
            usage?: components["schemas"]["Usage"];
            createdAt: components["schemas"]["Timestamp"];
        };
        /** @description The answer was stopped. The last event. */
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
        /** @description The answer is complete and kept. The last event. */
        MessageEndEvent: {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message.end";
            message: components["schemas"]["Message"];
            usage: components["schemas"]["Usage"];
        };
        /** @description The answer broke off. `message` is what was kept. The last event. */
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
        /** @description The engine has begun. The first event. */
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
             * @description The answer's id.
             */
            messageId: string;
            requestId: string;
            mode: components["schemas"]["ModeId"];
        };
        /** @description A manner of answering. */
        Mode: {
            id: components["schemas"]["ModeId"];
            title: string;
            description: string;
            /** @description Taken where no mode is named. */
            default: boolean;
        };
        /** @description The id of a mode. `GET /modes` lists them; more may come. */
        ModeId: string;
        /** @description All modes. */
        ModeList: {
            data: components["schemas"]["Mode"][];
        };
        /**
         * @description Send it as `cursor` for the next page. Left out on the last page, and there alone: a page may
         *     hold fewer things than `limit` and be followed by more, because its texts are long; that of a
         *     search even none.
         */
        NextCursor: string;
        /**
         * @description What becomes of the answer when you hang up before it is complete: it is finished and kept
         *     without you, or stopped and kept as far as it came.
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
             * @description 8 to 256 characters, none of the commonest.
             */
            newPassword: string;
        };
        /** @description Limits of one user. One that is left out is the server's own. */
        PersonalLimits: {
            /** @description Calls in an hour, instead of the quota of `user`. */
            hourly?: number;
            /** @description Messages in a minute, instead of the quota of `chat`. */
            chatPerMinute?: number;
        };
        /** @description The name of a limit. */
        PolicyName: string;
        /** @description How a person likes things. Each is optional. */
        Preferences: {
            defaultMode?: components["schemas"]["ModeId"];
            /** @description A language tag (BCP 47). */
            locale?: string;
            /** @description A name of the IANA time zone database. */
            timeZone?: string;
        };
        /** @description What went wrong (RFC 9457). Decide by `code`. */
        Problem: {
            /**
             * Format: uri-reference
             * @description Where this code is explained.
             */
            type: string;
            /** @description What went wrong, in words that never vary for a code. */
            title: string;
            /** @description The HTTP status. */
            status: number;
            /** @description What went wrong this time, for people. */
            detail?: string;
            /**
             * Format: uri-reference
             * @description The path that was called.
             */
            instance: string;
            code: components["schemas"]["ProblemCode"];
            /** @description The value of `X-Request-Id`. */
            requestId: string;
            /** @description Whether the same call may succeed later. */
            retryable: boolean;
            /** @description Each place where the request does not fit. */
            errors?: components["schemas"]["RequestError"][];
            /** @description The limits that are spent. */
            violatedPolicies?: components["schemas"]["PolicyName"][];
            /**
             * Format: uuid
             * @description The answer that the conversation is busy with.
             */
            activeGenerationId?: string;
        };
        /**
         * @description The closed list of what can go wrong.
         * @enum {string}
         */
        ProblemCode: "invalid-request" | "malformed-json" | "cursor-mismatch" | "context-too-long" | "unauthenticated" | "token-expired" | "token-invalid" | "refresh-token-reused" | "invalid-credentials" | "account-disabled" | "insufficient-scope" | "registration-closed" | "not-found" | "method-not-allowed" | "not-acceptable" | "request-timeout" | "email-taken" | "conversation-busy" | "idempotency-in-progress" | "generation-expired" | "precondition-failed" | "payload-too-large" | "uri-too-long" | "unsupported-media-type" | "weak-password" | "idempotency-key-reused" | "quota-exceeded" | "too-many-streams" | "export-busy" | "headers-too-large" | "internal" | "upstream-failed" | "upstream-refused" | "unavailable" | "upstream-timeout";
        /** @description Who a caller is to the server. */
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
        /** @description The profile as it shall be. */
        ProfileChanges: {
            displayName: components["schemas"]["DisplayName"];
            preferences: components["schemas"]["Preferences"];
        };
        /** @enum {string} */
        Rating: "up" | "down";
        /** @description Whether calls can be served, and what it depends on. */
        Readiness: {
            /** @enum {string} */
            status: "ready" | "degraded" | "unavailable";
            checks: components["schemas"]["ReadinessCheck"][];
        };
        /** @description One thing that the server depends on. */
        ReadinessCheck: {
            /** @enum {string} */
            name: "database" | "schema" | "limits" | "engine" | "listener";
            /** @enum {string} */
            status: "up" | "down";
        };
        /** @description The refresh token that you hold. */
        RefreshRequest: {
            refreshToken: string;
        };
        /** @description Somebody who registers. */
        Registration: {
            email: components["schemas"]["Email"];
            /**
             * Format: password
             * @description 8 to 256 characters, none of the commonest.
             */
            password: string;
            displayName: components["schemas"]["DisplayName"];
        };
        /** @description One place where a request does not fit the contract. */
        RequestError: {
            /** @enum {string} */
            in: "body" | "query" | "path" | "header";
            /** @description In the body a JSON Pointer (RFC 6901), elsewhere the parameter's name. */
            pointer: string;
            /** @description The rule that it breaks, such as `required`, `maxLength` or `unknown`. */
            code: string;
            detail: string;
        };
        /**
         * @description Something that a caller may do.
         * @enum {string}
         */
        Scope: "profile:read" | "profile:write" | "conversations:read" | "conversations:write" | "chat:write" | "feedback:read" | "feedback:write" | "usage:read" | "admin:users" | "admin:service-accounts" | "admin:audit" | "admin:feedback" | "admin:usage";
        /** @description What somebody may do. */
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
        /** @description What is to change. A property that is left out stays as it is. */
        ServiceAccountChanges: {
            name?: components["schemas"]["DisplayName"];
            scopes?: components["schemas"]["ScopeList"];
            /** @description Refuse its keys, or take them again. */
            disabled?: boolean;
        };
        /** @description A service account to be made. */
        ServiceAccountCreation: {
            name: components["schemas"]["DisplayName"];
            scopes: components["schemas"]["ScopeList"];
        };
        /** @description One page of service accounts. */
        ServiceAccountPage: {
            data: components["schemas"]["ServiceAccount"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description A place where somebody is logged in. */
        Session: {
            /** Format: uuid */
            id: string;
            createdAt: components["schemas"]["Timestamp"];
            lastUsedAt: components["schemas"]["Timestamp"];
            expiresAt: components["schemas"]["Timestamp"];
            /** @description From where the login came. */
            address: string;
            /** @description What the client called itself. Empty if it did not. */
            userAgent: string;
            /** @description Whether this call belongs to it. */
            current: boolean;
        };
        /** @description One page of sessions. */
        SessionPage: {
            data: components["schemas"]["Session"][];
            nextCursor?: components["schemas"]["NextCursor"];
        };
        /** @description The server's own description. */
        Status: {
            name: string;
            /** @description The version of the contract that it keeps. */
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
        /** @description What a session is carried on with. */
        TokenPair: {
            /** @description Send it as `Authorization: Bearer …`. */
            accessToken: string;
            /** @description Use it once, for the next pair. */
            refreshToken: string;
            /** @enum {string} */
            tokenType: "Bearer";
            /** @description For how many seconds the access token lives. */
            expiresIn: number;
            /** @description For how many seconds the refresh token lives. */
            refreshExpiresIn: number;
            /** Format: uuid */
            sessionId: string;
        };
        /** @description What an answer took, in tokens. A number that is not known is left out. */
        Usage: {
            inputTokens?: components["schemas"]["Count"];
            outputTokens?: components["schemas"]["Count"];
            totalTokens?: components["schemas"]["Count"];
            /**
             * @description Counted by the model server, or estimated from the text.
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
        /** @description What one answer took. A number that is not known is left out. */
        UsageRecord: {
            /**
             * Format: uuid
             * @description The making of the answer.
             */
            generationId: string;
            at: components["schemas"]["Timestamp"];
            inputTokens?: components["schemas"]["Count"];
            outputTokens?: components["schemas"]["Count"];
            totalTokens?: components["schemas"]["Count"];
            /**
             * @description Counted by the model server, or estimated from the text.
             * @enum {string}
             */
            source?: "upstream" | "estimated";
        };
        /** @description What was used in a span of time. */
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
        /** @description Somebody who can log in. */
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
        /** @description What is to change. A property that is left out stays as it is. */
        UserChanges: {
            displayName?: components["schemas"]["DisplayName"];
            role?: components["schemas"]["UserRole"];
            /** @description Refuse the user, or let them in again. */
            disabled?: boolean;
            limits?: components["schemas"]["PersonalLimits"];
        };
        /** @description A user to be made. */
        UserCreation: {
            email: components["schemas"]["Email"];
            /**
             * Format: password
             * @description 8 to 256 characters, none of the commonest.
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
         * @description What a user may do, as a list of scopes. `GET /users/profile` shows one's own.
         * @enum {string}
         */
        UserRole: "user" | "admin";
    };
    responses: {
        /** @description The request does not fit this document; `errors` names each place. */
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
         * @description The conversation is still answering an earlier message, or the call with this
         *     `Idempotency-Key` is still running.
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
        /** @description There is an account with this email. */
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
        /** @description The caller may not do this. */
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
        /** @description The answer ended more than 10 minutes ago, and its stream cannot be followed any more. */
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
        /** @description The call with this `Idempotency-Key` is still running. */
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
        /** @description The `Idempotency-Key` was used before, with another body. */
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
        /** @description A mistake of ours. It is logged under `requestId`. */
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
        /** @description Email and password do not belong together. */
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
        /** @description It lives under `/api/v1` now. Repeat the same call at `Location`. */
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
        /** @description `Accept` admits neither the media type of the answer nor JSON. */
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
        /** @description There is no such thing, or it is not yours. */
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
        /** @description It still has the version that you named. */
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
        /** @description The body is larger than 256 kB. */
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
        /** @description The thing has another version than `If-Match` names. `ETag` is its version now. */
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
        /** @description A limit is spent. Wait for `Retry-After` seconds. */
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
        /** @description The body did not arrive within 30 seconds. */
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
        /** @description You have as many open streams as you may. Close one, or wait for `Retry-After` seconds. */
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
        /** @description The credential is missing, expired or not ours. */
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
        /** @description Something that the server needs is not there just now. */
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
        /** @description The request does not fit this document. Costs nothing. */
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
        /** @description The caller may not do this. Costs nothing. */
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
        /** @description `Accept` admits neither the media type of the answer nor JSON. Costs nothing. */
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
        /** @description There is no such thing, or it is not yours. Costs nothing. */
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
        /** @description The body is not `application/json`, or it is compressed. */
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
        /** @description The engine failed before it answered, or refused the call. Nothing was kept. */
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
        /** @description The engine stayed silent. Nothing was kept. */
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
        /** @description The password is too short, or one of the commonest. */
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
         * @description The API key.
         * @example 01a207a2-fab2-7044-aa8b-61f03dc9493a
         */
        ApiKeyId: string;
        /**
         * @description The conversation.
         * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
         */
        ConversationId: string;
        /**
         * @description The `nextCursor` of the page before. Leave it out for the first page.
         * @example A83TynkcrNNRg0MbVdVI_4vNGknVkAgbjUUxNlsxNzk1NDI0NDI3NTAwLCIwMWEyMDdhMi05ZGVjLTcwMjktODA4NS0wNjFkOTk4MTk0YjIiXQ
         */
        Cursor: string;
        /**
         * @description The making of an answer.
         * @example 01a207a2-80a0-701c-a70f-68894adc5d2f
         */
        GenerationId: string;
        /**
         * @description A name of your own for this call, so that you may repeat it when its answer was lost: the
         *     repetition answers what the first one did. Kept for 24 hours; see *Repeating a call* above.
         * @example chat-1
         */
        IdempotencyKey: string;
        /**
         * @description Do it only if the thing still has one of these versions (`ETag`), or `*`. The comparison is
         *     strong: a weak tag (`W/"1"`) never matches. What a proxy that compresses appends to a tag
         *     (`"1-gzip"`) makes no difference.
         * @example "1"
         */
        IfMatch: string;
        /**
         * @description Answer `304` if the thing still has one of these versions (`ETag`).
         * @example "1"
         */
        IfNoneMatch: string;
        /**
         * @description The id of the last event that you have seen. Left out, the stream begins with the first. A number that
         *     no event has had is not refused: another instance may have sent more than this one knows of.
         * @example 01a207a2-80a0-701c-a70f-68894adc5d2f:1
         */
        LastEventId: string;
        /**
         * @description How many things a page holds at the most. It may hold fewer and be followed by more: go on while
         *     there is a `nextCursor`.
         * @example 1
         */
        Limit: number;
        /**
         * @description The service account.
         * @example 01a207a2-e72a-703d-bf4c-0d7969701b1f
         */
        ServiceAccountId: string;
        /**
         * @description The user.
         * @example 01a207a2-d3a2-7037-940c-b9902bf68d01
         */
        UserId: string;
    };
    requestBodies: never;
    headers: {
        /**
         * @description Tells a proxy in between not to hold the stream back.
         * @example no
         */
        AccelBuffering: "no";
        /**
         * @description The body is not encoded. It is said because a proxy that encodes an answer weakens or changes
         *     its `ETag`.
         * @example identity
         */
        ContentEncoding: "identity";
        /**
         * @description Since when this is deprecated (RFC 9745), as `@` and seconds since 1970.
         * @example @1795392000
         */
        Deprecation: string;
        /**
         * @description The version of the thing, the same for every caller. Send it back in `If-None-Match` to read
         *     only what has changed, or in `If-Match` to change only what you have read. It is always strong.
         * @example "1"
         */
        ETag: string;
        /**
         * @description That this is the answer to an earlier call with the same `Idempotency-Key`.
         * @example true
         */
        IdempotencyReplayed: "true";
        /**
         * @description Where to read about the deprecation, and what comes instead (RFC 8288).
         * @example </docs#section/Versions-and-changes>; rel="deprecation"; type="text/html"
         */
        Link: string;
        /**
         * @description Where it is.
         * @example /api/v1/health
         */
        Location: string;
        /**
         * @description The answer is for you alone and changes; no cache keeps it.
         * @example no-store
         */
        NoStore: "no-store";
        /**
         * @description No cache keeps the answer, and no proxy compresses or rewrites it.
         * @example no-store, no-transform
         */
        NoStoreNoTransform: "no-store, no-transform";
        /**
         * @description For each policy that the call counted against, what is left (`r`) and in how many seconds the
         *     window ends (`t`).
         * @example "user";r=995;t=3593, "chat";r=9;t=60
         */
        RateLimit: string;
        /**
         * @description The same as `RateLimit` elsewhere. Left out if the call had not counted against any policy: it
         *     is free, or it failed before it was counted.
         * @example "user";r=983;t=2819, "chat";r=7;t=57
         */
        RateLimitIfCounted: string;
        /**
         * @description The policies that the call counted against: the quota (`q`) in a window of seconds (`w`).
         * @example "user";q=1000;w=3600, "chat";q=10;w=60
         */
        RateLimitPolicy: string;
        /**
         * @description The same as `RateLimit-Policy` elsewhere. Left out if the call had not counted against any
         *     policy: it is free, or it failed before it was counted.
         * @example "user";q=1000;w=3600, "chat";q=10;w=60
         */
        RateLimitPolicyIfCounted: string;
        /**
         * @description The id of this call, the same as in the server's log. Send your own (1 to 128 of letters,
         *     digits, `.`, `_` and `-`) and it is kept, unless it begins with `parley_`, as secrets do.
         * @example 01a207a2-7bbe-7016-b8d9-23732e7a5e26
         */
        RequestId: string;
        /**
         * @description How many seconds to wait before the call can succeed.
         * @example 1
         */
        RetryAfter: number;
        /**
         * @description How many seconds to wait before the call can succeed. Left out where it cannot.
         * @example 2
         */
        RetryAfterFailure: number;
        /**
         * @description Only your own cache may keep the answer, and it asks before it uses it again. No proxy compresses
         *     or rewrites it.
         * @example private, no-cache, no-transform
         */
        Revalidate: "private, no-cache, no-transform";
        /**
         * @description The day on which this goes away (RFC 8594).
         * @example Tue, 30 Nov 2027 00:00:00 GMT
         */
        Sunset: string;
        /**
         * @description How to authenticate (RFC 6750). Without a credential it names no `error`; with one that was
         *     refused it says `error="invalid_token"`.
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
            /** @description Calls can be served. */
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
            /** @description Calls cannot be served just now. The one `503` that is not a problem. */
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
            /** @description The server's own description. */
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
            /** @description All modes; exactly one is the default. */
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
        /** @description Who logs in. */
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
        /** @description The refresh token that you hold. */
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
        /** @description Which sessions end. */
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
        /** @description Who you are. */
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
            /** @description The account exists. Log in with it. */
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
        /** @description The password that you have, and the one that you want. */
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
            /** @description The password is changed. */
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
                 * @description How many things a page holds at the most. It may hold fewer and be followed by more: go on while
                 *     there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the page before. Leave it out for the first page.
                 * @example A83TynkcrNNRg0MbVdVI_4vNGknVkAgbjUUxNlsxNzk1NDI0NDI3NTAwLCIwMWEyMDdhMi05ZGVjLTcwMjktODA4NS0wNjFkOTk4MTk0YjIiXQ
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
                 * @description The session.
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
                 * @description Only those whose title contains this text, whatever the case of either, and composed or decomposed (NFC, NFD).
                 * @example holiday
                 */
                q?: string;
                /**
                 * @description Only the archived ones (`true`), or only the others (`false`). Both if left out.
                 * @example false
                 */
                archived?: boolean;
                /**
                 * @description How many things a page holds at the most. It may hold fewer and be followed by more: go on while
                 *     there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the page before. Leave it out for the first page.
                 * @example A83TynkcrNNRg0MbVdVI_4vNGknVkAgbjUUxNlsxNzk1NDI0NDI3NTAwLCIwMWEyMDdhMi05ZGVjLTcwMjktODA4NS0wNjFkOTk4MTk0YjIiXQ
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
                     *           "id": "01a207a2-9dec-7029-8085-061d998194b2",
                     *           "title": "A holiday at home",
                     *           "mode": "balanced",
                     *           "archived": false,
                     *           "pinned": false,
                     *           "messageCount": 0,
                     *           "createdAt": "2026-11-23T09:00:27.500Z",
                     *           "updatedAt": "2026-11-23T09:00:27.500Z"
                     *         }
                     *       ],
                     *       "nextCursor": "A83TynkcrNNRg0MbVdVI_4vNGknVkAgbjUUxNlsxNzk1NDI0NDI3NTAwLCIwMWEyMDdhMi05ZGVjLTcwMjktODA4NS0wNjFkOTk4MTk0YjIiXQ"
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
                 * @description A name of your own for this call, so that you may repeat it when its answer was lost: the
                 *     repetition answers what the first one did. Kept for 24 hours; see *Repeating a call* above.
                 * @example chat-1
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        /** @description What the conversation is to be. An empty object will do. */
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
            /** @description The conversation exists. */
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
                 * @description Answer `304` if the thing still has one of these versions (`ETag`).
                 * @example "1"
                 */
                "If-None-Match"?: components["parameters"]["IfNoneMatch"];
            };
            path: {
                /**
                 * @description The conversation.
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
                     *       "updatedAt": "2026-11-23T09:00:26.250Z",
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
                     *           "id": "01a207a2-9428-7025-8c60-d654501825a5",
                     *           "conversationId": "01a207a2-7bbe-7018-b2eb-3a72b09b6400",
                     *           "role": "user",
                     *           "content": "Tell me a long story.",
                     *           "status": "complete",
                     *           "createdAt": "2026-11-23T09:00:25.000Z"
                     *         },
                     *         {
                     *           "id": "01a207a2-9428-7026-8969-e1233d04bbd8",
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
                     *           "createdAt": "2026-11-23T09:00:25.000Z"
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
                 * @description Do it only if the thing still has one of these versions (`ETag`), or `*`. The comparison is
                 *     strong: a weak tag (`W/"1"`) never matches. What a proxy that compresses appends to a tag
                 *     (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /**
                 * @description The conversation.
                 * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
                 */
                conversationId: components["parameters"]["ConversationId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The conversation is gone. */
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
                 * @description Do it only if the thing still has one of these versions (`ETag`), or `*`. The comparison is
                 *     strong: a weak tag (`W/"1"`) never matches. What a proxy that compresses appends to a tag
                 *     (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /**
                 * @description The conversation.
                 * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
                 */
                conversationId: components["parameters"]["ConversationId"];
            };
            cookie?: never;
        };
        /** @description What is to change. */
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
            /** @description The conversation as it is now. */
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
                     *       "updatedAt": "2026-11-23T09:00:36.250Z"
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
                 * @description The conversation.
                 * @example 01a207a2-7bbe-7018-b2eb-3a72b09b6400
                 */
                conversationId: components["parameters"]["ConversationId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The records, one a line. */
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
                     *         "updatedAt": "2026-11-23T09:00:26.250Z"
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
                 * @description How many things a page holds at the most. It may hold fewer and be followed by more: go on while
                 *     there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the page before. Leave it out for the first page.
                 * @example A83TynkcrNNRg0MbVdVI_4vNGknVkAgbjUUxNlsxNzk1NDI0NDI3NTAwLCIwMWEyMDdhMi05ZGVjLTcwMjktODA4NS0wNjFkOTk4MTk0YjIiXQ
                 */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path: {
                /**
                 * @description The conversation.
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
                 * @description A name of your own for this call, so that you may repeat it when its answer was lost: the
                 *     repetition answers what the first one did. Kept for 24 hours; see *Repeating a call* above.
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
            /** @description The answer, complete and kept. */
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
                 * @description A name of your own for this call, so that you may repeat it when its answer was lost: the
                 *     repetition answers what the first one did. Kept for 24 hours; see *Repeating a call* above.
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
            /** @description The engine has begun to answer. Each event's `data` is one `ChatStreamEvent` as JSON. */
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
                 * @description The making of an answer.
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
                     *       "id": "01a207a2-80a0-701c-a70f-68894adc5d2f",
                     *       "conversationId": "01a207a2-80a0-701d-a418-7672fb007068",
                     *       "messageId": "01a207a2-80a0-701f-9e2a-8fea91e89751",
                     *       "status": "completed",
                     *       "startedAt": "2026-11-23T09:00:20.000Z",
                     *       "endedAt": "2026-11-23T09:00:20.000Z",
                     *       "usage": {
                     *         "inputTokens": 5,
                     *         "outputTokens": 6,
                     *         "totalTokens": 11,
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
                 * @description The making of an answer.
                 * @example 01a207a2-80a0-701c-a70f-68894adc5d2f
                 */
                generationId: components["parameters"]["GenerationId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The message as it is kept. */
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
                     *       "id": "01a207a2-9428-7026-8969-e1233d04bbd8",
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
                     *       "createdAt": "2026-11-23T09:00:25.000Z"
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
                 * @description The id of the last event that you have seen. Left out, the stream begins with the first. A number that
                 *     no event has had is not refused: another instance may have sent more than this one knows of.
                 * @example 01a207a2-80a0-701c-a70f-68894adc5d2f:1
                 */
                "Last-Event-ID"?: components["parameters"]["LastEventId"];
            };
            path: {
                /**
                 * @description The making of an answer.
                 * @example 01a207a2-80a0-701c-a70f-68894adc5d2f
                 */
                generationId: components["parameters"]["GenerationId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The events. Each `data` is one `ChatStreamEvent` as JSON. */
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
            /** @description You have seen all of it. */
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
                 * @description How many things a page holds at the most. It may hold fewer and be followed by more: go on while
                 *     there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the page before. Leave it out for the first page.
                 * @example A83TynkcrNNRg0MbVdVI_4vNGknVkAgbjUUxNlsxNzk1NDI0NDI3NTAwLCIwMWEyMDdhMi05ZGVjLTcwMjktODA4NS0wNjFkOTk4MTk0YjIiXQ
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
                     *           "id": "01a207a2-c4fc-7031-a5d6-71b8d908c53f",
                     *           "messageId": "01a207a2-7bbe-701a-acfd-53d84e82718c",
                     *           "rating": "up",
                     *           "tags": [
                     *             "helpful"
                     *           ],
                     *           "comment": "It remembered my name.",
                     *           "createdAt": "2026-11-23T09:00:37.500Z",
                     *           "updatedAt": "2026-11-23T09:00:37.500Z"
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
                 * @description A name of your own for this call, so that you may repeat it when its answer was lost: the
                 *     repetition answers what the first one did. Kept for 24 hours; see *Repeating a call* above.
                 * @example chat-1
                 */
                "Idempotency-Key"?: components["parameters"]["IdempotencyKey"];
            };
            path?: never;
            cookie?: never;
        };
        /** @description What you thought of the answer. */
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
            /** @description The feedback as it is kept. */
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
                     *       "id": "01a207a2-c4fc-7031-a5d6-71b8d908c53f",
                     *       "messageId": "01a207a2-7bbe-701a-acfd-53d84e82718c",
                     *       "rating": "up",
                     *       "tags": [
                     *         "helpful"
                     *       ],
                     *       "comment": "It remembered my name.",
                     *       "createdAt": "2026-11-23T09:00:37.500Z",
                     *       "updatedAt": "2026-11-23T09:00:37.500Z"
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
                 * @description The feedback.
                 * @example 01a207a2-c4fc-7031-a5d6-71b8d908c53f
                 */
                feedbackId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The feedback is gone. */
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
                 * @description Answer `304` if the thing still has one of these versions (`ETag`).
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
                 * @description Do it only if the thing still has one of these versions (`ETag`), or `*`. The comparison is
                 *     strong: a weak tag (`W/"1"`) never matches. What a proxy that compresses appends to a tag
                 *     (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path?: never;
            cookie?: never;
        };
        /** @description The profile as it shall be. */
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
            /** @description The profile as it is now. */
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
                 * @description Do it only if the thing still has one of these versions (`ETag`), or `*`. The comparison is
                 *     strong: a weak tag (`W/"1"`) never matches. What a proxy that compresses appends to a tag
                 *     (`"1-gzip"`) makes no difference.
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
            /** @description The records, one a line. */
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
                 * @description Count from this time on. The default is 30 days before `to`.
                 * @example 2026-11-01T00:00:00Z
                 */
                from?: string;
                /**
                 * @description Count up to this time, itself excluded. The default is now.
                 * @example 2026-12-01T00:00:00Z
                 */
                to?: string;
                /**
                 * @description The width of a bucket. With `hour`, `from` and `to` may lie up to 31 days apart, with
                 *     `day` up to 366.
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
                 * @description Only those whose email or display name contains this text, whatever the case of either, and composed or decomposed (NFC, NFD).
                 * @example grace
                 */
                q?: string;
                /**
                 * @description Only those with this role.
                 * @example user
                 */
                role?: components["schemas"]["UserRole"];
                /**
                 * @description Only the disabled ones (`true`), or only the others (`false`). Both if left out.
                 * @example false
                 */
                disabled?: boolean;
                /**
                 * @description How many things a page holds at the most. It may hold fewer and be followed by more: go on while
                 *     there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the page before. Leave it out for the first page.
                 * @example A83TynkcrNNRg0MbVdVI_4vNGknVkAgbjUUxNlsxNzk1NDI0NDI3NTAwLCIwMWEyMDdhMi05ZGVjLTcwMjktODA4NS0wNjFkOTk4MTk0YjIiXQ
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
        /** @description Who it is. */
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
            /** @description The user exists. */
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
                 * @description Answer `304` if the thing still has one of these versions (`ETag`).
                 * @example "1"
                 */
                "If-None-Match"?: components["parameters"]["IfNoneMatch"];
            };
            path: {
                /**
                 * @description The user.
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
                     *       "disabled": false,
                     *       "limits": {},
                     *       "createdAt": "2026-11-23T09:00:41.250Z",
                     *       "updatedAt": "2026-11-23T09:00:41.250Z"
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
                 * @description Do it only if the thing still has one of these versions (`ETag`), or `*`. The comparison is
                 *     strong: a weak tag (`W/"1"`) never matches. What a proxy that compresses appends to a tag
                 *     (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /**
                 * @description The user.
                 * @example 01a207a2-d3a2-7037-940c-b9902bf68d01
                 */
                userId: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user is gone. */
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
                 * @description Do it only if the thing still has one of these versions (`ETag`), or `*`. The comparison is
                 *     strong: a weak tag (`W/"1"`) never matches. What a proxy that compresses appends to a tag
                 *     (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /**
                 * @description The user.
                 * @example 01a207a2-d3a2-7037-940c-b9902bf68d01
                 */
                userId: components["parameters"]["UserId"];
            };
            cookie?: never;
        };
        /** @description What is to change. */
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
            /** @description The user as it is now. */
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
                     *       "updatedAt": "2026-11-23T09:00:45.000Z"
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
                 * @description Only those whose name contains this text, whatever the case of either, and composed or decomposed (NFC, NFD).
                 * @example desk
                 */
                q?: string;
                /**
                 * @description Only the disabled ones (`true`), or only the others (`false`). Both if left out.
                 * @example false
                 */
                disabled?: boolean;
                /**
                 * @description How many things a page holds at the most. It may hold fewer and be followed by more: go on while
                 *     there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the page before. Leave it out for the first page.
                 * @example A83TynkcrNNRg0MbVdVI_4vNGknVkAgbjUUxNlsxNzk1NDI0NDI3NTAwLCIwMWEyMDdhMi05ZGVjLTcwMjktODA4NS0wNjFkOTk4MTk0YjIiXQ
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
                     *           "id": "01a207a2-e72a-703d-bf4c-0d7969701b1f",
                     *           "name": "Help desk",
                     *           "scopes": [
                     *             "chat:write"
                     *           ],
                     *           "disabled": false,
                     *           "createdAt": "2026-11-23T09:00:46.250Z",
                     *           "updatedAt": "2026-11-23T09:00:48.750Z"
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
        /** @description What it is. */
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
            /** @description The service account exists. */
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
                     *       "id": "01a207a2-e72a-703d-bf4c-0d7969701b1f",
                     *       "name": "Help desk",
                     *       "scopes": [
                     *         "chat:write",
                     *         "conversations:read"
                     *       ],
                     *       "disabled": false,
                     *       "createdAt": "2026-11-23T09:00:46.250Z",
                     *       "updatedAt": "2026-11-23T09:00:46.250Z"
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
                 * @description Answer `304` if the thing still has one of these versions (`ETag`).
                 * @example "1"
                 */
                "If-None-Match"?: components["parameters"]["IfNoneMatch"];
            };
            path: {
                /**
                 * @description The service account.
                 * @example 01a207a2-e72a-703d-bf4c-0d7969701b1f
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
                     *       "id": "01a207a2-e72a-703d-bf4c-0d7969701b1f",
                     *       "name": "Help desk",
                     *       "scopes": [
                     *         "chat:write",
                     *         "conversations:read"
                     *       ],
                     *       "disabled": false,
                     *       "createdAt": "2026-11-23T09:00:46.250Z",
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
                 * @description Do it only if the thing still has one of these versions (`ETag`), or `*`. The comparison is
                 *     strong: a weak tag (`W/"1"`) never matches. What a proxy that compresses appends to a tag
                 *     (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /**
                 * @description The service account.
                 * @example 01a207a2-e72a-703d-bf4c-0d7969701b1f
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The service account is gone. */
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
                 * @description Do it only if the thing still has one of these versions (`ETag`), or `*`. The comparison is
                 *     strong: a weak tag (`W/"1"`) never matches. What a proxy that compresses appends to a tag
                 *     (`"1-gzip"`) makes no difference.
                 * @example "1"
                 */
                "If-Match"?: components["parameters"]["IfMatch"];
            };
            path: {
                /**
                 * @description The service account.
                 * @example 01a207a2-e72a-703d-bf4c-0d7969701b1f
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
            };
            cookie?: never;
        };
        /** @description What is to change. */
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
            /** @description The service account as it is now. */
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
                     *       "id": "01a207a2-e72a-703d-bf4c-0d7969701b1f",
                     *       "name": "Help desk",
                     *       "scopes": [
                     *         "chat:write"
                     *       ],
                     *       "disabled": false,
                     *       "createdAt": "2026-11-23T09:00:46.250Z",
                     *       "updatedAt": "2026-11-23T09:00:48.750Z"
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
                 * @description How many things a page holds at the most. It may hold fewer and be followed by more: go on while
                 *     there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the page before. Leave it out for the first page.
                 * @example A83TynkcrNNRg0MbVdVI_4vNGknVkAgbjUUxNlsxNzk1NDI0NDI3NTAwLCIwMWEyMDdhMi05ZGVjLTcwMjktODA4NS0wNjFkOTk4MTk0YjIiXQ
                 */
                cursor?: components["parameters"]["Cursor"];
            };
            header?: never;
            path: {
                /**
                 * @description The service account.
                 * @example 01a207a2-e72a-703d-bf4c-0d7969701b1f
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
                     *           "id": "01a207a2-ff94-7048-9eaf-90e1d46f3fa9",
                     *           "name": "production",
                     *           "prefix": "parley_live_0aB3cD4eF5gH",
                     *           "scopes": [
                     *             "chat:write"
                     *           ],
                     *           "createdAt": "2026-11-23T09:00:52.500Z",
                     *           "expiresAt": "2027-11-23T09:00:01.250Z"
                     *         },
                     *         {
                     *           "id": "01a207a2-fab2-7044-aa8b-61f03dc9493a",
                     *           "name": "production",
                     *           "prefix": "parley_live_0aB3cD4eF5gH",
                     *           "scopes": [
                     *             "chat:write"
                     *           ],
                     *           "createdAt": "2026-11-23T09:00:51.250Z",
                     *           "expiresAt": "2027-11-23T09:00:00.000Z",
                     *           "overlapEndsAt": "2026-11-24T09:00:52.500Z"
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
                 * @description The service account.
                 * @example 01a207a2-e72a-703d-bf4c-0d7969701b1f
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
            };
            cookie?: never;
        };
        /** @description What it is for. */
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
                     *       "id": "01a207a2-fab2-7044-aa8b-61f03dc9493a",
                     *       "name": "production",
                     *       "prefix": "parley_live_0aB3cD4eF5gH",
                     *       "scopes": [
                     *         "chat:write"
                     *       ],
                     *       "createdAt": "2026-11-23T09:00:51.250Z",
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
                 * @description The service account.
                 * @example 01a207a2-e72a-703d-bf4c-0d7969701b1f
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
                /**
                 * @description The API key.
                 * @example 01a207a2-fab2-7044-aa8b-61f03dc9493a
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
                 * @description The service account.
                 * @example 01a207a2-e72a-703d-bf4c-0d7969701b1f
                 */
                serviceAccountId: components["parameters"]["ServiceAccountId"];
                /**
                 * @description The API key.
                 * @example 01a207a2-fab2-7044-aa8b-61f03dc9493a
                 */
                apiKeyId: components["parameters"]["ApiKeyId"];
            };
            cookie?: never;
        };
        /** @description How long the old key goes on. */
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
                     *       "id": "01a207a2-ff94-7048-9eaf-90e1d46f3fa9",
                     *       "name": "production",
                     *       "prefix": "parley_live_0aB3cD4eF5gH",
                     *       "scopes": [
                     *         "chat:write"
                     *       ],
                     *       "createdAt": "2026-11-23T09:00:52.500Z",
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
                 * @description Only events of this name.
                 * @example user.created
                 */
                event?: components["schemas"]["AuditEventName"];
                /**
                 * @description Only what this account did.
                 * @example 01a207a2-3280-7000-bd09-0faec63be8f8
                 */
                actorId?: string;
                /**
                 * @description Only what was done to this thing.
                 * @example 01a207a2-d3a2-7037-940c-b9902bf68d01
                 */
                targetId?: string;
                /**
                 * @description How many things a page holds at the most. It may hold fewer and be followed by more: go on while
                 *     there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the page before. Leave it out for the first page.
                 * @example A83TynkcrNNRg0MbVdVI_4vNGknVkAgbjUUxNlsxNzk1NDI0NDI3NTAwLCIwMWEyMDdhMi05ZGVjLTcwMjktODA4NS0wNjFkOTk4MTk0YjIiXQ
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
                 * @description Only feedback with this rating.
                 * @example up
                 */
                rating?: components["schemas"]["Rating"];
                /**
                 * @description How many things a page holds at the most. It may hold fewer and be followed by more: go on while
                 *     there is a `nextCursor`.
                 * @example 1
                 */
                limit?: components["parameters"]["Limit"];
                /**
                 * @description The `nextCursor` of the page before. Leave it out for the first page.
                 * @example A83TynkcrNNRg0MbVdVI_4vNGknVkAgbjUUxNlsxNzk1NDI0NDI3NTAwLCIwMWEyMDdhMi05ZGVjLTcwMjktODA4NS0wNjFkOTk4MTk0YjIiXQ
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
                     *           "id": "01a207a2-c4fc-7031-a5d6-71b8d908c53f",
                     *           "userId": "01a207a2-4fcc-7008-a551-6fae042b6e86",
                     *           "messageId": "01a207a2-7bbe-701a-acfd-53d84e82718c",
                     *           "rating": "up",
                     *           "tags": [
                     *             "helpful"
                     *           ],
                     *           "comment": "It remembered my name.",
                     *           "createdAt": "2026-11-23T09:00:37.500Z",
                     *           "updatedAt": "2026-11-23T09:00:37.500Z"
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
                 * @description Count from this time on. The default is 30 days before `to`.
                 * @example 2026-11-01T00:00:00Z
                 */
                from?: string;
                /**
                 * @description Count up to this time, itself excluded. The default is now.
                 * @example 2026-12-01T00:00:00Z
                 */
                to?: string;
                /**
                 * @description The width of a bucket. With `hour`, `from` and `to` may lie up to 31 days apart, with
                 *     `day` up to 366.
                 * @example day
                 */
                granularity?: components["schemas"]["Granularity"];
                /**
                 * @description Only the usage of this user or service account.
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
