"""The stack of the original plan, as its parts' own pages wire it: Flask-RESTX, Flask-JWT-Extended,
Flask-Limiter and SQLAlchemy, under gunicorn. It marshals its answers by models; none of these parts
validates them."""

import base64
import os
import uuid
from datetime import datetime, timezone

from flask import Flask, g, request
from flask_jwt_extended import JWTManager, get_jwt_identity, jwt_required
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_restx import Api, Resource, fields, reqparse
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.dialects.postgresql import ENUM

app = Flask(__name__)
app.config.update(
    SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"],
    SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"options": "-c timezone=utc"}},
    JWT_ALGORITHM="EdDSA",
    JWT_PUBLIC_KEY=open(os.environ["PUBLIC_KEY"]).read(),
    JWT_DECODE_AUDIENCE="parley-api",
    JWT_DECODE_ISSUER="parley",
    RATELIMIT_HEADERS_ENABLED=True,
    RESTX_MASK_SWAGGER=False,
    PROPAGATE_EXCEPTIONS=True,
)
db = SQLAlchemy(app)
api = Api(app, prefix="/api/v1", doc=False)
JWTManager(app)
limiter = Limiter(get_remote_address, app=app, storage_uri="memory://")

SCOPES = [
    "chat:write",
    "conversations:read",
    "conversations:write",
    "feedback:read",
    "feedback:write",
    "profile:read",
    "profile:write",
    "usage:read",
]
LATEST = 50
of_caller = limiter.limit("100000000 per hour", key_func=lambda: get_jwt_identity())


class Account(db.Model):
    __tablename__ = "accounts"
    id = db.Column(db.Uuid, primary_key=True)
    role = db.Column(ENUM("user", "admin", "service", name="role", create_type=False))
    email = db.Column(db.Text)
    display_name = db.Column(db.Text)
    default_mode = db.Column(db.Text)
    locale = db.Column(db.Text)
    time_zone = db.Column(db.Text)
    version = db.Column(db.Integer)
    created_at = db.Column(db.DateTime(timezone=True))
    updated_at = db.Column(db.DateTime(timezone=True))


class Conversation(db.Model):
    __tablename__ = "conversations"
    id = db.Column(db.Uuid, primary_key=True)
    owner_id = db.Column(db.Uuid, db.ForeignKey("accounts.id"))
    title = db.Column(db.Text)
    mode = db.Column(db.Text)
    archived = db.Column(db.Boolean, default=False)
    pinned = db.Column(db.Boolean, default=False)
    message_count = db.Column(db.Integer, default=0)
    version = db.Column(db.Integer, default=1)
    created_at = db.Column(db.DateTime(timezone=True))
    updated_at = db.Column(db.DateTime(timezone=True))


class Message(db.Model):
    __tablename__ = "messages"
    id = db.Column(db.Uuid, primary_key=True)
    conversation_id = db.Column(db.Uuid, db.ForeignKey("conversations.id"))
    position = db.Column(db.Integer)
    role = db.Column(ENUM("user", "assistant", name="message_role", create_type=False))
    content = db.Column(db.Text)
    status = db.Column(
        ENUM(
            *("complete", "inProgress", "cancelled", "failed", "interrupted"),
            name="message_status",
            create_type=False,
        )
    )
    mode = db.Column(db.Text)
    model = db.Column(db.Text)
    input_tokens = db.Column(db.Integer)
    output_tokens = db.Column(db.Integer)
    total_tokens = db.Column(db.Integer)
    usage_source = db.Column(
        ENUM("upstream", "estimated", name="usage_source", create_type=False)
    )
    created_at = db.Column(db.DateTime(timezone=True))


class Time(fields.Raw):
    def format(self, value):
        return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Preferences(fields.Raw):
    def output(self, key, account, **kwargs):
        shown = {
            "defaultMode": account.default_mode,
            "locale": account.locale,
            "timeZone": account.time_zone,
        }
        return {name: value for name, value in shown.items() if value is not None}


class Usage(fields.Raw):
    def output(self, key, message, **kwargs):
        if message.usage_source is None:
            return None
        return {
            "inputTokens": message.input_tokens,
            "outputTokens": message.output_tokens,
            "totalTokens": message.total_tokens,
            "source": message.usage_source,
        }


profile_model = api.model(
    "Profile",
    {
        "id": fields.String,
        "email": fields.String,
        "displayName": fields.String(attribute="display_name"),
        "role": fields.String,
        "scopes": fields.Raw(attribute=lambda _: SCOPES),
        "preferences": Preferences,
        "createdAt": Time(attribute="created_at"),
        "updatedAt": Time(attribute="updated_at"),
    },
)
conversation_model = api.model(
    "Conversation",
    {
        "id": fields.String,
        "title": fields.String,
        "mode": fields.String,
        "archived": fields.Boolean,
        "pinned": fields.Boolean,
        "messageCount": fields.Integer(attribute="message_count"),
        "createdAt": Time(attribute="created_at"),
        "updatedAt": Time(attribute="updated_at"),
    },
)
message_model = api.model(
    "Message",
    {
        "id": fields.String,
        "conversationId": fields.String(attribute="conversation_id"),
        "role": fields.String,
        "content": fields.String,
        "status": fields.String,
        "mode": fields.String,
        "model": fields.String,
        "usage": Usage,
        "createdAt": Time(attribute="created_at"),
    },
)
page_model = api.model(
    "ConversationPage",
    {"data": fields.List(fields.Nested(conversation_model)), "nextCursor": fields.String},
)
detail_model = api.inherit(
    "ConversationDetail",
    conversation_model,
    {"messages": fields.List(fields.Nested(message_model, skip_none=True))},
)
new_conversation_model = api.model(
    "NewConversation",
    {
        "title": fields.String(min_length=1, max_length=200),
        "mode": fields.String(max_length=40, pattern="^[a-z][a-z0-9-]*$"),
    },
    strict=True,
)
page_query = reqparse.RequestParser()
page_query.add_argument("limit", type=int, default=20, choices=range(1, 101), location="args")
page_query.add_argument("cursor", location="args")


@app.before_request
def begin():
    g.request_id = request.headers.get("X-Request-Id") or str(uuid.uuid4())


@app.after_request
def end(response):
    response.headers["X-Request-Id"] = g.request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@api.route("/health")
class Health(Resource):
    @limiter.exempt
    def get(self):
        return {"status": "up"}


@api.route("/users/profile")
class Profile(Resource):
    @jwt_required()
    @of_caller
    @api.marshal_with(profile_model)
    def get(self):
        account = db.session.get(Account, uuid.UUID(get_jwt_identity()))
        return account, 200, {"ETag": f'"{account.version}"'}


@api.route("/conversations")
class Conversations(Resource):
    @jwt_required()
    @of_caller
    @api.marshal_with(page_model, skip_none=True)
    def get(self):
        limit = page_query.parse_args(strict=True)["limit"]
        query = (
            db.select(Conversation)
            .filter_by(owner_id=uuid.UUID(get_jwt_identity()))
            .order_by(Conversation.updated_at.desc(), Conversation.id.desc())
            .limit(limit + 1)
        )
        rows = db.session.scalars(query).all()
        data = rows[:limit]
        if len(rows) <= limit:
            return {"data": data}
        position = f"{data[-1].updated_at.timestamp()} {data[-1].id}"
        return {"data": data, "nextCursor": base64.urlsafe_b64encode(position.encode()).decode()}

    @jwt_required()
    @of_caller
    @api.expect(new_conversation_model, validate=True)
    @api.marshal_with(conversation_model, skip_none=True)
    def post(self):
        now = datetime.now(timezone.utc)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        conversation = Conversation(
            id=uuid.uuid4(),
            owner_id=uuid.UUID(get_jwt_identity()),
            title=api.payload["title"].strip(),
            mode=api.payload["mode"],
            created_at=now,
            updated_at=now,
        )
        db.session.add(conversation)
        db.session.commit()
        location = f"/api/v1/conversations/{conversation.id}"
        return conversation, 201, {"ETag": f'"{conversation.version}"', "Location": location}


@api.route("/conversations/<uuid:conversation_id>")
class OneConversation(Resource):
    @jwt_required()
    @of_caller
    @api.marshal_with(detail_model, skip_none=True)
    def get(self, conversation_id):
        owner_id = uuid.UUID(get_jwt_identity())
        query = db.select(Conversation).filter_by(id=conversation_id, owner_id=owner_id)
        conversation = db.session.scalar(query)
        if conversation is None:
            api.abort(404)
        latest = (
            db.select(Message)
            .filter_by(conversation_id=conversation_id)
            .order_by(Message.position.desc())
            .limit(LATEST)
        )
        conversation.messages = list(reversed(db.session.scalars(latest).all()))
        return conversation, 200, {"ETag": f'"{conversation.version}"'}
