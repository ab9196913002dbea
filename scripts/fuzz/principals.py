"""The callers: users, administrators, service accounts or none; replaced when a call ends one."""

import os
import uuid

import requests
import schemathesis

from contract import operation_id

API = os.environ["PARLEY_ORIGIN"] + "/api/v1"
PRINCIPAL = os.environ["PARLEY_PRINCIPAL"]
ROOT = {"email": os.environ["PARLEY_ADMIN_EMAIL"], "password": os.environ["PARLEY_ADMIN_PASSWORD"]}

# The scopes of ordinary use. The administrator's scopes are tested as an administrator.
SERVICE_SCOPES = [
    "profile:read",
    "profile:write",
    "conversations:read",
    "conversations:write",
    "chat:write",
    "feedback:read",
    "feedback:write",
    "usage:read",
]

# A success of one of these ends the caller's session. The account stays, and so does what it owns.
ENDS_SESSION = {"changePassword", "endSession", "logOut", "logOutByLink"}
# A success of one of these on the caller's own id may end the account, or change what it may do.
CHANGES_ACCOUNT = {"changeServiceAccount", "changeUser", "deleteServiceAccount", "deleteUser"}
ENDS_ACCOUNT = {"closeAccount"}


def post(path, body, headers=None):
    reply = requests.post(API + path, json=body, headers=headers, timeout=10)
    if not reply.ok:
        raise RuntimeError(f"POST {path} answered {reply.status_code}: {reply.text}")
    return reply.json()


def log_in(credentials):
    return {"Authorization": "Bearer " + post("/auth/login", credentials)["accessToken"]}


def new_person(role):
    credentials = {"email": f"{uuid.uuid4()}@example.com", "password": f"password {uuid.uuid4()}"}
    user = post("/admin/users", {**credentials, "displayName": "Ada", "role": role}, log_in(ROOT))
    return Caller(user["id"], log_in(credentials), credentials)


def new_service_account():
    root = log_in(ROOT)
    account = post("/admin/service-accounts", {"name": "Fuzz", "scopes": SERVICE_SCOPES}, root)
    path = f"/admin/service-accounts/{account['id']}/api-keys"
    return Caller(account["id"], {"X-API-Key": post(path, {"name": "Fuzz"}, root)["secret"]}, None)


class Caller:
    """An id, the headers that authenticate it, and the login credentials, if it has any."""

    def __init__(self, id, headers, credentials):
        self.id = id
        self.headers = headers
        self.credentials = credentials


ROOT_ID = requests.get(API + "/users/profile", headers=log_in(ROOT), timeout=10).json()["id"]


class Callers:
    """Provides the current caller, and a caller of its own for each call that ends an account."""

    def __init__(self):
        self._now = None
        self._secrets = set()

    def for_call_of(self, operation):
        if operation in ENDS_ACCOUNT and PRINCIPAL != "service-account":
            return self._known(new_person(PRINCIPAL))
        if self._now is None:
            is_program = PRINCIPAL == "service-account"
            self._now = new_service_account() if is_program else new_person(PRINCIPAL)
        if not self._now.headers:
            self._now.headers = log_in(self._now.credentials)
        return self._known(self._now)

    def has_issued(self, headers):
        return any(value in self._secrets for value in headers.values())

    def see(self, case, response):
        """Records what a successful call did to its caller."""
        operation = operation_id(case.operation)
        if self._now is None or response.status_code >= 300:
            return
        if operation == "changePassword":
            self._now.credentials["password"] = case.body["newPassword"]
        if operation in ENDS_SESSION and self._now.credentials:
            self._now.headers = None
        if operation in CHANGES_ACCOUNT and self._now.id in case.path_parameters.values():
            self._now = None

    def _known(self, caller):
        self._secrets.update(caller.headers.values())
        return caller


callers = Callers()


@schemathesis.auth(refresh_interval=None)
class Credential:
    """Gives each case a credential; `before_call` replaces one that has ended."""

    def get(self, case, context):
        return None if PRINCIPAL == "nobody" else callers.for_call_of(None).headers

    def set(self, case, headers, context):
        case.headers = {**(case.headers or {}), **headers}
