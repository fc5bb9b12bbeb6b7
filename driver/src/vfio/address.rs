//! Addresses of PCI functions, as lspci and sysfs write them.

use std::fmt;
use std::str::FromStr;

/// Domain, bus, device and function: `0000:05:00.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PciAddress {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no PCI address; write domain:bus:device.function in hexadecimal, as `lspci -D` does: 0000:05:00.0")]
pub struct AddressError(String);

impl FromStr for PciAddress {
    type Err = AddressError;

    /// Reads `0000:05:00.0`, or `05:00.0` of domain 0.
    fn from_str(text: &str) -> Result<PciAddress, AddressError> {
        parse(text).ok_or_else(|| AddressError(text.into()))
    }
}

fn parse(text: &str) -> Option<PciAddress> {
    let (place, function) = text.rsplit_once('.')?;
    let (place, device) = place.rsplit_once(':')?;
    let (domain, bus) = place.rsplit_once(':').unwrap_or(("0", place));
    let number = |digits: &str, most: u32| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|value| plain && *value <= most)
    };
    Some(PciAddress {
        // Hosts behind a VMD have domains of more than 16 bits.
        domain: number(domain, u32::MAX)?,
        bus: number(bus, 0xFF)? as u8,
        device: number(device, 0x1F)? as u8,
        function: number(function, 7)? as u8,
    })
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{}", self.domain, self.bus, self.device, self.function)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;

    #[test]
    fn addresses_are_read_as_lspci_writes_them() {
        for (text, canonical) in [
            ("0000:05:00.0", "0000:05:00.0"),
            ("05:00.0", "0000:05:00.0"),
            ("5:1f.7", "0000:05:1f.7"),
            ("10000:E1:00.0", "10000:e1:00.0"),
        ] {
            assert_eq!(text.parse::<PciAddress>().unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "0000:05:00",
            "05.0",
            "0000:05:20.0",
            "0000:05:00.8",
            "0000:105:00.0",
            "0000:+5:00.0",
            "x:05:00.0",
            "0:0:05:00.0",
            "../../05:00.0",
        ] {
            let error = text.parse::<PciAddress>().unwrap_err();
            assert!(error.to_string().contains("lspci -D"), "{text}: {error}");
        }
    }
}
