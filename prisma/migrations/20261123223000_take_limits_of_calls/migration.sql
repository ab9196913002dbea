-- Takes points for several calls, one call after the other: of each call from all of its counters, or
-- from none if one would go beyond its quota. Negative points are given back. What a refused point
-- would have made is told, not kept. One statement serves every call that came while the one before
-- was under way. Everybody locks the rows in the order of their keys, so nobody waits in a circle.
--
-- asked_keys has every key once. The other arrays have an element for each counter of each call, in
-- the order of the calls: which call it is, the place of its key in asked_keys, and what it asks.
-- Answers that many rows, in the same order.
CREATE FUNCTION take_limits_of_calls(
    asked_keys TEXT[],
    calls INTEGER[],
    slots INTEGER[],
    points INTEGER[],
    quotas INTEGER[],
    seconds INTEGER[]
) RETURNS TABLE ("place" INTEGER, "consumed" INTEGER, "resetsInMs" DOUBLE PRECISION)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    total CONSTANT INTEGER := cardinality(slots);
    -- Of each key: what is consumed, when its window ends (NULL: none runs), whether it changed.
    counts INTEGER[] := array_fill(0, ARRAY[cardinality(asked_keys)]);
    ends TIMESTAMPTZ(3)[] := array_fill(NULL::TIMESTAMPTZ(3), ARRAY[cardinality(asked_keys)]);
    touched BOOLEAN[] := array_fill(FALSE, ARRAY[cardinality(asked_keys)]);
    asked_key TEXT;
    slot INTEGER;
    found_count INTEGER;
    found_end TIMESTAMPTZ(3);
    moment TIMESTAMPTZ(3);
    first INTEGER := 1;
    last INTEGER;
    beyond INTEGER;
    refused BOOLEAN;
BEGIN
    -- No call waits for the disk: a crash of the database may forget the last moments.
    SET LOCAL synchronous_commit = off;
    FOR asked_key, slot IN
        SELECT k, n FROM unnest(asked_keys) WITH ORDINALITY AS a (k, n) ORDER BY k
    LOOP
        LOOP
            SELECT c.consumed, c.expires_at INTO found_count, found_end
            FROM limit_counters AS c WHERE c.key = asked_key FOR UPDATE;
            EXIT WHEN FOUND;
            -- An ended window: it begins when the first point is taken.
            INSERT INTO limit_counters (key, consumed, expires_at)
            VALUES (asked_key, 0, clock_timestamp())
            ON CONFLICT DO NOTHING;
        END LOOP;
        counts[slot] := found_count;
        ends[slot] := found_end;
    END LOOP;

    -- Only now, so that waiting for a lock does not make a window longer than it is.
    moment := clock_timestamp();
    FOR slot IN 1 .. cardinality(asked_keys) LOOP
        IF ends[slot] <= moment THEN
            counts[slot] := 0;
            ends[slot] := NULL;
        END IF;
    END LOOP;

    WHILE first <= total LOOP
        last := first;
        refused := FALSE;
        WHILE last <= total AND calls[last] = calls[first] LOOP
            refused := refused
                OR points[last] > 0 AND counts[slots[last]] + points[last] > quotas[last];
            last := last + 1;
        END LOOP;
        FOR i IN first .. last - 1 LOOP
            slot := slots[i];
            beyond := counts[slot] + points[i];
            IF NOT refused AND (points[i] > 0 OR ends[slot] IS NOT NULL) THEN
                counts[slot] := greatest(0, beyond);
                ends[slot] := coalesce(ends[slot], moment + make_interval(secs => seconds[i]));
                touched[slot] := TRUE;
            END IF;
            place := i;
            consumed := CASE
                WHEN refused AND points[i] > 0 AND beyond > quotas[i] THEN beyond
                ELSE counts[slot]
            END;
            "resetsInMs" :=
                1000.0 * coalesce(extract(epoch FROM ends[slot] - moment), seconds[i]);
            RETURN NEXT;
        END LOOP;
        first := last;
    END LOOP;

    UPDATE limit_counters AS c SET consumed = a.count, expires_at = a.ends
    FROM unnest(asked_keys, counts, ends, touched) AS a (key, count, ends, touched)
    WHERE c.key = a.key AND a.touched;
END
$$;
