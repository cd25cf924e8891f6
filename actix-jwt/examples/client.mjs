// A client of the example `email_login`, for a page or for Node.js: a request that is answered 401 is sent
// again after one refresh, however many are in flight.
//
//     const session = await Session.logIn('http://127.0.0.1:8080', 'ann@example.org', 'correct horse');
//     const profile = await (await session.fetch('/profile')).json();

export class Session {
    #base;
    #access;
    #refresh;
    /** The refresh under way, which all who need it wait for. */
    #refreshing = null;

    constructor(base, { access_token, refresh_token }) {
        this.#base = base;
        this.#access = access_token;
        this.#refresh = refresh_token;
    }

    /** Throws an `Error` with what the server says where it refuses. */
    static async logIn(base, email, password) {
        const response = await post(`${base}/login`, { email, password });
        const body = await response.json();
        if (!response.ok) throw new Error(body.error);
        return new Session(base, body);
    }

    /** Whether there is a login to refresh: `false` once the server has ended it. */
    get isAlive() {
        return this.#refresh !== null;
    }

    /**
     * As `fetch`, with the access token. The body must be one that can be sent twice: a text, a form, no stream.
     * Answers the 401 where the login is over; throws where a refresh finds no server.
     */
    async fetch(path, init = {}) {
        const shown = this.#access;
        const response = await this.#send(path, init);
        if (response.status !== 401 || !this.isAlive) return response;
        // Another request may have refreshed since this one was sent.
        if (this.#access === shown) await this.#refreshOnce();
        return this.isAlive ? this.#send(path, init) : response;
    }

    #send(path, init) {
        // Else the token might go to another host: 'http://shop.example' + '@evil.example/'.
        if (!path.startsWith('/')) throw new TypeError('a path begins with /');
        const headers = new Headers(init.headers);
        headers.set('Authorization', `Bearer ${this.#access}`);
        return fetch(this.#base + path, { ...init, headers });
    }

    #refreshOnce() {
        this.#refreshing ??= this.#doRefresh().finally(() => { this.#refreshing = null; });
        return this.#refreshing;
    }

    async #doRefresh() {
        const response = await post(`${this.#base}/refresh`, { refresh_token: this.#refresh });
        if (response.ok) {
            const body = await response.json();
            this.#access = body.access_token;
            // Without rotation the old one stays.
            this.#refresh = body.refresh_token ?? this.#refresh;
        } else if (response.status === 401) {
            this.#refresh = null;
        } else {
            // An outage: the login is not over.
            throw new Error(`refresh: ${response.status}`);
        }
    }
}

function post(url, body) {
    const headers = { 'Content-Type': 'application/json' };
    return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
}
