//! Random identifiers and tokens.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Fills an array with bytes from the operating system.
fn bytes<const N: usize>() -> [u8; N] {
    let mut buffer = [0; N];
    if let Err(error) = getrandom::fill(&mut buffer) {
        // Tokens that can be guessed would make every test about secrets a lie.
        panic!("the operating system gives no random bytes: {error}");
    }
    buffer
}

/// An opaque token of `length` URL-safe characters (6 bits each).
pub(crate) fn token(length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let [byte] = bytes::<1>();
        text.push(char::from(ALPHABET[usize::from(byte & 63)]));
    }
    text
}

/// A string of decimal digits that does not start with zero, as application ids are.
pub(crate) fn digits(length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let [byte] = bytes::<1>();
        // 250 is the largest multiple of ten in a byte: above it the digits would be biased.
        let lowest = u8::from(text.is_empty());
        if byte < 250 && byte % 10 >= lowest {
            text.push(char::from(b'0' + byte % 10));
        }
    }
    text
}

/// A request id as the cloud prints it: a UUID in upper case.
pub(crate) fn request_id() -> String {
    let raw: [u8; 16] = bytes();
    let hex: String = raw.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
