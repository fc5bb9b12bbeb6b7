//! Hex digits, for identifiers, key files and claims in text.

/// Lower-case digits.
pub(crate) fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// The bytes of an even number of digits of either case, or `None`.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_back_as_bytes_and_nothing_else_does() {
        assert_eq!(decode(encode(&[0, 0x7f, 0xff]).as_bytes()), Some(vec![0, 0x7f, 0xff]));
        assert_eq!(decode(b"AbCd"), Some(vec![0xab, 0xcd]));
        assert_eq!(decode(b"abc"), None);
        assert_eq!(decode(b"0x"), None);
        assert_eq!(decode(b""), Some(vec![]));
    }
}
