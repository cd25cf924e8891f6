//! How a request may look.

use super::{
    ANNA, BAD_HEADER, BROKEN, DONE, INVALID, NO_CREDENTIALS, NO_LOGIN, PARSE_ERROR, Row, TOKENS,
    UNSUPPORTED,
};

pub(super) const ROWS: &[Row] = &[
    Row {
        text: "the scheme in `Authorization`",
        differences: &[
            (
                &["me · the word in small letters", "me · the word in capitals"],
                NO_CREDENTIALS,
                ANNA,
            ),
            (
                &["me · the word in small letters alone", "me · a word in capitals, three parts"],
                NO_CREDENTIALS,
                BAD_HEADER,
            ),
        ],
    },
    Row {
        text: "two `Authorization` headers",
        differences: &[(
            &["me · two headers, the first of another word"],
            NO_CREDENTIALS,
            BAD_HEADER,
        )],
    },
    Row {
        text: "`Allow` on 405",
        differences: &[(
            &["*· OPTIONS"],
            (200, "renders"),
            (405, r#"Method \"OPTIONS\" not allowed."#),
        )],
    },
    Row {
        text: "another method on a protected route, without credentials",
        differences: &[(
            &[
                "me · PUT by nobody",
                "me · PATCH by nobody",
                "me · DELETE by nobody",
                "me · TRACE by nobody",
                "me · OPTIONS by nobody",
                "me · BREW by nobody",
                "me · POST by nobody",
            ],
            NO_CREDENTIALS,
            (405, "not allowed."),
        )],
    },
    Row {
        text: "a path without the slash at its end",
        differences: &[
            (
                &[
                    "obtain · the path without its slash",
                    "refresh · the path without its slash",
                    "verify · the path without its slash",
                    "blacklist · the path without its slash",
                    "sliding · the path without its slash",
                    "slide · the path without its slash",
                ],
                (301, ""),
                (400, "This field is required."),
            ),
            (&["me · the path without its slash"], (301, ""), ANNA),
        ],
    },
    Row {
        text: "an unknown path",
        differences: &[(
            &[
                "verify · an unknown path",
                "verify · a path in capitals",
                "verify · a path with two slashes",
            ],
            (404, "<h1>Not Found</h1>"),
            (404, r#"{"detail":"Not found."}"#),
        )],
    },
    Row {
        text: "an `Accept` without JSON",
        differences: &[
            (
                &["obtain · the answer should be HTML", "obtain · the answer should be nonsense"],
                (406, "Could not satisfy the request Accept header."),
                TOKENS,
            ),
            (
                &["me · the answer should be HTML", "me · the answer should be nonsense"],
                (406, "Could not satisfy the request Accept header."),
                ANNA,
            ),
        ],
    },
    Row {
        text: "form-encoded login",
        differences: &[
            (&["obtain · a form", "refresh · a form"], TOKENS, UNSUPPORTED),
            (&["verify · a form", "verify · a form in parts"], DONE, UNSUPPORTED),
        ],
    },
    Row {
        text: "`Content-Type: */*` or `application/*`",
        differences: &[
            (
                &[
                    "obtain · JSON that says it is any type",
                    "obtain · JSON that says it is any type of an application",
                ],
                TOKENS,
                UNSUPPORTED,
            ),
            (
                &[
                    "verify · JSON that says it is any type",
                    "verify · JSON that says it is any type of an application",
                ],
                INVALID,
                UNSUPPORTED,
            ),
        ],
    },
    Row {
        text: "another `charset` than UTF-8",
        differences: &[
            (&["obtain · JSON in Latin-1"], NO_LOGIN, PARSE_ERROR),
            (&["obtain · JSON in UTF-16"], TOKENS, PARSE_ERROR),
        ],
    },
    Row {
        text: "half a surrogate pair in a body",
        differences: &[(
            &["*· a field is half a surrogate pair"],
            (400, "Surrogate characters are not allowed: U+D800."),
            PARSE_ERROR,
        )],
    },
    Row {
        text: "a body of more than 64 KiB",
        differences: &[
            (&["obtain · 100,000 letters"], NO_LOGIN, (413, "Request body is too large.")),
            (
                &["obtain · 4 million letters"],
                (400, "<h1>Bad Request (400)</h1>"),
                (413, "Request body is too large."),
            ),
        ],
    },
    Row {
        text: "a password with blanks at its ends",
        differences: &[(
            &["obtain · blanks around the password", "sliding · blanks around the password"],
            NO_LOGIN,
            TOKENS,
        )],
    },
    Row {
        text: "lists thousands deep in a body",
        differences: &[(&["obtain · lists 30,000 deep"], BROKEN, PARSE_ERROR)],
    },
];
