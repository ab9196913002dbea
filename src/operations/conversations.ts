import { locationOf } from '../contract/locations.ts'
import type { Services } from '../domain/services.ts'
import { etagOf, expectedVersions } from '../domain/calls/entity-tags.ts'
import {
  conversationDetailView,
  conversationPageView,
  conversationView,
} from '../views/conversation.ts'
import { exportRecordViews } from '../views/export.ts'
import { messagePageView } from '../views/message.ts'
import type { Group } from './operation.ts'

export const conversationOperations = ({ conversations, exports, generations }: Services) =>
  ({
    async listConversations({ query }, caller, call) {
      const page = await conversations.list(caller, query, call)
      return { status: 200, body: conversationPageView(page) }
    },

    async createConversation({ body }, caller, call) {
      const conversation = await conversations.create(caller, body, call)
      const Location = locationOf('getConversation', { conversationId: conversation.id })
      const headers = { ETag: etagOf(conversation), Location }
      return { status: 201, headers, body: conversationView(conversation) }
    },

    async getConversation({ path }, caller, call) {
      const detail = await conversations.read(caller, path.conversationId, call)
      const headers = { ETag: etagOf(detail.conversation) }
      return { status: 200, headers, body: conversationDetailView(detail) }
    },

    async changeConversation({ path, body, headers }, caller) {
      const versions = expectedVersions(headers['If-Match'])
      const changed = await conversations.change(caller, path.conversationId, body, versions)
      return { status: 200, headers: { ETag: etagOf(changed) }, body: conversationView(changed) }
    },

    async deleteConversation({ path, headers }, caller) {
      const versions = expectedVersions(headers['If-Match'])
      await conversations.remove(caller, path.conversationId, versions)
      generations.stopIn(path.conversationId)
      return { status: 204 }
    },

    async exportConversation({ path }, caller, call) {
      const records = await exports.conversation(caller, path.conversationId, call)
      return { status: 200, lines: exportRecordViews(records) }
    },

    async listMessages({ path, query }, caller, call) {
      const page = await conversations.listMessages(caller, path.conversationId, query, call)
      return { status: 200, body: messagePageView(page) }
    },
  }) satisfies Group<'conversations'>
