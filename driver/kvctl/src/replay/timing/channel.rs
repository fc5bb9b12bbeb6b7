//! A channel moves one block after another, first come, first served. A transfer's latency does not occupy it: the next
//! block's bytes follow at once.

use super::{SPEEDS, Speed};
use kvcpu_mmio::geometry::TIERS;

/// One direction of one tier.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    speed: Speed,
    /// When the bytes of all that was asked for so far are through.
    free_ns: u64,
    /// Transfers asked for.
    pub transfers: u64,
    /// Time the channel has been moving bytes, or will have been.
    pub busy_ns: u64,
    /// Longest time a transfer stood in the queue.
    pub longest_wait_ns: u64,
}

impl Channel {
    /// An idle one.
    pub fn new(speed: Speed) -> Channel {
        Channel { speed, free_ns: 0, transfers: 0, busy_ns: 0, longest_wait_ns: 0 }
    }

    /// A transfer that is asked for at `now_ns`, not before any other. Returns when it is done: after what stands before
    /// it in the queue, the time of its own bytes, and the latency.
    pub fn transfer(&mut self, now_ns: u64, bytes: u64) -> u64 {
        let occupied_ns = self.speed.occupied_ns(bytes);
        let begin_ns = self.free_ns.max(now_ns);
        self.free_ns = begin_ns.saturating_add(occupied_ns);
        self.transfers += 1;
        self.busy_ns = self.busy_ns.saturating_add(occupied_ns);
        self.longest_wait_ns = self.longest_wait_ns.max(begin_ns - now_ns);
        self.free_ns.saturating_add(self.speed.latency_ns)
    }
}

/// The channels upwards, one from each tier. What goes down has channels of its own and delays nothing here.
#[derive(Clone, Debug)]
pub struct Channels {
    up: [Channel; TIERS],
    block_bytes: u64,
}

impl Channels {
    /// Idle channels for blocks of this size.
    pub fn new(block_bytes: u64) -> Channels {
        Channels { up: SPEEDS.map(Channel::new), block_bytes }
    }

    /// Asks at `now_ns` for a block of tier `from`, below [`TIERS`]. Returns when it has arrived.
    pub fn fetch(&mut self, from: u8, now_ns: u64) -> u64 {
        self.up[usize::from(from)].transfer(now_ns, self.block_bytes)
    }

    /// The channel from each tier.
    pub fn up(&self) -> &[Channel; TIERS] {
        &self.up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10 bytes at 1 byte a nanosecond, 5 ns of latency.
    #[test]
    fn transfers_queue_and_latency_does_not() {
        let mut channel = Channel::new(Speed { latency_ns: 5, bytes_per_s: 1_000_000_000 });
        assert_eq!(channel.transfer(100, 10), 115);
        assert_eq!(channel.transfer(100, 10), 125, "behind the first");
        assert_eq!(channel.transfer(112, 10), 135, "the second is still at it until 120");
        assert_eq!(channel.transfer(200, 10), 215, "idle again since 130");
        assert_eq!((channel.transfers, channel.busy_ns, channel.longest_wait_ns), (4, 40, 10));
    }

    #[test]
    fn tiers_do_not_wait_for_each_other() {
        let mut channels = Channels::new(3_000_000);
        assert_eq!(channels.fetch(3, 0), 1_000_000 + 100_000);
        assert_eq!(channels.fetch(2, 0), 120_000 + 400);
        assert_eq!(channels.fetch(1, 0), 120_000 + 150);
        assert_eq!(channels.fetch(3, 0), 2_000_000 + 100_000);
        assert_eq!(channels.up().map(|channel| channel.transfers), [0, 1, 1, 2]);
    }

    /// First come, first served, whatever is asked: done in the order of asking, and never earlier than alone.
    #[test]
    fn done_in_order() {
        let mut channel = Channel::new(SPEEDS[3]);
        let (mut now, mut before) = (0, 0);
        for i in 0..1000_u64 {
            now += i * 7919 % 900;
            let done = channel.transfer(now, 3000);
            assert!(done > before && done >= now + 1000 + 100_000, "{i}");
            before = done;
        }
    }
}
