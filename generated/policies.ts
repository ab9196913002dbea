// Made from openapi/api.yaml by `npm run generate`. Do not edit: edit the contract.

/** The path that every operation is below. */
export const basePath = "/api/v1"

/** Security and x- keys of each operation, which openapi-typescript leaves out. */
export const policies = {
  "getHealth": {
    "method": "get",
    "path": "/health",
    "tag": "system",
    "auth": "public",
    "scopes": [],
    "rateLimit": [],
    "problems": [],
    "audit": []
  },
  "getReadiness": {
    "method": "get",
    "path": "/health/ready",
    "tag": "system",
    "auth": "public",
    "scopes": [],
    "rateLimit": [],
    "problems": [],
    "audit": []
  },
  "getStatus": {
    "method": "get",
    "path": "/status",
    "tag": "system",
    "auth": "public",
    "scopes": [],
    "rateLimit": [
      "anonymous"
    ],
    "problems": [],
    "audit": []
  },
  "listModes": {
    "method": "get",
    "path": "/modes",
    "tag": "system",
    "auth": "public",
    "scopes": [],
    "rateLimit": [
      "anonymous"
    ],
    "problems": [],
    "audit": []
  },
  "getRateLimits": {
    "method": "get",
    "path": "/rate-limits",
    "tag": "system",
    "auth": "optional",
    "scopes": [],
    "rateLimit": [],
    "problems": [],
    "audit": []
  },
  "logIn": {
    "method": "post",
    "path": "/auth/login",
    "tag": "auth",
    "auth": "public",
    "scopes": [],
    "rateLimit": [
      "anonymous",
      "sign-in-address",
      "sign-in-account"
    ],
    "problems": [
      "invalid-credentials",
      "account-disabled"
    ],
    "audit": [
      "session.created",
      "session.refused"
    ]
  },
  "refreshTokens": {
    "method": "post",
    "path": "/auth/refresh",
    "tag": "auth",
    "auth": "public",
    "scopes": [],
    "rateLimit": [
      "anonymous",
      "sign-in-address"
    ],
    "problems": [
      "token-expired",
      "token-invalid",
      "refresh-token-reused",
      "account-disabled"
    ],
    "audit": [
      "refresh-token.reused"
    ]
  },
  "logOutByLink": {
    "method": "get",
    "path": "/auth/logout",
    "tag": "auth",
    "auth": "session",
    "scopes": [],
    "rateLimit": [
      "user"
    ],
    "problems": [],
    "audit": [
      "session.revoked"
    ]
  },
  "logOut": {
    "method": "post",
    "path": "/auth/logout",
    "tag": "auth",
    "auth": "session",
    "scopes": [],
    "rateLimit": [
      "user"
    ],
    "problems": [],
    "audit": [
      "session.revoked"
    ]
  },
  "register": {
    "method": "post",
    "path": "/auth/register",
    "tag": "auth",
    "auth": "public",
    "scopes": [],
    "rateLimit": [
      "anonymous"
    ],
    "problems": [
      "registration-closed",
      "email-taken",
      "weak-password"
    ],
    "audit": [
      "user.created"
    ]
  },
  "changePassword": {
    "method": "put",
    "path": "/auth/password",
    "tag": "auth",
    "auth": "session",
    "scopes": [],
    "rateLimit": [
      "user",
      "sign-in-address",
      "sign-in-account"
    ],
    "problems": [
      "invalid-credentials",
      "weak-password"
    ],
    "audit": [
      "password.changed",
      "password.refused",
      "session.revoked"
    ]
  },
  "listSessions": {
    "method": "get",
    "path": "/auth/sessions",
    "tag": "auth",
    "auth": "session",
    "scopes": [],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "cursor-mismatch"
    ],
    "audit": []
  },
  "endSession": {
    "method": "delete",
    "path": "/auth/sessions/{sessionId}",
    "tag": "auth",
    "auth": "session",
    "scopes": [],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found"
    ],
    "audit": [
      "session.revoked"
    ]
  },
  "listConversations": {
    "method": "get",
    "path": "/conversations",
    "tag": "conversations",
    "auth": "required",
    "scopes": [
      "conversations:read"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "cursor-mismatch"
    ],
    "audit": []
  },
  "createConversation": {
    "method": "post",
    "path": "/conversations",
    "tag": "conversations",
    "auth": "required",
    "scopes": [
      "conversations:write"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "idempotency-in-progress",
      "idempotency-key-reused"
    ],
    "audit": []
  },
  "getConversation": {
    "method": "get",
    "path": "/conversations/{conversationId}",
    "tag": "conversations",
    "auth": "required",
    "scopes": [
      "conversations:read"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found",
      "export-busy"
    ],
    "audit": []
  },
  "deleteConversation": {
    "method": "delete",
    "path": "/conversations/{conversationId}",
    "tag": "conversations",
    "auth": "required",
    "scopes": [
      "conversations:write"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found",
      "precondition-failed"
    ],
    "audit": []
  },
  "changeConversation": {
    "method": "patch",
    "path": "/conversations/{conversationId}",
    "tag": "conversations",
    "auth": "required",
    "scopes": [
      "conversations:write"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found",
      "precondition-failed"
    ],
    "audit": []
  },
  "exportConversation": {
    "method": "get",
    "path": "/conversations/{conversationId}/export",
    "tag": "conversations",
    "auth": "required",
    "scopes": [
      "conversations:read"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found",
      "export-busy"
    ],
    "audit": []
  },
  "listMessages": {
    "method": "get",
    "path": "/conversations/{conversationId}/messages",
    "tag": "conversations",
    "auth": "required",
    "scopes": [
      "conversations:read"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found",
      "cursor-mismatch",
      "export-busy"
    ],
    "audit": []
  },
  "sendMessage": {
    "method": "post",
    "path": "/chat",
    "tag": "chat",
    "auth": "required",
    "scopes": [
      "chat:write"
    ],
    "rateLimit": [
      "user",
      "chat"
    ],
    "problems": [
      "not-found",
      "conversation-busy",
      "context-too-long",
      "upstream-failed",
      "upstream-refused",
      "upstream-timeout",
      "idempotency-in-progress",
      "idempotency-key-reused"
    ],
    "audit": []
  },
  "streamMessage": {
    "method": "post",
    "path": "/chat/stream",
    "tag": "chat",
    "auth": "required",
    "scopes": [
      "chat:write"
    ],
    "rateLimit": [
      "user",
      "chat"
    ],
    "problems": [
      "not-found",
      "conversation-busy",
      "context-too-long",
      "upstream-failed",
      "upstream-refused",
      "upstream-timeout",
      "idempotency-in-progress",
      "idempotency-key-reused",
      "too-many-streams"
    ],
    "audit": []
  },
  "getGeneration": {
    "method": "get",
    "path": "/chat/generations/{generationId}",
    "tag": "chat",
    "auth": "required",
    "scopes": [
      "chat:write"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found"
    ],
    "audit": []
  },
  "cancelGeneration": {
    "method": "post",
    "path": "/chat/generations/{generationId}/cancel",
    "tag": "chat",
    "auth": "required",
    "scopes": [
      "chat:write"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found"
    ],
    "audit": []
  },
  "resumeStream": {
    "method": "get",
    "path": "/chat/generations/{generationId}/stream",
    "tag": "chat",
    "auth": "required",
    "scopes": [
      "chat:write"
    ],
    "rateLimit": [],
    "problems": [
      "not-found",
      "generation-expired",
      "too-many-streams"
    ],
    "audit": []
  },
  "listFeedback": {
    "method": "get",
    "path": "/feedback",
    "tag": "feedback",
    "auth": "required",
    "scopes": [
      "feedback:read"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "cursor-mismatch",
      "export-busy"
    ],
    "audit": []
  },
  "giveFeedback": {
    "method": "post",
    "path": "/feedback",
    "tag": "feedback",
    "auth": "required",
    "scopes": [
      "feedback:write"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found",
      "idempotency-in-progress",
      "idempotency-key-reused"
    ],
    "audit": []
  },
  "deleteFeedback": {
    "method": "delete",
    "path": "/feedback/{feedbackId}",
    "tag": "feedback",
    "auth": "required",
    "scopes": [
      "feedback:write"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found"
    ],
    "audit": []
  },
  "getProfile": {
    "method": "get",
    "path": "/users/profile",
    "tag": "users",
    "auth": "required",
    "scopes": [
      "profile:read"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [],
    "audit": []
  },
  "replaceProfile": {
    "method": "put",
    "path": "/users/profile",
    "tag": "users",
    "auth": "required",
    "scopes": [
      "profile:write"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "precondition-failed"
    ],
    "audit": [
      "user.changed",
      "service-account.changed"
    ]
  },
  "closeAccount": {
    "method": "delete",
    "path": "/users/profile",
    "tag": "users",
    "auth": "session",
    "scopes": [
      "profile:write"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "precondition-failed"
    ],
    "audit": [
      "account.closed"
    ]
  },
  "exportAccount": {
    "method": "get",
    "path": "/users/export",
    "tag": "users",
    "auth": "required",
    "scopes": [
      "conversations:read",
      "feedback:read",
      "profile:read",
      "usage:read"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "export-busy"
    ],
    "audit": [
      "data.exported"
    ]
  },
  "getUsage": {
    "method": "get",
    "path": "/users/usage",
    "tag": "users",
    "auth": "required",
    "scopes": [
      "usage:read"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [],
    "audit": []
  },
  "listUsers": {
    "method": "get",
    "path": "/admin/users",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:users"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "cursor-mismatch"
    ],
    "audit": []
  },
  "createUser": {
    "method": "post",
    "path": "/admin/users",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:users"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "email-taken",
      "weak-password"
    ],
    "audit": [
      "user.created"
    ]
  },
  "getUser": {
    "method": "get",
    "path": "/admin/users/{userId}",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:users"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found"
    ],
    "audit": []
  },
  "deleteUser": {
    "method": "delete",
    "path": "/admin/users/{userId}",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:users"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found",
      "precondition-failed"
    ],
    "audit": [
      "user.deleted"
    ]
  },
  "changeUser": {
    "method": "patch",
    "path": "/admin/users/{userId}",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:users"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found",
      "precondition-failed"
    ],
    "audit": [
      "user.changed"
    ]
  },
  "listServiceAccounts": {
    "method": "get",
    "path": "/admin/service-accounts",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:service-accounts"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "cursor-mismatch"
    ],
    "audit": []
  },
  "createServiceAccount": {
    "method": "post",
    "path": "/admin/service-accounts",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:service-accounts"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [],
    "audit": [
      "service-account.created"
    ]
  },
  "getServiceAccount": {
    "method": "get",
    "path": "/admin/service-accounts/{serviceAccountId}",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:service-accounts"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found"
    ],
    "audit": []
  },
  "deleteServiceAccount": {
    "method": "delete",
    "path": "/admin/service-accounts/{serviceAccountId}",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:service-accounts"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found",
      "precondition-failed"
    ],
    "audit": [
      "service-account.deleted"
    ]
  },
  "changeServiceAccount": {
    "method": "patch",
    "path": "/admin/service-accounts/{serviceAccountId}",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:service-accounts"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found",
      "precondition-failed"
    ],
    "audit": [
      "service-account.changed"
    ]
  },
  "listApiKeys": {
    "method": "get",
    "path": "/admin/service-accounts/{serviceAccountId}/api-keys",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:service-accounts"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found",
      "cursor-mismatch"
    ],
    "audit": []
  },
  "createApiKey": {
    "method": "post",
    "path": "/admin/service-accounts/{serviceAccountId}/api-keys",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:service-accounts"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found"
    ],
    "audit": [
      "api-key.created"
    ]
  },
  "revokeApiKey": {
    "method": "delete",
    "path": "/admin/service-accounts/{serviceAccountId}/api-keys/{apiKeyId}",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:service-accounts"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found"
    ],
    "audit": [
      "api-key.revoked"
    ]
  },
  "rotateApiKey": {
    "method": "post",
    "path": "/admin/service-accounts/{serviceAccountId}/api-keys/{apiKeyId}/rotate",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:service-accounts"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found"
    ],
    "audit": [
      "api-key.created",
      "api-key.rotated"
    ]
  },
  "listAuditEvents": {
    "method": "get",
    "path": "/admin/audit-events",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:audit"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "cursor-mismatch"
    ],
    "audit": []
  },
  "listAllFeedback": {
    "method": "get",
    "path": "/admin/feedback",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:feedback"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "cursor-mismatch",
      "export-busy"
    ],
    "audit": []
  },
  "getAllUsage": {
    "method": "get",
    "path": "/admin/usage",
    "tag": "admin",
    "auth": "required",
    "scopes": [
      "admin:usage"
    ],
    "rateLimit": [
      "user"
    ],
    "problems": [],
    "audit": []
  },
  "testServer": {
    "method": "get",
    "path": "/test",
    "tag": "legacy",
    "auth": "public",
    "scopes": [],
    "rateLimit": [
      "anonymous"
    ],
    "problems": [],
    "audit": [],
    "movedTo": "getHealth"
  }
} as const
