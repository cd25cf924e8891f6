//! A second reader of JSON (RFC 8259), which keeps what the first one may have dropped: members that
//! come twice, in their order, and numbers as they were written.

use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// One value and nothing after it; `None` for what is not JSON. What is wrong inside of texts
    /// (half of a surrogate pair, bytes that are not UTF-8) becomes U+FFFD.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let value = reader.value()?;
        reader.space();
        reader.rest.is_empty().then_some(value)
    }

    /// The elements of the list that is the first member of this name, as they were written; for an
    /// object that [`Json::parse`] has read.
    pub fn elements<'t>(text: &'t [u8], name: &str) -> Option<Vec<&'t [u8]>> {
        let mut reader = Reader { rest: text };
        let element = |reader: &mut Reader<'t>| {
            reader.space();
            let begin = reader.rest;
            reader.value()?;
            Some(&begin[..begin.len() - reader.rest.len()])
        };
        let member = |reader: &mut Reader<'t>| {
            reader.space();
            let is_wanted = reader.text()? == name;
            reader.space();
            reader.take(b":")?;
            reader.space();
            if is_wanted && reader.rest.starts_with(b"[") {
                return Some(Some(reader.several(b"[", b"]", element)?));
            }
            reader.value().map(|_| None)
        };
        reader.space();
        reader.several(b"{", b"}", member)?.into_iter().flatten().next()
    }

    pub fn members(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The first member of this name, unless it is null.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let (_, value) = self.members()?.iter().find(|(known, _)| known == name)?;
        (*value != Self::Null).then_some(value)
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number that is written as a whole one that is not negative: `1`, never `1.0` or `1e0`.
    pub fn whole(&self) -> Option<u64> {
        match self {
            Self::Number(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok()
            }
            _ => None,
        }
    }

    /// The names of members that come twice.
    pub fn duplicates(&self) -> Vec<&str> {
        let names: Vec<&str> = self.members().unwrap_or_default().iter().map(|m| &*m.0).collect();
        let twice = |(i, name): (usize, &&str)| names[..i].contains(name);
        names.iter().enumerate().filter(|m| twice(*m)).map(|(_, name)| *name).collect()
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(digits) => f.write_str(digits),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::List(values) => {
                let values: Vec<_> = values.iter().map(Self::to_string).collect();
                write!(f, "[{}]", values.join(","))
            }
            Self::Object(members) => {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("{}:{value}", quoted(name)))
                    .collect();
                write!(f, "{{{}}}", members.join(","))
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'t> Reader<'t> {
    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn take(&mut self, expected: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    fn value(&mut self) -> Option<Json> {
        self.space();
        match self.rest.first()? {
            b'n' => self.take(b"null").map(|()| Json::Null),
            b't' => self.take(b"true").map(|()| Json::Bool(true)),
            b'f' => self.take(b"false").map(|()| Json::Bool(false)),
            b'"' => self.text().map(Json::Text),
            b'[' => self.several(b"[", b"]", Self::value).map(Json::List),
            b'{' => self.several(b"{", b"}", Self::member).map(Json::Object),
            _ => self.number().map(Json::Number),
        }
    }

    fn several<T>(
        &mut self,
        begin: &[u8],
        end: &[u8],
        one: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.take(begin)?;
        self.space();
        let mut values = Vec::new();
        if self.take(end).is_some() {
            return Some(values);
        }
        loop {
            values.push(one(self)?);
            self.space();
            if self.take(end).is_some() {
                return Some(values);
            }
            self.take(b",")?;
        }
    }

    fn member(&mut self) -> Option<(String, Json)> {
        self.space();
        let name = self.text()?;
        self.space();
        self.take(b":")?;
        Some((name, self.value()?))
    }

    fn text(&mut self) -> Option<String> {
        self.take(b"\"")?;
        let mut units = Vec::new();
        let mut bytes = Vec::new();
        let mut text = String::new();
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            if byte == b'\\' && self.rest.first() == Some(&b'u') {
                text.push_str(&String::from_utf8_lossy(&std::mem::take(&mut bytes)));
                let digits = std::str::from_utf8(self.rest.get(1..5)?).ok()?;
                if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return None;
                }
                units.push(u16::from_str_radix(digits, 16).ok()?);
                self.rest = &self.rest[5..];
                continue;
            }
            // Pairs of surrogates are one letter, so all escapes in a row are read together.
            text.push_str(&String::from_utf16_lossy(&std::mem::take(&mut units)));
            match byte {
                b'"' => {
                    text.push_str(&String::from_utf8_lossy(&bytes));
                    return Some(text);
                }
                b'\\' => {
                    let (&escaped, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    bytes.push(match escaped {
                        b'"' | b'\\' | b'/' => escaped,
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        _ => return None,
                    });
                }
                0..0x20 => return None,
                _ => bytes.push(byte),
            }
        }
    }

    fn number(&mut self) -> Option<String> {
        let start = self.rest;
        let _ = self.take(b"-");
        match self.digits()? {
            b"" => return None,
            [b'0', _, ..] => return None,
            _ => {}
        }
        if self.take(b".").is_some() && self.digits()?.is_empty() {
            return None;
        }
        if self.take(b"e").or_else(|| self.take(b"E")).is_some() {
            let _ = self.take(b"+").or_else(|| self.take(b"-"));
            if self.digits()?.is_empty() {
                return None;
            }
        }
        let length = start.len() - self.rest.len();
        String::from_utf8(start[..length].to_vec()).ok()
    }

    fn digits(&mut self) -> Option<&'t [u8]> {
        let length = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(digits)
    }
}
