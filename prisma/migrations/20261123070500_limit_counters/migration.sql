-- CreateTable
CREATE TABLE "limit_counters" (
    "key" TEXT NOT NULL,
    "consumed" INTEGER NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "limit_counters_pkey" PRIMARY KEY ("key")
);

-- CreateIndex
CREATE INDEX "limit_counters_expires_at_idx" ON "limit_counters"("expires_at");

-- Written by hand from here on. A counter changes at every call and its key never does: room in each
-- page lets PostgreSQL write the new version beside the old one and leave the indexes alone.
ALTER TABLE "limit_counters" SET (fillfactor = 50);

-- Takes points of several counters, or of none if one would go beyond its quota; negative points are
-- given back. One statement, so one round trip; what a refused point would have made is told, not
-- kept. Everybody locks the rows in the order of their keys, so nobody waits in a circle.
CREATE FUNCTION take_limits(
    asked_keys TEXT[],
    asked_points INTEGER[],
    asked_quotas INTEGER[],
    asked_seconds INTEGER[]
) RETURNS TABLE ("place" BIGINT, "consumed" INTEGER, "resetsInMs" DOUBLE PRECISION)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    asked_key TEXT;
    moment TIMESTAMPTZ(3);
    refused BOOLEAN;
BEGIN
    -- No call waits for the disk: a crash of the database may forget the last moments.
    SET LOCAL synchronous_commit = off;
    FOR asked_key IN SELECT k FROM unnest(asked_keys) AS k ORDER BY k LOOP
        LOOP
            PERFORM FROM limit_counters AS c WHERE c.key = asked_key FOR UPDATE;
            EXIT WHEN FOUND;
            -- An ended window: it begins when the first point is taken.
            INSERT INTO limit_counters (key, consumed, expires_at)
            VALUES (asked_key, 0, clock_timestamp())
            ON CONFLICT DO NOTHING;
        END LOOP;
    END LOOP;

    -- Only now, so that waiting for a lock does not make a window longer than it is.
    moment := clock_timestamp();
    refused := EXISTS (
        SELECT FROM unnest(asked_keys, asked_points, asked_quotas) AS a (key, points, quota)
        JOIN limit_counters AS c ON c.key = a.key
        WHERE a.points > 0 AND a.quota <
            a.points + CASE WHEN c.expires_at > moment THEN c.consumed ELSE 0 END
    );
    IF NOT refused THEN
        UPDATE limit_counters AS c
        SET consumed = CASE
                WHEN c.expires_at > moment THEN greatest(0, c.consumed + a.points)
                ELSE a.points
            END,
            expires_at = CASE
                WHEN c.expires_at > moment THEN c.expires_at
                ELSE moment + make_interval(secs => a.seconds)
            END
        FROM unnest(asked_keys, asked_points, asked_seconds) AS a (key, points, seconds)
        WHERE c.key = a.key AND (a.points > 0 OR c.expires_at > moment);
    END IF;

    RETURN QUERY
    SELECT a.place,
        CASE
            WHEN c.expires_at <= moment THEN 0
            WHEN refused AND a.points > 0 AND c.consumed + a.points > a.quota
                THEN c.consumed + a.points
            ELSE c.consumed
        END,
        CASE
            WHEN c.expires_at <= moment THEN 1000.0 * a.seconds
            ELSE 1000.0 * extract(epoch FROM c.expires_at - moment)
        END::DOUBLE PRECISION
    FROM unnest(asked_keys, asked_points, asked_quotas, asked_seconds)
        WITH ORDINALITY AS a (key, points, quota, seconds, place)
    JOIN limit_counters AS c ON c.key = a.key
    ORDER BY a.place;
END
$$;
