//! Reading a setting from text (the environment) or from a typed value (a file).

use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde_json::Value;

use super::{ErrorDialect, SecretText, WhenStale};
use crate::claims::TokenKind;
use crate::session::BindSession;

/// What a setting can be read from. The errors never repeat the value.
pub(super) trait FromValue: Sized {
    fn from_value(value: &Value) -> Result<Self, String>;
}

impl FromValue for String {
    fn from_value(value: &Value) -> Result<Self, String> {
        value.as_str().map(str::to_owned).ok_or_else(|| "must be a text".into())
    }
}

impl FromValue for SecretText {
    fn from_value(value: &Value) -> Result<Self, String> {
        String::from_value(value).map(Self)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) if text.is_empty() => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Array(values) => values.iter().map(T::from_value).collect(),
            Value::String(text) => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| T::from_value(&Value::from(item)))
                .collect(),
            _ => Err("must be a list, or words separated by commas".into()),
        }
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Bool(value) => Ok(*value),
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Ok(true),
                "false" | "no" | "off" | "0" => Ok(false),
                _ => Err("must be true or false".into()),
            },
            _ => Err("must be true or false".into()),
        }
    }
}

impl FromValue for usize {
    fn from_value(value: &Value) -> Result<Self, String> {
        let number = match value {
            Value::String(text) => text.trim().parse().ok(),
            value => value.as_u64(),
        };
        number.and_then(|n: u64| n.try_into().ok()).ok_or_else(|| "must be a whole number".into())
    }
}

impl FromValue for Duration {
    fn from_value(value: &Value) -> Result<Self, String> {
        let duration = match value {
            Value::String(text) => match text.trim().parse() {
                Ok(seconds) => Some(Self::from_secs(seconds)),
                Err(_) => humantime::parse_duration(text.trim()).ok(),
            },
            value => value.as_u64().map(Self::from_secs),
        };
        duration.ok_or_else(|| "must be a duration such as 90s, 5m, 12h or 30d".into())
    }
}

impl FromValue for Algorithm {
    fn from_value(value: &Value) -> Result<Self, String> {
        let text = value.as_str().unwrap_or_default();
        text.parse().map_err(|_| "must be an algorithm of RFC 7518 or RFC 8037, as HS256".into())
    }
}

impl FromValue for TokenKind {
    fn from_value(value: &Value) -> Result<Self, String> {
        // SimpleJWT names classes here.
        match value.as_str().unwrap_or_default() {
            "access" | "AccessToken" => Ok(Self::Access),
            "sliding" | "SlidingToken" => Ok(Self::Sliding),
            _ => Err("must be access or sliding".into()),
        }
    }
}

impl FromValue for BindSession {
    fn from_value(value: &Value) -> Result<Self, String> {
        match value.as_str().unwrap_or_default() {
            "none" => Ok(Self::None),
            "address" => Ok(Self::Address),
            "network" => Ok(Self::Network),
            "user_agent" => Ok(Self::UserAgent),
            _ => Err("must be none, address, network or user_agent".into()),
        }
    }
}

impl FromValue for ErrorDialect {
    fn from_value(value: &Value) -> Result<Self, String> {
        match value.as_str().unwrap_or_default() {
            "drf" => Ok(Self::Drf),
            "problem" => Ok(Self::Problem),
            _ => Err("must be drf or problem".into()),
        }
    }
}

impl FromValue for WhenStale {
    fn from_value(value: &Value) -> Result<Self, String> {
        match value.as_str().unwrap_or_default() {
            "refuse" => Ok(Self::Refuse),
            "serve" => Ok(Self::Serve),
            _ => Err("must be refuse or serve".into()),
        }
    }
}
