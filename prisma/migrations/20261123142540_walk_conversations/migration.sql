-- CreateIndex
CREATE INDEX "conversations_owner_id_id_idx" ON "conversations"("owner_id", "id");
