//! What AXI4 forbids a master, checked on each channel (ARM IHI 0022E: A3.2.1 handshake, A3.4.1 address structure).
//!
//! A rule broken is an error in the RTL, so the simulation ends with its name; it is never repaired.

/// A channel on which the other side may wait: what is offered stays until it is taken.
#[derive(Clone, Debug)]
pub(crate) struct Channel<const N: usize> {
    name: &'static str,
    offered: Option<[u64; N]>,
}

impl<const N: usize> Channel<N> {
    pub(crate) fn new(name: &'static str) -> Channel<N> {
        Channel { name, offered: None }
    }

    /// The channel in this clock; what is handed over, if anything is. Most channels rest most of the time, so the payload
    /// is collected only when it is valid.
    #[inline]
    pub(crate) fn clock(
        &mut self,
        valid: bool,
        ready: bool,
        payload: impl FnOnce() -> [u64; N],
    ) -> Result<Option<[u64; N]>, String> {
        if !valid && self.offered.is_none() {
            return Ok(None);
        }
        self.check(valid, ready, payload())
    }

    fn check(&mut self, valid: bool, ready: bool, payload: [u64; N]) -> Result<Option<[u64; N]>, String> {
        if let Some(offered) = self.offered.take() {
            if !valid {
                return Err(format!("{}: valid was taken back before ready", self.name));
            }
            if offered != payload {
                return Err(format!("{}: payload changed from {offered:x?} to {payload:x?} before ready", self.name));
            }
        }
        if valid && !ready {
            self.offered = Some(payload);
        }
        Ok((valid && ready).then_some(payload))
    }

    /// After a reset nothing is offered.
    pub(crate) fn reset(&mut self) {
        self.offered = None;
    }
}

/// The address of a burst, as on AW and AR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Burst {
    pub(crate) id: u64,
    pub(crate) address: u64,
    pub(crate) beats: usize,
}

impl Burst {
    /// From id, address, len, size, burst. Only what the device has any use for is let through: whole words, incrementing.
    pub(crate) fn new(channel: &str, [id, address, len, size, burst]: [u64; 5]) -> Result<Burst, String> {
        let at = format!("{channel}: burst of {} beats at {address:#x}", len + 1);
        if size != 3 {
            return Err(format!("{at}: size is {size}; the bus is 8 bytes wide, so 3"));
        }
        if burst != 1 {
            return Err(format!("{at}: burst type is {burst}; 1 (INCR) is expected"));
        }
        if !address.is_multiple_of(8) {
            return Err(format!("{at}: the address is no multiple of 8"));
        }
        if (address & 0xFFF) + 8 * (len + 1) > 0x1000 {
            return Err(format!("{at}: it crosses a 4 KiB boundary"));
        }
        Ok(Burst { id, address, beats: len as usize + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_stays() {
        let offer = || {
            let mut channel = Channel::new("W");
            assert_eq!(channel.clock(true, false, || [1, 2]), Ok(None));
            channel
        };
        assert_eq!(offer().clock(true, true, || [1, 2]), Ok(Some([1, 2])));
        assert!(offer().clock(true, true, || [1, 3]).is_err_and(|why| why.contains("payload changed")));
        assert!(offer().clock(false, true, || [1, 2]).is_err_and(|why| why.contains("taken back")));
        let mut channel = offer();
        channel.reset();
        assert_eq!(channel.clock(false, true, || [0, 0]), Ok(None));
        assert_eq!(channel.clock(true, true, || [5, 6]), Ok(Some([5, 6])));
        assert_eq!(channel.clock(true, true, || [7, 8]), Ok(Some([7, 8])));
    }

    #[test]
    fn bursts_keep_to_pages_and_words() {
        let burst = |payload| Burst::new("AR", payload);
        assert_eq!(burst([2, 0xF80, 15, 3, 1]), Ok(Burst { id: 2, address: 0xF80, beats: 16 }));
        for (payload, why) in [
            ([0, 0xF88, 15, 3, 1], "crosses a 4 KiB"),
            ([0, 0, 0, 2, 1], "size is 2"),
            ([0, 0, 0, 3, 2], "burst type is 2"),
            ([0, 4, 0, 3, 1], "no multiple of 8"),
        ] {
            assert!(burst(payload).is_err_and(|said| said.contains(why)), "{why}");
        }
    }
}
