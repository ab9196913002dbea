-- Written by hand but for the last statement. Nothing new may come to an account that is closed, whoever writes it: a check before
-- the statement that writes says what was, and an instance of an older version does not check at all.

-- Whoever writes on the way holds its tables in another order: then this gives way, not they.
DO $$
BEGIN
    LOOP
        BEGIN
            LOCK TABLE accounts, sessions, api_keys, conversations, generations, feedback,
                idempotency_keys, open_streams, usage_records IN SHARE ROW EXCLUSIVE MODE;
            EXIT;
        EXCEPTION WHEN deadlock_detected THEN NULL;
        END;
    END LOOP;
END
$$;

-- Whether the account is open, which it is until the caller's transaction ends: the lock is the one that
-- a foreign key takes, and waits for whoever is closing the account.
CREATE FUNCTION hold_open_account(account UUID) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM accounts WHERE id = account AND closed_at IS NULL FOR KEY SHARE;
    RETURN FOUND;
END
$$;

-- The store knows the SQLSTATE and reads the id in the message.
CREATE FUNCTION refuse_closed_account() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT hold_open_account(NEW.account_id) THEN
        RAISE EXCEPTION USING ERRCODE = 'PA001', MESSAGE = format('account %s is closed', NEW.account_id);
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION refuse_closed_owner() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT hold_open_account(NEW.owner_id) THEN
        RAISE EXCEPTION USING ERRCODE = 'PA001', MESSAGE = format('account %s is closed', NEW.owner_id);
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER open_account BEFORE INSERT OR UPDATE OF account_id ON sessions
FOR EACH ROW EXECUTE FUNCTION refuse_closed_account();
CREATE TRIGGER open_account BEFORE INSERT OR UPDATE OF account_id ON api_keys
FOR EACH ROW EXECUTE FUNCTION refuse_closed_account();
CREATE TRIGGER open_account BEFORE INSERT OR UPDATE OF account_id ON feedback
FOR EACH ROW EXECUTE FUNCTION refuse_closed_account();
CREATE TRIGGER open_account BEFORE INSERT OR UPDATE OF account_id ON idempotency_keys
FOR EACH ROW EXECUTE FUNCTION refuse_closed_account();
CREATE TRIGGER open_account BEFORE INSERT OR UPDATE OF account_id ON open_streams
FOR EACH ROW EXECUTE FUNCTION refuse_closed_account();
CREATE TRIGGER open_account BEFORE INSERT OR UPDATE OF owner_id ON conversations
FOR EACH ROW EXECUTE FUNCTION refuse_closed_owner();
CREATE TRIGGER open_account BEFORE INSERT OR UPDATE OF owner_id ON generations
FOR EACH ROW EXECUTE FUNCTION refuse_closed_owner();

-- What was generated counts, and of nobody once its account is closed.
CREATE FUNCTION disown_closed_usage() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.account_id IS NOT NULL AND NOT hold_open_account(NEW.account_id) THEN
        NEW.account_id := NULL;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER open_account BEFORE INSERT ON usage_records
FOR EACH ROW EXECUTE FUNCTION disown_closed_usage();

-- A closing waits for those who hold the account, so that what follows in its transaction sees their
-- rows. By itself an update waits for them only where it changes a unique column, such as an email.
CREATE FUNCTION close_account_alone() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM accounts WHERE id = NEW.id FOR UPDATE;
    RETURN NEW;
END
$$;

CREATE TRIGGER close_alone BEFORE UPDATE OF closed_at ON accounts
FOR EACH ROW WHEN (OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL)
EXECUTE FUNCTION close_account_alone();

-- What older versions have left. The rest goes with the hourly sweep.
DELETE FROM api_keys k USING accounts a WHERE a.id = k.account_id AND a.closed_at IS NOT NULL;
DELETE FROM sessions s USING accounts a WHERE a.id = s.account_id AND a.closed_at IS NOT NULL;

-- Last, since whoever records an act has locked what it is about before.
ALTER TABLE "audit_events" ADD COLUMN "account_id" UUID;
