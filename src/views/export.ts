import type { ExportRecord as RecordSchema } from '../../generated/api.ts'
import type { ExportRecord } from '../domain/records/exports.ts'
import type { UsageRecord } from '../store/store.ts'
import { auditEventView } from './audit.ts'
import { conversationView } from './conversation.ts'
import { feedbackView } from './feedback.ts'
import { messageView } from './message.ts'
import { profileView } from './profile.ts'
import { sessionView } from './session.ts'
import { timestampView } from './timestamp.ts'

/** Renders the records of an export one at a time. */
export async function* exportRecordViews(
  records: AsyncIterable<ExportRecord>,
): AsyncGenerator<RecordSchema> {
  for await (const record of records) yield exportRecordView(record)
}

function exportRecordView(record: ExportRecord): RecordSchema {
  switch (record.type) {
    case 'profile':
      return { type: 'profile', profile: profileView(record.account) }
    case 'session': {
      const { session, isCurrent } = record
      return { type: 'session', session: sessionView(session, isCurrent ? session.id : '') }
    }
    case 'conversation':
      return { type: 'conversation', conversation: conversationView(record.conversation) }
    case 'message':
      return { type: 'message', message: messageView(record.message) }
    case 'feedback':
      return { type: 'feedback', feedback: feedbackView(record.feedback) }
    case 'usage':
      return { type: 'usage', usage: usageRecordView(record.usage) }
    case 'audit-event':
      return { type: 'audit-event', auditEvent: auditEventView(record.event) }
    case 'end':
      return { type: 'end', records: record.records }
  }
}

function usageRecordView(usage: UsageRecord) {
  const { inputTokens, outputTokens, totalTokens, source } = usage
  return {
    generationId: usage.generationId,
    at: timestampView(usage.at),
    ...(inputTokens !== undefined && { inputTokens }),
    ...(outputTokens !== undefined && { outputTokens }),
    ...(totalTokens !== undefined && { totalTokens }),
    ...(source !== undefined && { source }),
  }
}
