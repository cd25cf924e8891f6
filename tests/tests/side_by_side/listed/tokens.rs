//! What a token may be.

use super::{
    ANNA, BLACKLISTED, BROKEN, DONE, EXPIRED, INVALID, NO_ACCOUNT, NO_TYPE, NOT_FOUND, Row, TOKENS,
    WRONG_TYPE,
};

pub(super) const ROWS: &[Row] = &[
    Row {
        text: "a spent refresh token within 10 s of its rotation",
        differences: &[
            (&["refresh · a token spent a moment ago"], BLACKLISTED, TOKENS),
            (
                &["verify · a token spent a moment ago"],
                (400, r#"{"non_field_errors":["Token is blacklisted"]}"#),
                DONE,
            ),
            (&["blacklist · a token spent a moment ago"], BLACKLISTED, DONE),
        ],
    },
    Row {
        text: "`verify` of a revoked token",
        differences: &[
            (
                &[
                    "verify · a blacklisted token",
                    "verify · a token spent a while ago",
                    "verify · a refresh token of a user who was deleted",
                    "verify · a refresh token of a user who was deactivated",
                    "verify · a refresh token of a user with a new password",
                ],
                (400, r#"{"non_field_errors":["Token is blacklisted"]}"#),
                BLACKLISTED,
            ),
            (
                &[
                    "verify · the access token of a blacklisted one",
                    "verify · a token of a user who was deleted",
                    "verify · a token of a user who was deactivated",
                    "verify · a token of a user with a new password",
                    "verify · set: a blacklisted token",
                ],
                DONE,
                BLACKLISTED,
            ),
        ],
    },
    Row {
        text: "a token whose user was deleted or deactivated, at `blacklist`",
        differences: &[(
            &[
                "blacklist · a token of a user who was deleted",
                "blacklist · a token of a user who was deactivated",
            ],
            DONE,
            BLACKLISTED,
        )],
    },
    Row {
        text: "a sliding token of a user who was deleted or deactivated",
        differences: &[(
            &[
                "slide · a token of a user who was deleted",
                "slide · a token of a user who was deactivated",
                "slide · minted, an unknown user",
                "slide · minted, a user of letters",
                "slide · minted, a user of SQL",
                "slide · minted, a negative user",
                "slide · minted, a user of thirty digits",
            ],
            TOKENS,
            NO_ACCOUNT,
        )],
    },
    Row {
        text: "blacklisting a refresh token",
        differences: &[(&["me · the access token of a blacklisted one"], ANNA, BLACKLISTED)],
    },
    Row {
        text: "a change of password",
        differences: &[
            (
                &[
                    "refresh · a token of a user with a new password",
                    "slide · a token of a user with a new password",
                    "refresh · set: a token of a user with a new password",
                ],
                TOKENS,
                BLACKLISTED,
            ),
            (
                &["me · a token of a user with a new password"],
                (200, "paula@example.com"),
                (401, "password_changed"),
            ),
        ],
    },
    Row {
        text: "refresh for a deleted user, without `jti`, with a non-numeric user id",
        differences: &[
            (
                &[
                    "refresh · a token of a user who was deleted",
                    "refresh · minted, an unknown user",
                    "refresh · minted, a user of letters",
                    "refresh · minted, a user of SQL",
                    "refresh · minted, a negative user",
                    "refresh · minted, a user of thirty digits",
                    "refresh · set: a token of a user deleted",
                ],
                BROKEN,
                NO_ACCOUNT,
            ),
            (
                &[
                    "refresh · minted, no id",
                    "refresh · minted, a NUL in the user",
                    "blacklist · minted, no id",
                    "blacklist · minted, a NUL in the user",
                    "slide · minted, no id",
                    "me · minted, a NUL in the user",
                    "refresh · set: minted, the usual name of the id",
                    "blacklist · set: minted, the usual name of the id",
                    "slide · set: minted, the usual name of the id",
                    "me · set: minted, the usual name of the id",
                ],
                BROKEN,
                INVALID,
            ),
            (
                &["blacklist · minted, a user of letters", "blacklist · minted, a user of SQL"],
                BROKEN,
                DONE,
            ),
            (&["me · minted, a user of letters", "me · minted, a user of SQL"], BROKEN, NOT_FOUND),
        ],
    },
    Row {
        text: "`exp`, `iat` or `nbf` that is not a whole number",
        differences: &[
            (
                &[
                    "refresh · minted, a fraction as its end",
                    "slide · minted, a fraction as its end",
                ],
                TOKENS,
                INVALID,
            ),
            (
                &[
                    "verify · minted, a fraction as its end",
                    "blacklist · minted, a fraction as its end",
                ],
                DONE,
                INVALID,
            ),
            (&["me · minted, a fraction as its end"], ANNA, INVALID),
            (&["*· minted, a negative end", "*· minted, true as its end"], EXPIRED, INVALID),
            (
                &[
                    "*· minted, digits as its end",
                    "*· minted, an end beyond all time",
                    "slide · minted, a text as the end of its refresh",
                ],
                BROKEN,
                INVALID,
            ),
        ],
    },
    Row {
        text: "any other claim of another type than its own, such as `user_id: true`",
        differences: &[
            (
                &[
                    "refresh · minted, a fraction as the user",
                    "refresh · minted, true as the user",
                    "slide · minted, a fraction as the user",
                    "slide · minted, true as the user",
                    "slide · minted, a list as the user",
                    "slide · minted, an object as the user",
                ],
                TOKENS,
                INVALID,
            ),
            (
                &[
                    "verify · minted, a number as its kind",
                    "verify · minted, a list as its kind",
                    "verify · minted, a fraction as the user",
                    "verify · minted, true as the user",
                    "verify · minted, a list as the user",
                    "verify · minted, an object as the user",
                    "verify · minted, a number as its issuer",
                    "blacklist · minted, a fraction as the user",
                    "blacklist · minted, true as the user",
                ],
                DONE,
                INVALID,
            ),
            (
                &[
                    "me · minted, a fraction as the user",
                    "me · minted, true as the user",
                    "me · minted, a number as its issuer",
                ],
                ANNA,
                INVALID,
            ),
            (
                &[
                    "refresh · minted, a list as the user",
                    "refresh · minted, an object as the user",
                    "refresh · minted, a number as its issuer",
                    "blacklist · minted, a list as the user",
                    "blacklist · minted, an object as the user",
                    "blacklist · minted, a number as its issuer",
                    "slide · minted, a number as its issuer",
                    "me · minted, a list as the user",
                    "me · minted, an object as the user",
                ],
                BROKEN,
                INVALID,
            ),
            (
                &[
                    "refresh · minted, a number as its kind",
                    "refresh · minted, a list as its kind",
                    "blacklist · minted, a number as its kind",
                    "blacklist · minted, a list as its kind",
                    "slide · minted, a number as its kind",
                    "slide · minted, a list as its kind",
                    "me · minted, a number as its kind",
                    "me · minted, a list as its kind",
                ],
                WRONG_TYPE,
                INVALID,
            ),
        ],
    },
    Row {
        text: "a user id in another spelling, such as `\" 1\"` or `\"01\"`",
        differences: &[
            (
                &[
                    "refresh · minted, a blank before the user",
                    "refresh · minted, a zero before the user",
                    "slide · minted, a blank before the user",
                    "slide · minted, a zero before the user",
                ],
                TOKENS,
                NO_ACCOUNT,
            ),
            (
                &["me · minted, a blank before the user", "me · minted, a zero before the user"],
                ANNA,
                NOT_FOUND,
            ),
            (&["slide · minted, a NUL in the user"], TOKENS, INVALID),
        ],
    },
    Row {
        text: "a token without `exp`, `jti` or `refresh_exp`, or whose `refresh_exp` has passed",
        differences: &[
            (&["*· minted, no end"], (401, "Token has no 'exp' claim"), INVALID),
            (
                &[
                    "verify · minted, no id",
                    "me · minted, no id",
                    "verify · set: minted, the usual name of the id",
                ],
                (401, "Token has no id"),
                INVALID,
            ),
            (
                &["slide · minted, no end of its refresh"],
                (401, "Token has no 'refresh_exp' claim"),
                INVALID,
            ),
            (
                &["slide · minted, a refresh that has ended"],
                (401, "Token 'refresh_exp' claim has expired"),
                EXPIRED,
            ),
        ],
    },
    Row {
        text: "a token without a user",
        differences: &[
            (
                &[
                    "refresh · minted, no user",
                    "slide · minted, no user",
                    "refresh · set: minted, the usual name of the user",
                    "slide · set: minted, the usual name of the user",
                ],
                TOKENS,
                INVALID,
            ),
            (
                &[
                    "blacklist · minted, no user",
                    "blacklist · set: minted, the usual name of the user",
                ],
                DONE,
                INVALID,
            ),
        ],
    },
    Row {
        text: "`verify` of a token without a user or a kind",
        differences: &[
            (
                &[
                    "verify · minted, no user",
                    "verify · minted, an empty user",
                    "verify · minted, a NUL in the user",
                    "verify · set: minted, the usual name of the user",
                ],
                DONE,
                INVALID,
            ),
            (
                &["verify · minted, no kind", "verify · set: minted, the usual name of the kind"],
                DONE,
                NO_TYPE,
            ),
            (
                &[
                    "verify · minted, an unknown kind",
                    "verify · minted, a kind in capitals",
                    "verify · minted, an empty kind",
                ],
                DONE,
                WRONG_TYPE,
            ),
        ],
    },
    Row {
        text: "an empty or a null user id",
        differences: &[
            (&["refresh · a payload of a null as its user"], TOKENS, INVALID),
            (
                &[
                    "verify · a payload of a null as its user",
                    "blacklist · a payload of a null as its user",
                ],
                DONE,
                INVALID,
            ),
            (
                &["me · a payload of a null as its user"],
                NOT_FOUND,
                (401, "Token contained no recognizable user identification"),
            ),
            (
                &["refresh · minted, an empty user", "blacklist · minted, an empty user"],
                BROKEN,
                INVALID,
            ),
            (&["slide · minted, an empty user"], TOKENS, INVALID),
            (
                &["me · minted, an empty user"],
                BROKEN,
                (401, "Token contained no recognizable user identification"),
            ),
        ],
    },
    Row {
        text: "a token with `aud`, no audience configured",
        differences: &[
            (&["refresh · minted, for somebody", "slide · minted, for somebody"], TOKENS, INVALID),
            (&["verify · minted, for somebody", "blacklist · minted, for somebody"], DONE, INVALID),
            (&["me · minted, for somebody"], ANNA, INVALID),
        ],
    },
    Row {
        text: "`aud: []`, no audience configured",
        differences: &[
            (&["refresh · minted, for nobody", "slide · minted, for nobody"], TOKENS, INVALID),
            (&["verify · minted, for nobody", "blacklist · minted, for nobody"], DONE, INVALID),
            (&["me · minted, for nobody"], ANNA, INVALID),
        ],
    },
    Row {
        text: "a name twice in an object anywhere in a token",
        differences: &[
            (
                &["verify · a payload of a claim twice", "blacklist · a payload of a claim twice"],
                DONE,
                INVALID,
            ),
            (&["me · a payload of a claim twice"], NOT_FOUND, INVALID),
            (&["refresh · a payload of a claim twice"], BROKEN, INVALID),
        ],
    },
    Row {
        text: "a segment of a token with padding",
        differences: &[
            (&["refresh · a token with padding"], TOKENS, INVALID),
            (&["verify · a token with padding", "blacklist · a token with padding"], DONE, INVALID),
            (&["me · a token with padding"], ANNA, INVALID),
        ],
    },
    Row {
        text: "a token of more than 8 KiB",
        differences: &[
            (
                &["refresh · minted, 9,000 letters more", "slide · minted, 9,000 letters more"],
                TOKENS,
                INVALID,
            ),
            (
                &["verify · minted, 9,000 letters more", "blacklist · minted, 9,000 letters more"],
                DONE,
                INVALID,
            ),
            (&["me · minted, 9,000 letters more"], ANNA, INVALID),
        ],
    },
    Row {
        text: "refresh or exchange of a token that was not written here",
        differences: &[(
            &[
                "refresh · minted, the user's id as a number",
                "refresh · minted, more claims",
                "refresh · minted, good from now on",
                "refresh · minted, from somebody",
                "refresh · set: minted, good from later on, within the leeway",
                "slide · minted, the user's id as a number",
                "slide · minted, more claims",
                "slide · minted, good from now on",
                "slide · minted, from somebody",
                "slide · minted, kind sliding",
                "slide · set: minted, good from later on, within the leeway",
            ],
            TOKENS,
            TOKENS,
        )],
    },
    Row {
        text: "`iat` in the future, in a token of ours",
        differences: &[(&["slide · minted, issued in an hour"], INVALID, TOKENS)],
    },
];
