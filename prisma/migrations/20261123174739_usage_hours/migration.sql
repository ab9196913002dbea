-- CreateTable
CREATE TABLE "account_usage_hours" (
    "account_id" UUID NOT NULL,
    "hour" TIMESTAMPTZ(3) NOT NULL,
    "requests" INTEGER NOT NULL,
    "messages" INTEGER NOT NULL,
    "input_tokens" BIGINT NOT NULL,
    "output_tokens" BIGINT NOT NULL,
    "total_tokens" BIGINT NOT NULL,

    CONSTRAINT "account_usage_hours_pkey" PRIMARY KEY ("account_id","hour")
);

-- CreateTable
CREATE TABLE "server_usage_hours" (
    "hour" TIMESTAMPTZ(3) NOT NULL,
    "slot" INTEGER NOT NULL,
    "requests" INTEGER NOT NULL,
    "messages" INTEGER NOT NULL,
    "input_tokens" BIGINT NOT NULL,
    "output_tokens" BIGINT NOT NULL,
    "total_tokens" BIGINT NOT NULL,

    CONSTRAINT "server_usage_hours_pkey" PRIMARY KEY ("hour","slot")
);

-- AddForeignKey
ALTER TABLE "account_usage_hours" ADD CONSTRAINT "account_usage_hours_account_id_fkey" FOREIGN KEY ("account_id") REFERENCES "accounts"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Written by hand from here on. The rows of this hour change with every answer and their keys never do:
-- room in each page lets PostgreSQL write the new version beside the old one and leave the index alone.
ALTER TABLE "account_usage_hours" SET (fillfactor = 80);
ALTER TABLE "server_usage_hours" SET (fillfactor = 50);

-- Adds what a statement has written to usage_records, whoever wrote it, an instance of an older version
-- too. It runs at the end of the statement, when all else that the statement needs is locked; and
-- everybody locks accounts' hours in the order of their keys and the server's hours after them, so
-- nobody waits in a circle.
CREATE FUNCTION add_usage_hours() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO account_usage_hours AS h
        (account_id, hour, requests, messages, input_tokens, output_tokens, total_tokens)
    SELECT r.account_id, date_trunc('hour', r.at, 'UTC'), count(*), sum(r.answered),
        coalesce(sum(r.input_tokens), 0), coalesce(sum(r.output_tokens), 0),
        coalesce(sum(r.total_tokens), 0)
    FROM added AS r WHERE r.account_id IS NOT NULL
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (account_id, hour) DO UPDATE SET
        requests = h.requests + excluded.requests,
        messages = h.messages + excluded.messages,
        input_tokens = h.input_tokens + excluded.input_tokens,
        output_tokens = h.output_tokens + excluded.output_tokens,
        total_tokens = h.total_tokens + excluded.total_tokens;

    -- A connection has one of eight rows: were there one for all, every answer of the server would wait
    -- for the commit of the one before.
    INSERT INTO server_usage_hours AS h
        (hour, slot, requests, messages, input_tokens, output_tokens, total_tokens)
    SELECT date_trunc('hour', r.at, 'UTC'), pg_backend_pid() % 8, count(*), sum(r.answered),
        coalesce(sum(r.input_tokens), 0), coalesce(sum(r.output_tokens), 0),
        coalesce(sum(r.total_tokens), 0)
    FROM added AS r
    GROUP BY 1 ORDER BY 1
    ON CONFLICT (hour, slot) DO UPDATE SET
        requests = h.requests + excluded.requests,
        messages = h.messages + excluded.messages,
        input_tokens = h.input_tokens + excluded.input_tokens,
        output_tokens = h.output_tokens + excluded.output_tokens,
        total_tokens = h.total_tokens + excluded.total_tokens;
    RETURN NULL;
END
$$;

-- Making it waits for whoever is writing, and lets nobody write until this migration is done: what was
-- written before is summed here, what is written later by the trigger, and nothing twice.
CREATE TRIGGER usage_hours AFTER INSERT ON usage_records
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION add_usage_hours();

INSERT INTO account_usage_hours
    (account_id, hour, requests, messages, input_tokens, output_tokens, total_tokens)
SELECT account_id, date_trunc('hour', at, 'UTC'), count(*), sum(answered),
    coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(total_tokens), 0)
FROM usage_records WHERE account_id IS NOT NULL GROUP BY 1, 2;

INSERT INTO server_usage_hours
    (hour, slot, requests, messages, input_tokens, output_tokens, total_tokens)
SELECT date_trunc('hour', at, 'UTC'), 0, count(*), sum(answered),
    coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(total_tokens), 0)
FROM usage_records GROUP BY 1;
