-- Keys that ID tokens are signed with. Private parts are encrypted under the server's secrets: one
-- copy for each secret, so that secrets can be added and retired.

CREATE TABLE signing_keys (
    kid text COLLATE "C" PRIMARY KEY,
    algorithm text NOT NULL CHECK (algorithm IN ('RS256', 'ES256')),
    public_jwk text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Since then it neither signs nor is published. Its public part stays, for hints at logout.
    withdrawn_at timestamptz,
    withdrawn_by text
);

CREATE TABLE signing_key_copies (
    kid text COLLATE "C" NOT NULL REFERENCES signing_keys ON DELETE CASCADE,
    key_id smallint NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (kid, key_id)
);

-- How a client's ID tokens are signed (OpenID Connect Registration §2, id_token_signed_response_alg).
ALTER TABLE clients ADD COLUMN id_token_alg text NOT NULL DEFAULT 'RS256'
    CHECK (id_token_alg IN ('RS256', 'ES256'));
