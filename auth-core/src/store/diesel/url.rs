//! The connection URI of PostgreSQL: what it may say, and the defaults for what it leaves open.

/// Why [`PgDb::open`](super::PgDb::open) refuses a URL. Nothing of the URL is quoted: it holds a
/// password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is of another kind.
    #[error("the database URL must begin with postgres:// or postgresql://")]
    Scheme,
    /// User name or password have an unescaped `@`, so that the rest of it would be taken for
    /// the host.
    #[error("the database URL has more than one @: write the one in the password as %40")]
    AtSign,
    /// libpq has no such mode.
    #[error(
        "unknown sslmode in the database URL or PGSSLMODE: \
         one of disable, allow, prefer, require, verify-ca, verify-full"
    )]
    SslMode,
    /// The mode insists on TLS, and libpq was compiled without.
    #[error(
        "sslmode={0} insists on TLS, which this binary was built without: \
         build it with the feature `postgres-tls`"
    )]
    NoTls(&'static str),
}

const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// So that a database that is away or a network that swallows packets is noticed in seconds,
/// not hours (<https://www.postgresql.org/docs/current/libpq-connect.html>).
const DEFAULTS: [(&str, &str); 5] = [
    ("connect_timeout", "2"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "3"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "5000"),
];

/// Checks `url` and adds the parameters that it does not set itself.
///
/// What hides from these checks behind percent-encoding or a service file is still checked by
/// libpq, which fails where TLS is demanded and missing; it only says so later.
pub(super) fn prepare(
    url: &str,
    tls: bool,
    env: impl Fn(&str) -> Option<String>,
) -> Result<String, UrlError> {
    let rest = url
        .strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"))
        .ok_or(UrlError::Scheme)?;
    // As in libpq, user and password reach to the first @ and may contain a question mark.
    let after_user = match rest.find(['@', '/']) {
        Some(at) if rest[at..].starts_with('@') => &rest[at + 1..],
        _ => rest,
    };
    let (place, query) = match after_user.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (after_user, None),
    };
    if place.contains('@') {
        return Err(UrlError::AtSign);
    }
    let parameter = |name: &str| {
        let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        // The last one counts.
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next_back()
    };

    let required_by_jdbc = || parameter("ssl").filter(|v| v == "true").map(|_| "require".into());
    let ssl_mode = parameter("sslmode").or_else(required_by_jdbc).or_else(|| env("PGSSLMODE"));
    if let Some(mode) = ssl_mode {
        let mode = SSL_MODES.into_iter().find(|known| *known == mode).ok_or(UrlError::SslMode)?;
        if !tls && (mode == "require" || mode.starts_with("verify")) {
            return Err(UrlError::NoTls(mode));
        }
    }

    let mut prepared = url.to_owned();
    let mut separator = match query {
        None => "?",
        Some("") => "",
        Some(_) => "&",
    };
    for (name, value) in DEFAULTS {
        if parameter(name).is_none() {
            prepared.extend([separator, name, "=", value]);
            separator = "&";
        }
    }
    Ok(prepared)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(url: &str) -> Result<String, UrlError> {
        prepare(url, false, |_| None)
    }

    #[test]
    fn defaults_are_added_but_never_override() {
        let plain = prepared("postgres://u:p@h/db").unwrap();
        assert_eq!(
            plain,
            "postgres://u:p@h/db?connect_timeout=2&keepalives_idle=10&keepalives_interval=3\
             &keepalives_count=3&tcp_user_timeout=5000"
        );
        let own = prepared("postgresql://h/db?connect_timeout=9&tcp_user_timeout=1").unwrap();
        assert!(own.starts_with("postgresql://h/db?connect_timeout=9&tcp_user_timeout=1&keep"));
        assert_eq!(own.matches("connect_timeout").count(), 1);
        assert!(prepared("postgres://h/db?").unwrap().starts_with("postgres://h/db?connect_"));
        let odd = prepared("postgres://u:p?q@h/db").unwrap();
        assert!(odd.starts_with("postgres://u:p?q@h/db?connect_timeout=2"), "{odd}");
    }

    #[test]
    fn an_unescaped_at_sign_or_another_scheme_is_refused() {
        assert_eq!(prepared("postgres://u:p@ss@h/db"), Err(UrlError::AtSign));
        assert_eq!(prepared("postgres://u:p@/ss@h/db"), Err(UrlError::AtSign));
        assert_eq!(prepared("mysql://u:p@h/db"), Err(UrlError::Scheme));
        assert_eq!(prepared("host=h password=p"), Err(UrlError::Scheme));
    }

    #[test]
    fn tls_that_was_not_built_in_is_refused_with_the_feature_to_build() {
        for mode in ["require", "verify-ca", "verify-full"] {
            let url = format!("postgres://u:secret@h/db?sslmode={mode}");
            let error = prepared(&url).unwrap_err();
            assert_eq!(error, UrlError::NoTls(mode));
            assert!(error.to_string().contains("`postgres-tls`"));
            assert!(prepare(&url, true, |_| None).is_ok());
            let from_env = prepare("postgres://h/db", false, |_| Some(mode.into()));
            assert_eq!(from_env, Err(UrlError::NoTls(mode)));
        }
        assert_eq!(prepared("postgres://h/db?ssl=true"), Err(UrlError::NoTls("require")));
        assert_eq!(prepared("postgres://h/db?sslmode=on"), Err(UrlError::SslMode));
        let stated = prepare("postgres://h/d?sslmode=prefer", false, |_| Some("require".into()));
        assert!(stated.is_ok(), "the URL goes before the environment");
    }
}
