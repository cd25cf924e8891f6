//! The tables. One description serves both databases: times are milliseconds since 1970 in
//! a `BIGINT`. What each column means is said in the migrations.

diesel::table! {
    auth_sessions (id) {
        id -> Binary,
        user_type -> Text,
        user_id -> Text,
        carrier -> Text,
        generation -> BigInt,
        rotated_at -> BigInt,
        secret_hash -> Nullable<Binary>,
        created_at -> BigInt,
        authenticated_at -> Nullable<BigInt>,
        last_seen_at -> BigInt,
        idle_expires_at -> BigInt,
        expires_at -> BigInt,
        methods -> Text,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        label -> Nullable<Text>,
        revoked_at -> Nullable<BigInt>,
        revoked_reason -> Nullable<Text>,
        rights_version -> BigInt,
        refreshes_until -> BigInt,
        secret_nonce -> Nullable<Binary>,
        scopes -> Nullable<Text>,
    }
}

diesel::table! {
    auth_revocations (seq) {
        seq -> BigInt,
        kind -> Text,
        session_id -> Nullable<Binary>,
        user_type -> Nullable<Text>,
        user_id -> Nullable<Text>,
        revoked_at -> BigInt,
        reason -> Text,
        expires_at -> BigInt,
        rights_version -> Nullable<BigInt>,
    }
}

diesel::table! {
    auth_codes (purpose, user_type, user_id) {
        purpose -> Text,
        user_type -> Text,
        user_id -> Text,
        code_hash -> Text,
        issued_at -> BigInt,
        expires_at -> BigInt,
        tries -> BigInt,
        tries_until -> BigInt,
        requests -> BigInt,
    }
}

diesel::table! {
    auth_links (token_hash) {
        token_hash -> Binary,
        purpose -> Text,
        user_type -> Text,
        user_id -> Text,
        subject -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    auth_factors (user_type, user_id) {
        user_type -> Text,
        user_id -> Text,
        secret -> Binary,
        created_at -> BigInt,
        confirmed_at -> Nullable<BigInt>,
        last_step -> BigInt,
        tries -> BigInt,
        tries_until -> BigInt,
        recovery_hashes -> Binary,
        failures -> BigInt,
    }
}
