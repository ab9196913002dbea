-- CreateTable
CREATE TABLE "open_streams" (
    "id" UUID NOT NULL,
    "account_id" UUID NOT NULL,
    "until" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "open_streams_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "open_streams_account_id_until_idx" ON "open_streams"("account_id", "until");

-- CreateIndex
CREATE INDEX "open_streams_until_idx" ON "open_streams"("until");

-- AddForeignKey
ALTER TABLE "open_streams" ADD CONSTRAINT "open_streams_account_id_fkey" FOREIGN KEY ("account_id") REFERENCES "accounts"("id") ON DELETE CASCADE ON UPDATE CASCADE;
