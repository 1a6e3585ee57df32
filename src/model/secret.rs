//! A string that must not be seen: tokens, authorization codes, keys, client secrets.

use std::fmt;

use zeroize::Zeroizing;

/// A secret text. `Debug` is redacted, there is no `Display`, and the memory is overwritten on drop.
///
/// Reading it takes a call to [`Secret::expose`], so that every place where a secret leaves its
/// wrapper can be found by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Never hand the result to a log, an error or a page.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True for the empty text, which is no secret at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_text() {
        let secret = Secret::new("eyJhbGciOi");
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
        assert_eq!(format!("{:?}", Some(&secret)), "Some(Secret(redacted))");
    }
}
