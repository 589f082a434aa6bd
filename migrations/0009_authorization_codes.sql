-- Codes that wait to be redeemed, once; and what people have allowed their applications.

CREATE TABLE authorization_codes (
    id uuid PRIMARY KEY,
    client uuid NOT NULL,
    -- Epochs as they were read with the session and the client that the code rests on.
    client_epoch bigint NOT NULL,
    user_id uuid NOT NULL,
    user_epoch bigint NOT NULL,
    session uuid NOT NULL,
    scope text[] NOT NULL,
    audiences text[] NOT NULL,
    redirect_uri text NOT NULL,
    -- Whether the request named it: then the redemption must, too (RFC 6749 §4.1.3).
    redirect_uri_sent boolean NOT NULL,
    -- SHA-256 of the verifier (RFC 7636 §4.2).
    code_challenge bytea NOT NULL CHECK (octet_length(code_challenge) = 32),
    nonce text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    redeemed_at timestamptz,
    -- The grant it was redeemed for: by its id a redemption knows itself again after a lost reply.
    grant_id uuid,
    CHECK ((redeemed_at IS NULL) = (grant_id IS NULL))
);
CREATE INDEX authorization_codes_expires_at ON authorization_codes (expires_at);

-- A code works once: what was redeemed is not taken back, and nothing else changes.
CREATE TRIGGER guard BEFORE UPDATE ON authorization_codes FOR EACH ROW
    WHEN (NEW.id <> OLD.id OR NEW.client <> OLD.client OR NEW.session <> OLD.session
          OR NEW.user_id <> OLD.user_id OR NEW.client_epoch <> OLD.client_epoch
          OR NEW.user_epoch <> OLD.user_epoch
          OR OLD.redeemed_at IS NOT NULL AND NEW.grant_id IS DISTINCT FROM OLD.grant_id)
    EXECUTE FUNCTION refuse_revival();

-- What a person allowed a client: the scope that it need not ask for again.
CREATE TABLE consents (
    user_id uuid NOT NULL,
    client uuid NOT NULL,
    scope text[] NOT NULL,
    given_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (user_id, client)
);
CREATE INDEX consents_client ON consents (client);
