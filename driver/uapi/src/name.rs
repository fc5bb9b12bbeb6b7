//! The name of a character device.

use std::fmt;
use std::str::FromStr;

/// Most letters of a name.
const MOST: usize = 32;

/// A name below /dev: letters, digits, `_`, `-` and `.`, and no more than 32 of them, not beginning with a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Name {
    /// What programs for the public driver open.
    fn default() -> Name {
        Name("kvcpu0".into())
    }
}

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Name, Self::Err> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        if text.is_empty() || text.len() > MOST || text.starts_with('.') || !is_plain {
            return Err("a device's name is 1 to 32 letters, digits, `_`, `-` and `.`, and begins with no dot");
        }
        Ok(Name(text.into()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
