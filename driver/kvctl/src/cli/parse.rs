//! Small values on the command line: numbers, keys, requests.

use kvcpu_mmio::queue::Key;

/// A number, decimal or with `0x` hexadecimal; `_` between digits is allowed.
pub fn number(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None => (text, 10),
    };
    // `from_str_radix` would let a sign through.
    let plain = digits.chars().all(|c| c == '_' || c.is_digit(radix));
    let parsed = u64::from_str_radix(&digits.replace('_', ""), radix);
    parsed
        .ok()
        .filter(|_| plain)
        .ok_or_else(|| format!("`{text}` is not a number of at most 64 bits; write 17 or 0x11"))
}

/// A number that fits into `T`.
pub fn small<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let bits = 8 * size_of::<T>();
    T::try_from(number(text)?).map_err(|_| format!("`{text}` does not fit into {bits} bits"))
}

/// `tenant:request:tag`, `request:tag` or `tag`; what is left out is 0.
pub fn key(text: &str) -> Result<Key, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (tenant, request, tag) = match parts[..] {
        [tag] => ("0", "0", tag),
        [request, tag] => ("0", request, tag),
        [tenant, request, tag] => (tenant, request, tag),
        _ => return Err(format!("`{text}` has too many parts; a key is tenant:request:tag, request:tag or tag")),
    };
    let named = |what: &'static str| move |error: String| format!("{what} of key `{text}`: {error}");
    Ok(Key {
        tenant: small(tenant).map_err(named("tenant"))?,
        request: small(request).map_err(named("request"))?,
        tag: number(tag).map_err(named("tag"))?,
    })
}

/// `tenant:request` or `request`.
pub fn request(text: &str) -> Result<(u8, u16), String> {
    let (tenant, request) = text.split_once(':').unwrap_or(("0", text));
    let (tenant, request) = (small(tenant)?, small(request)?);
    if request == 0 {
        return Err("request 0 is the shared-prefix space, which has no chain; use --range".into());
    }
    Ok((tenant, request))
}

/// `tier:number`.
pub fn tier_number(text: &str) -> Result<(u32, u32), String> {
    let (tier, number) = text
        .split_once(':')
        .ok_or_else(|| format!("`{text}`: write TIER:NUMBER, for example 1:200"))?;
    Ok((small::<u8>(tier.trim_start_matches(['T', 't'])).and_then(tier_exists)?, small(number)?))
}

fn tier_exists(tier: u8) -> Result<u32, String> {
    if tier < 4 { Ok(tier.into()) } else { Err(format!("there is no tier {tier}; there are 0 to 3")) }
}

/// A key as it is typed.
pub fn show_key(key: &Key) -> String {
    format!("{}:{}:{:#x}", key.tenant, key.request, key.tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_in_all_three_forms_and_back() {
        let full = Key { tenant: 3, request: 0x10, tag: u64::MAX };
        assert_eq!(key("3:0x10:0xffff_ffff_ffff_ffff"), Ok(full));
        assert_eq!(key(&show_key(&full)), Ok(full));
        assert_eq!(key("7:9"), Ok(Key { tenant: 0, request: 7, tag: 9 }));
        assert_eq!(key("9"), Ok(Key::shared(0, 9)));
        for bad in ["", ":", "1:2:3:4", "256:0:1", "0:65536:1", "x", "-1", "+1", "0x", "0x+1", "18446744073709551616"] {
            assert!(key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn requests_and_tier_numbers_refuse_what_does_not_exist() {
        assert_eq!(request("2:7"), Ok((2, 7)));
        assert_eq!(request("7"), Ok((0, 7)));
        assert!(request("0").is_err());
        assert_eq!(tier_number("T1:20"), Ok((1, 20)));
        assert!(tier_number("4:1").is_err());
        assert!(tier_number("20").is_err());
    }
}
