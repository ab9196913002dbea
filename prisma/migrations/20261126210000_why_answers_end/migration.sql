-- Whoever writes on the way holds these tables in another order: then this gives way, not they.
DO $$
BEGIN
    LOOP
        BEGIN
            LOCK TABLE messages, generations IN ACCESS EXCLUSIVE MODE;
            EXIT;
        EXCEPTION WHEN deadlock_detected THEN NULL;
        END;
    END LOOP;
END
$$;

-- AlterTable
ALTER TABLE "generations" ADD COLUMN     "problem_detail" TEXT;

-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "finish_reason" TEXT,
ADD COLUMN     "omitted_messages" INTEGER;
