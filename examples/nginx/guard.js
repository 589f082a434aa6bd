// Who may come in. auth_request looks at the status alone, while /introspect answers 200 for dead
// tokens too, so somebody has to read the answer: 204 is yes, 401 and 403 are no. Every other status
// is neither (nginx.conf makes it 503, and WWW-Authenticate of what is here X-Challenge).

const REALM = 'Bearer realm="photos"';

function refuse(r, status, challenge) {
    r.headersOut['X-Challenge'] = challenge;
    r.return(status);
}

async function answer(r) {
    const header = r.headersIn.Authorization || '';
    if (!/^bearer /i.test(header)) {
        // Who sent no token made no error (RFC 6750 §3.1).
        return refuse(r, 401, REALM);
    }
    // RFC 6750 §2.1: whatever has other characters is no token.
    const token = /^bearer +([A-Za-z0-9\-._~+\/]+=*)$/i.exec(header);
    const invalid = `${REALM}, error="invalid_token"`;
    if (!token) {
        return refuse(r, 401, invalid);
    }
    const scope = r.variables.scope;
    const audience = process.env.AUDIENCE;
    if (!scope || !audience) {
        r.error('this location names no scope, or there is no AUDIENCE');
        return r.return(500);
    }
    const reply = await r.subrequest('/_introspect', {
        method: 'POST',
        body: `token=${encodeURIComponent(token[1])}`,
    });
    const told = reply.status === 200 ? read(reply.responseText) : null;
    if (!told) {
        r.error(`Doornail gave no clear answer: ${reply.status}`);
        return r.return(500);
    }
    // A refresh token, which is alive too, has no token_type.
    if (!told.active || told.token_type !== 'Bearer' || !told.sub
            || [].concat(told.aud).indexOf(audience) < 0) {
        return refuse(r, 401, invalid);
    }
    if (String(told.scope || '').split(' ').indexOf(scope) < 0) {
        return refuse(r, 403, `${REALM}, error="insufficient_scope", scope="${scope}"`);
    }
    r.headersOut['X-Subject'] = told.sub;
    r.return(204);
}

// An introspection response, or null where it is none.
function read(text) {
    try {
        const told = JSON.parse(text);
        return told && typeof told.active === 'boolean' ? told : null;
    } catch (error) {
        return null;
    }
}

// RFC 6749 §2.3.1: id and secret are form-encoded before they are joined.
function credentials() {
    const pair = [process.env.CLIENT_ID, process.env.CLIENT_SECRET].map(encodeURIComponent).join(':');
    return `Basic ${Buffer.from(pair).toString('base64')}`;
}

export default { answer, credentials };
