// Made from openapi/api.yaml by `npm run generate`. Do not edit: edit the contract.

/** Security and x- keys of each operation, which openapi-typescript leaves out. */
export const policies = {
  "getHealth": {
    "method": "get",
    "path": "/health",
    "tag": "system",
    "auth": "public",
    "scopes": [],
    "rateLimit": [],
    "problems": []
  },
  "getReadiness": {
    "method": "get",
    "path": "/health/ready",
    "tag": "system",
    "auth": "public",
    "scopes": [],
    "rateLimit": [],
    "problems": []
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
    "problems": []
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
    "problems": []
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
    ]
  },
  "logOutByLink": {
    "method": "get",
    "path": "/auth/logout",
    "tag": "auth",
    "auth": "required",
    "scopes": [],
    "rateLimit": [
      "user"
    ],
    "problems": []
  },
  "logOut": {
    "method": "post",
    "path": "/auth/logout",
    "tag": "auth",
    "auth": "required",
    "scopes": [],
    "rateLimit": [
      "user"
    ],
    "problems": []
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
    ]
  },
  "changePassword": {
    "method": "put",
    "path": "/auth/password",
    "tag": "auth",
    "auth": "required",
    "scopes": [],
    "rateLimit": [
      "user",
      "sign-in-address",
      "sign-in-account"
    ],
    "problems": [
      "invalid-credentials",
      "weak-password"
    ]
  },
  "listSessions": {
    "method": "get",
    "path": "/auth/sessions",
    "tag": "auth",
    "auth": "required",
    "scopes": [],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "cursor-mismatch"
    ]
  },
  "endSession": {
    "method": "delete",
    "path": "/auth/sessions/{sessionId}",
    "tag": "auth",
    "auth": "required",
    "scopes": [],
    "rateLimit": [
      "user"
    ],
    "problems": [
      "not-found"
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
    ]
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
    "problems": []
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
      "not-found"
    ]
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
    ]
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
    ]
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
      "cursor-mismatch"
    ]
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
      "upstream-failed",
      "upstream-timeout"
    ]
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
      "upstream-failed",
      "upstream-timeout"
    ]
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
      "cursor-mismatch"
    ]
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
      "not-found"
    ]
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
    ]
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
    "problems": []
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
    "problems": []
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
    "movedTo": "getHealth"
  }
} as const
