// Drives the client: node drive.mjs http://127.0.0.1:8080 < refresh_token
import { Session } from '../../../actix-jwt/examples/client.mjs';
import { readFileSync } from 'node:fs';

const base = process.argv[2];
const refresh_token = readFileSync(0, 'utf8').trim();

let refreshes = 0;
const real = globalThis.fetch;
globalThis.fetch = (url, init) => {
    if (String(url).endsWith('/refresh')) refreshes += 1;
    return real(url, init);
};

const session = new Session(base, { access_token: 'not good any more', refresh_token });
const many = Array.from({ length: 25 }, () => session.fetch('/profile'));
const statuses = (await Promise.all(many)).map((response) => response.status);
const afterMany = refreshes;
const again = [(await session.fetch('/profile')).status, refreshes - afterMany];

// A login that somebody has ended: nothing is left to refresh with.
const over = new Session(base, { access_token: 'nonsense', refresh_token: 'nonsense' });
const refused = await over.fetch('/profile');
await over.fetch('/profile');

let wrong = null;
try {
    await Session.logIn(base, 'ann@example.org', 'wrong');
} catch (error) {
    wrong = error.message;
}
console.log(JSON.stringify({
    statuses, refreshes: afterMany, again, over: [refused.status, over.isAlive], wrong,
}));
