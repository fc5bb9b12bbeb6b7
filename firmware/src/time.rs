//! Milliseconds out of the core's microseconds, without a division of 64 bits, which the core has not got.

/// Milliseconds, mod 2^32: long division by 1,000, 16 bits at a time, high digits first.
pub(crate) fn milliseconds(us: u64) -> u32 {
    let (high, low) = ((us >> 32) as u32, us as u32);
    let (mut quotient, mut rest) = (0u32, 0u32);
    for digit in [high >> 16, high & 0xFFFF, low >> 16, low & 0xFFFF] {
        let dividend = rest << 16 | digit;
        quotient = (quotient << 16).wrapping_add(dividend / 1_000);
        rest = dividend % 1_000;
    }
    quotient
}

#[cfg(test)]
mod tests {
    use super::milliseconds;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_the_quotient(us: u64) {
            prop_assert_eq!(milliseconds(us), (us / 1_000) as u32);
        }
    }
}
