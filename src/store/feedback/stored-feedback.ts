export type Feedback = {
  id: string
  accountId: string
  messageId: string
  rating: 'up' | 'down'
  tags: string[]
  comment?: string
  createdAt: Date
  updatedAt: Date
}

export type NewFeedback = Omit<Feedback, 'createdAt' | 'updatedAt'> & { now: Date }
