-- CreateIndex
CREATE INDEX "accounts_role_created_at_id_idx" ON "accounts"("role", "created_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "conversations_owner_id_archived_updated_at_id_idx" ON "conversations"("owner_id", "archived", "updated_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "feedback_rating_updated_at_id_idx" ON "feedback"("rating", "updated_at" DESC, "id" DESC);
