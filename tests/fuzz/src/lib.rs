//! What the fuzz targets share: a world that is the same in every run, a second reader of JSON and
//! of base64url for comparison, and key material to fill into inputs.

pub mod chain;
pub mod headers;
pub mod http;
pub mod json;
pub mod keys;
pub mod server;
pub mod world;

/// Replaces each `{c}` by the value of `c`, so that a mutation can move, cut or double what it could
/// never guess: a signed token, a secret, the numbers of a key.
pub fn fill(input: &[u8], values: &[(u8, &[u8])]) -> Vec<u8> {
    let mut filled = Vec::with_capacity(input.len() + 1024);
    let mut rest = input;
    while let Some((&byte, after)) = rest.split_first() {
        if let [b'{', name, b'}', after_mark @ ..] = rest
            && let Some((_, value)) = values.iter().find(|(known, _)| known == name)
        {
            filled.extend_from_slice(value);
            rest = after_mark;
        } else {
            filled.push(byte);
            rest = after;
        }
    }
    filled
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// RFC 4648 §5 without padding, bit by bit.
pub fn base64url(bytes: &[u8]) -> String {
    let bit = |i: usize| bytes.get(i / 8).map_or(0, |byte| usize::from(byte >> (7 - i % 8)) & 1);
    let digit = |start: usize| (start..start + 6).fold(0, |digit, i| digit * 2 + bit(i));
    (0..bytes.len() * 8).step_by(6).map(|start| char::from(ALPHABET[digit(start)])).collect()
}

/// The one text that [`base64url`] writes, read back; of any other `None`.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let bytes = digits(text)?;
    (base64url(&bytes) == text).then_some(bytes)
}

/// Whole bytes; bits that are left over are lost.
fn digits(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; text.len() * 6 / 8];
    for (i, letter) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|known| *known == letter)?;
        for j in (0..6).filter(|j| (digit >> (5 - j)) & 1 == 1) {
            if let Some(byte) = bytes.get_mut((i * 6 + j) / 8) {
                *byte |= 1 << (7 - (i * 6 + j) % 8);
            }
        }
    }
    Some(bytes)
}

/// What browsers make of base64 (<https://infra.spec.whatwg.org/#forgiving-base64-decode>): without its
/// padding, whatever bits are left over.
pub fn forgiving_base64(text: &str) -> Option<Vec<u8>> {
    let blanks = ['\t', '\n', '\x0c', '\r', ' '];
    let text: String = text.chars().filter(|letter| !blanks.contains(letter)).collect();
    let text = match text.len() % 4 {
        0 => text.strip_suffix("==").or(text.strip_suffix('=')).unwrap_or(&text),
        _ => &text,
    };
    // The last two digits are others than in base64url.
    if text.len() % 4 == 1 || text.contains(['-', '_']) {
        return None;
    }
    digits(&text.replace('+', "-").replace('/', "_"))
}

/// The fields of a form (<https://url.spec.whatwg.org/#urlencoded-parsing>).
pub fn form_fields(body: &[u8]) -> Vec<(String, String)> {
    let decoded = |text: &[u8]| {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
            // Not `+1`, which would be a number too.
            let digits = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
            let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            match (byte, escaped) {
                (b'%', Some(escaped)) => {
                    bytes.push(escaped);
                    rest = &after[2..];
                    continue;
                }
                (b'+', _) => bytes.push(b' '),
                _ => bytes.push(byte),
            }
            rest = after;
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let fields = body.split(|byte| *byte == b'&').filter(|field| !field.is_empty());
    let parts = fields.map(|field| {
        let middle = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
        (decoded(&field[..middle]), decoded(field.get(middle + 1..).unwrap_or_default()))
    });
    parts.collect()
}
