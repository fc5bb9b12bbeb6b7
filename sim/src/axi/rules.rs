//! What AXI4 demands of a master: checked on each clock, of the channels that it drives.

use crate::Model;

/// A burst that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// AxID.
    pub id: u64,
    /// AxADDR.
    pub address: u64,
    /// AxLEN + 1.
    pub beats: u64,
}

/// One channel with VALID from the master: AW, AR or W.
#[derive(Debug)]
pub struct Rules {
    valid: String,
    ready: String,
    payload: Vec<String>,
    stalled: Option<Vec<u64>>,
}

impl Rules {
    /// The channel `channel` ("aw", "w", "ar") of the ports `prefix`_*, with these payload signals.
    pub fn new(prefix: &str, channel: &str, payload: &[&str]) -> Rules {
        let name = |signal: &str| format!("{prefix}_{channel}{signal}");
        let payload = payload.iter().map(|signal| name(signal)).collect();
        Rules { valid: name("valid"), ready: name("ready"), payload, stalled: None }
    }

    /// The payload, if it is taken in this clock.
    ///
    /// # Panics
    ///
    /// If VALID was withdrawn, or the payload changed, before it was taken.
    pub fn observe(&mut self, model: &Model) -> Option<Vec<u64>> {
        let is_valid = model.get(&self.valid) == 1;
        let payload = is_valid.then(|| self.payload.iter().map(|signal| model.get(signal)).collect::<Vec<u64>>());
        if self.stalled.is_some() {
            assert_eq!(payload, self.stalled, "{} or {:?} changed before READY", self.valid, self.payload);
        }
        let is_taken = is_valid && model.get(&self.ready) == 1;
        self.stalled = payload.clone().filter(|_| !is_taken);
        payload.filter(|_| is_taken)
    }
}

impl Burst {
    /// From ID, ADDR, LEN, SIZE and BURST of a master with 64-bit data.
    ///
    /// # Panics
    ///
    /// If the burst is not of whole words and INCR, or crosses 4 KiB.
    pub fn checked(payload: &[u64]) -> Burst {
        let &[id, address, len, size, kind] = payload else { panic!("five signals, not {payload:?}") };
        assert_eq!((size, kind, address % 8), (3, 1, 0), "size, burst, alignment of {payload:x?}");
        assert!(address % 4096 + 8 * (len + 1) <= 4096, "{payload:x?} crosses 4 KiB");
        Burst { id, address, beats: len + 1 }
    }
}
